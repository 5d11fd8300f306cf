"""`dadarts runs` lists whatever there is, in columns that hold."""

from __future__ import annotations

import json
import os
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.cli import columns
from dadarts.cli.listing import list_runs
from dadarts.pacing import size
from tests.commands import modern, succeed

CONFIG = {"settings": {"name": "it", "epochs": 4, "dataset": "digits"}, "versions": {}}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(name: str, kind: str = "search", **files: str) -> Path:
    folder = Path("runs") / kind / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for file, text in files.items():
        (folder / file.replace("_txt", ".txt").replace("_csv", ".csv")).write_text(text)
    return folder


def columns_of(lines: list[str]) -> list[str]:
    """The cell below ``state`` in each line, found by where it stands on a terminal."""
    at = lines[0].index("state")
    found = []
    for line in lines:
        cells, place = "", 0
        for each in line:
            cells += each if at <= place < at + 9 else ""
            place += 0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        found.append(cells.strip())
    return found


@pytest.mark.parametrize("name", ["a", "x" * 200, "猫" * 66, "e\u0301" * 60, "a\x1b[2Jb", "tab\tline\n", "\udcff"])
@pytest.mark.parametrize("dataset", ["digits", "/data/" + "d" * 300, "犬の写真" * 30, "\x1b[31mred", "\ud800"])
def test_columns_hold_whatever_a_name_and_a_data_set_are(name: str, dataset: str) -> None:
    for kind in ("search", "augment"):
        folder = run(name, kind)
        (folder / "config.json").write_text(
            json.dumps(CONFIG | {"settings": CONFIG["settings"] | {"dataset": dataset}})
        )
    run("another")
    out = succeed(modern, "runs").out
    assert columns_of(out.splitlines()) == ["state", *["stopped"] * 3]
    assert all(character.isprintable() for character in out.replace("\n", ""))
    out.encode()
    listed = json.loads(succeed(modern, "runs", "--json").out)
    assert {(row["name"], row["dataset"]) for row in listed} == {(name, dataset), ("another", "digits")}


@given(st.lists(st.lists(st.text(max_size=40), min_size=2, max_size=2), min_size=1, max_size=4), st.integers(1, 30))
def test_cells_of_any_text_stand_below_one_another(table: list[list[str]], most: int) -> None:
    shown = [[columns.printable(cell) for cell in row[:2]] + ["|"] for row in table]
    lines = columns.rows(shown, (most, most), (False, True))
    assert len({columns.width(line) for line in lines}) == 1
    assert all(line.isprintable() for line in lines)
    assert max(columns.width(line) for line in lines) <= 2 * (most + 2) + 1


def test_runs_without_the_facts_show_a_dash() -> None:
    run("old")
    (row,) = json.loads(succeed(modern, "runs", "--json").out)
    assert [row[name] for name in ("seconds", "accuracy")] == [None, None]
    line = succeed(modern, "runs").out.splitlines()[1]
    cells = line.split()
    assert (cells[:5], cells[7]) == (["search", "old", "digits", "0/4", "stopped"], "-")
    assert cells[10] == "-"


def test_facts_that_are_no_numbers_are_left_out() -> None:
    history = "epoch,seconds,seconds_validation,valid_top1\n0,1.5,0.5,0.25\n1,x,nan,\n2,3,,inf\n"
    os.utime(run("odd", log_txt="garbage that is long enough\n", history_csv=history) / "config.json", (0, 0))
    run("fine", "augment", log_txt="2026-01-02 03:04:05 read\n", result_txt='{"test_top1": 0.5}\n')
    run("damaged", "augment", log_txt="2026-01-01 03:04:05 read\n", result_txt='{"test": 1}\n', history_csv=history)
    odd, damaged, fine = list_runs(Path("runs"))
    assert (odd.began, odd.seconds, odd.accuracy) == (time.strftime("%Y-%m-%d %H:%M", time.localtime(0)), 5.0, 0.25)
    assert (fine.began, fine.seconds, fine.accuracy) == ("2026-01-02 03:04", None, 0.5)
    assert (damaged.name, damaged.accuracy) == ("damaged", 0.25)


def test_the_newest_run_of_a_kind_comes_last() -> None:
    for name, day in (("c", 1), ("a", 2), ("b", 3)):
        run(name, log_txt=f"2026-01-0{day} 03:04:05 read\n")
        run(name, "augment", log_txt=f"2026-01-0{4 - day} 03:04:05 read\n")
    assert [each.name for each in list_runs(Path("runs"))] == ["c", "a", "b", "b", "a", "c"]


def test_hundreds_of_runs_with_other_things_deep_in_them_are_listed_at_once() -> None:
    history = "epoch,seconds,valid_top1\n" + "".join(f"{epoch},1.0,0.5\n" for epoch in range(50))
    for number in range(300):
        run(f"run-{number}", history_csv=history, log_txt="2026-01-02 03:04:05 read\n")
    deep = Path("runs/search/run-0/mine/" + "/".join("abcdefgh"))
    deep.mkdir(parents=True)
    (deep / "large").write_bytes(bytes(100_000))
    (Path("runs/search/run-1") / "link").symlink_to("/")
    began = time.process_time()
    runs = list_runs(Path("runs"))
    assert time.process_time() - began < 3
    assert len(runs) == 300
    assert all((each.bytes or 0) < 50_000 for each in runs)


def test_sizes_have_three_digits() -> None:
    said = [size(count) for count in (0, 999, 1000, 12_345, 999_499, 999_999, 10**9, 123 * 10**12)]
    assert said == ["0 B", "999 B", "1.00 kB", "12.3 kB", "999 kB", "1.00 MB", "1.00 GB", "123 TB"]
