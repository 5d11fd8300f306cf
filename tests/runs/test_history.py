"""Columns of history: declared once, and told to people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dadarts
from dadarts.cli.techniques import Techniques
from dadarts.config import SearchConfig, TrainConfig
from dadarts.rundir import history
from tests.commands import ROOT

PACKAGE = Path(dadarts.__file__).parent
NAMES = [column.name for column in history.COLUMNS]
SETTINGS = {*SearchConfig.model_fields, *TrainConfig.model_fields, *Techniques.model_fields}


def test_every_column_is_declared_once_and_listed() -> None:
    declared = [value for value in vars(history).values() if isinstance(value, history.Column)]
    assert sorted(column.name for column in declared) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_no_other_module_spells_the_name_of_a_column() -> None:
    # A single word, and the name of a setting, mean other things elsewhere.
    told_apart = {name for name in NAMES if "_" in name and name not in SETTINGS}
    modules = [path for path in PACKAGE.rglob("*.py") if path != Path(history.__file__)]
    quoted = re.compile(rf"""["']({"|".join(told_apart)})["']""")
    spelt = {str(path): set(quoted.findall(path.read_text())) for path in modules}
    assert {path: names for path, names in spelt.items() if names} == {}
    assert set(quoted.findall(Path(history.__file__).read_text())) == told_apart
    assert len(told_apart) > len(NAMES) / 2


def test_a_new_column_stands_in_the_row_in_the_line_and_behind_those_that_are_always_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    foo = history.Column("foo", "what somebody has thought of")
    monkeypatch.setattr(history, "LINE", {**history.LINE, foo: "foo {:.2f}".format})
    row = history.row_of({foo: 0.125, history.TRAIN_LOSS: 2.0}, (history.EPOCH, history.TRAIN_LOSS))
    assert list(row.items()) == [("epoch", None), ("train_loss", 2.0), ("foo", 0.125)]
    assert history.in_words(row) == ["loss 2.0000", "foo 0.12"]


def test_the_page_tells_every_column_as_it_is_declared() -> None:
    told = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| (.+) \|$", (ROOT / "docs" / "history.md").read_text(), re.MULTILINE)
    kinds = {"search": (*history.SEARCH, *history.SEARCH_SOMETIMES), "training": history.TRAINING}
    assert told == [
        (column.name, ", ".join(kind for kind, own in kinds.items() if column in own), column.means)
        for column in history.COLUMNS
    ]


def test_what_rounding_does_is_said_without_a_sign() -> None:
    assert history.in_words({"discretization_gap": 0.125}) == ["rounding loses 12.5 points"]
    assert history.in_words({"discretization_gap": -0.178}) == ["rounding gains 17.8 points"]
