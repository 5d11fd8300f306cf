from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dadarts.fitting import loop, speed
from dadarts.fitting.candidates import FAMILIES
from tests.commands import ROOT, without_pictures


def test_what_the_page_says_to_type_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    monkeypatch.setattr(loop, "FAMILIES", [replace(FAMILIES[0], sizes=FAMILIES[0].sizes[:1])])
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sklearn.md").read_text(), re.DOTALL)
    text = "\n".join(blocks)
    # So that it takes no time: less of it.
    for whole, less in (
        ("minutes=5", "minutes=0.02, threads=1"),
        ("load_digits(return_X_y=True)", "(part[:120] for part in load_digits(n_class=3, return_X_y=True))"),
        ("cv=3", "cv=2"),
        ("[4, 8]}, cv=2)", "[4]}, cv=2, refit=False)"),
        ("epochs=3", "epochs=1"),
    ):
        assert whole in text
        text = text.replace(whole, less)
    exec(compile(text, "sklearn.md", "exec"), {})  # noqa: S102 -- what it says to type
    assert "|nor_conv_3x3~0|" in capsys.readouterr().out
    assert Path("digits.html").read_text().startswith("<!doctype html>")


def test_what_the_page_of_notebooks_says_to_type_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    monkeypatch.setattr(loop, "FAMILIES", [replace(FAMILIES[0], sizes=FAMILIES[0].sizes[:1])])
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "notebook.md").read_text(), re.DOTALL)
    assert "minutes=5" in block
    names: dict[str, Any] = {}
    small = block.replace("minutes=5", "minutes=0.02, dataset_portion=0.1, threads=1")
    exec(compile(small, "notebook.md", "exec"), names)  # noqa: S102 -- what it says to type
    assert "fit digits" in names["done"]._repr_html_()
