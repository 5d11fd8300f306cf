"""What a run leaves, under the names that are declared once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dadarts
from dadarts.rundir import contents, history
from dadarts.rundir.kinds import KINDS, SEARCH, TRAINING
from tests.commands import BENCH_GENOTYPE, COMMON, QUICKEST, ROOT, augment, search, succeed, without_pictures
from tests.commands import history as rows_of

PACKAGE = Path(dadarts.__file__).parent


def test_finished_runs_hold_the_files_and_the_columns_that_are_declared_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    succeed(search, "-name", "it", *QUICKEST, "-hessian_eigenvalue", "-max_parameters", "1G")
    training = ("-genotype", BENCH_GENOTYPE, "-valid_fraction", "0.3", "-class_weights", "balanced")
    succeed(augment, "-name", "it", *COMMON, *training)
    sometimes = (history.HESSIAN_EIGENVALUE, history.OVER_LIMIT, history.LIMIT_PRICE)
    columns = {SEARCH: (*history.SEARCH, *sometimes), TRAINING: history.TRAINING}
    for kind in KINDS:
        run = kind.folder(Path("runs"), "it")
        left = {path.name for path in run.iterdir() if not path.name.startswith(".")}
        assert left == {entry.top for entry in contents.ENTRIES if kind in entry.of}
        assert list(rows_of(run)[0]) == [column.name for column in columns[kind]]
        assert all(entry.at(run).exists() for entry in contents.ENTRIES if kind in entry.of)


def test_no_other_module_spells_the_name_of_a_file_in_a_run() -> None:
    # What an export leaves is no run, and has the names that Hugging Face looks for.
    modules = [
        path
        for path in PACKAGE.rglob("*.py")
        if path != Path(contents.__file__) and PACKAGE / "bundle" not in path.parents
    ]
    # A comparison's job has a log of its own.
    names = {entry.name for entry in contents.ENTRIES} - {contents.LOG.name, contents.CELLS.name}
    quoted = re.compile(rf"""["'/]({"|".join(map(re.escape, names))})["']""")
    spelt = {str(path): set(quoted.findall(path.read_text())) for path in modules}
    assert {path: found for path, found in spelt.items() if found} == {}
    assert quoted.findall(Path(contents.__file__).read_text()) != []


def test_the_page_tells_every_file_as_it_is_declared() -> None:
    page = (ROOT / "docs" / "runs.md").read_text()
    told = re.findall(r"^\| `([\w./]+)` \| ([\w, ]+) \| (.+) \|$", page, re.MULTILINE)
    assert told == [(entry.name, ", ".join(kind.noun for kind in entry.of), entry.holds) for entry in contents.ENTRIES]
