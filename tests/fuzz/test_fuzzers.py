"""Every fuzzer, with as many seeds as a test-suite has time for; `make fuzz` tries more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.fuzz import campaign
from tests.fuzz.campaign import ACCEPTED, REFUSED, Campaign, fuzzers


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize(("name", "module"), sorted(fuzzers().items()))
def test_damaged_input_is_used_or_refused_in_one_line(name: str, module: str, tmp_path: Path, bases: Path) -> None:
    with closing(Campaign(module, name, tmp_path, bases)) as running:
        outcomes = list(running.outcomes(range(running.fuzzer.tests)))
    bad = [outcome for outcome in outcomes if outcome.is_bad]
    assert not bad, "\n\n".join(f"seed {one.seed}: {one.kind}\n{one.text[-3000:]}" for one in bad[:5])
    assert any(outcome.kind == REFUSED for outcome in outcomes), "none of a fuzzer's inputs is damaged"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("accepts", ACCEPTED),
        ("refuses", REFUSED),
        ("speaks_two_lines", "message: not one line"),
        ("speaks_at_length", "message: over 1000 characters"),
        ("raises", "KeyError at faulty.py"),
        ("exits", "SystemExit at faulty.py"),
        ("hangs", "hang: faulty.py"),
        ("crashes", "crash: SIGSEGV faulty.py"),
        ("eats_memory", "MemoryError at faulty.py"),
    ],
)
def test_a_fuzzer_tells_every_fault_and_goes_on(
    name: str, kind: str, tmp_path: Path, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "_SLACK_S", 2.0)
    with closing(Campaign("tests.fuzz.faulty", name, tmp_path, bases)) as running:
        outcomes = list(running.outcomes(range(2)))
    assert [outcome.kind.startswith(kind) for outcome in outcomes] == [True, True], outcomes
