"""Flags are spelled in one way in all that an entrance says, and every way to ask for help is answered."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commands import (
    DARTS_GENOTYPE,
    QUICKEST,
    TINIEST,
    EntryPoint,
    call,
    modern,
    refusal,
    search,
    stop_after,
    without_pictures,
)

FLAG = re.compile(r"(?:^|[\s'\"`(])(--?)(?=[a-z]\w+)(?!-?-?(?:nproc|nnodes|no-python|help)\b)")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def in_form(words: Sequence[str], dashes: str) -> list[str]:
    return [dashes + word.lstrip("-") if re.match(r"--?[a-z]", word) else word for word in words]


def dashes_of(text: str) -> set[str]:
    return set(FLAG.findall(re.sub(r"see (search\.py|dadarts search) --help-all", "", text)))


ENTRY_POINTS = [
    pytest.param(search, [], "-", id="search.py -flag"),
    pytest.param(search, [], "--", id="search.py --flag"),
    pytest.param(modern, ["search"], "-", id="dadarts -flag"),
    pytest.param(modern, ["search"], "--", id="dadarts --flag"),
]
WRONG = [
    ["-w_lr", "fast"],
    ["-nesterov", "-w_momentum", "0"],
    ["-epochs", "3", "-restarts", "2"],
    ["-restarts", "2", "-selection", "perturbation"],
    ["-selection", "best-of-random", "-selection_genotypes", "0"],
    ["-genotype_to_retain", "all", "-selection", "random"],
    ["-batch_size", "5000"],
    ["-first_order", "-single_level_optimization"],
    ["-engine", "native", "-device", "mps"],
    ["-gpus", "x", "-device", "cuda"],
    ["-option", "2", "-topk_on_alphas", "-topk_k_edge", "0", "-topk_k_node", "0"],
    ["-search_space", "nas-bench-macro", "-nodes", "3"],
    ["-resume", "-overwrite"],
    ["-resume"],
    ["-dataset_portion", "2"],
    ["-projekt"],
    ["-project"],
    ["-layers"],
]


@pytest.mark.parametrize(("entry", "command", "dashes"), ENTRY_POINTS)
def test_errors_have_the_dashes_that_were_typed(entry: EntryPoint, command: list[str], dashes: str) -> None:
    said = []
    for wrong in WRONG:
        kept = [*TINIEST]
        for flag in wrong:
            if flag in kept:
                place = kept.index(flag)
                del kept[place : place + 2]
        outcome = call(entry, *command, *in_form(["-name", "it", *kept, *wrong], dashes))
        assert outcome.code == 2, (wrong, outcome)
        assert dashes_of(outcome.err) <= {dashes}, outcome.err
        said.append(bool(dashes_of(outcome.err)))
    assert sum(said) > len(WRONG) // 2


@pytest.mark.parametrize(("entry", "command", "dashes"), ENTRY_POINTS)
def test_notes_log_and_advice_have_the_dashes_that_were_typed(
    entry: EntryPoint, command: list[str], dashes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["-name", "it", *QUICKEST, "-topk_on_alphas", "-hd_on_alphas", "-dal_on_weights", "-dal_factor_max", "3"]
    words += ["-hd_on_virtualstep", "-genotype_to_retain", "all"]
    with stop_after(1, signal.SIGINT, monkeypatch):
        outcome = call(entry, *command, *in_form(words, dashes))
    assert outcome.code == 130, outcome.err
    assert outcome.err.count("note: ") >= 4
    for text in (outcome.err, Path("runs/search/it/log.txt").read_text()):
        assert dashes_of(text) == {dashes}
    advice = outcome.err.splitlines()[-1].split("go on with: ")[1]
    assert shlex.split(advice)[-1] == f"{dashes}resume"


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_commands_that_are_suggested_have_the_dashes_that_were_typed(dashes: str) -> None:
    begin = call(modern, "runs", f"{dashes}runs_dir", ".").err
    assert begin.endswith(f"dadarts search {dashes}name first {dashes}dataset digits {dashes}runs_dir .\n") or (
        dashes_of(begin) == {dashes}
    )
    folder = Path("other/search/it")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        '{"settings": {"name": "it", "epochs": 2, "dataset": "digits"}, "versions": {}}'
    )
    listed = call(modern, "runs", f"{dashes}runs_dir", "other").out
    assert f"go on with: dadarts search {dashes}name it {dashes}runs_dir other {dashes}resume" in listed


@pytest.mark.parametrize(
    ("entry", "words", "said"),
    [
        (search, [], "search.py: begin with search.py -name X -dataset X; search.py --help lists its flags"),
        (modern, ["search"], "dadarts: begin with dadarts search --name X --dataset X; dadarts search --help lists"),
        (
            modern,
            ["train"],
            "dadarts: begin with dadarts train --name X --dataset X --genotype X; dadarts train --help",
        ),
        (modern, ["compare"], "dadarts: begin with dadarts compare --methods X; dadarts compare --help lists"),
        (modern, ["show"], "dadarts: begin with dadarts show GENOTYPE; dadarts show --help lists its flags"),
        (modern, ["show", "--json"], "dadarts: GENOTYPE must be given: dadarts show GENOTYPE"),
        (modern, ["oracle", "nas-bench-201"], "dadarts: GENOTYPE must be given: dadarts oracle BENCHMARK GENOTYPE"),
        (modern, ["predict", "it"], "dadarts: PATH must be given: dadarts predict RUN PATH ..."),
        (modern, ["serch"], "dadarts: unknown command 'serch'. Did you mean 'search'?"),
        (modern, ["serch", "-h"], "Did you mean 'search'?"),
        (modern, ["help", "serch"], "Did you mean 'search'?"),
        (modern, ["Search"], "Did you mean 'search'?"),
        (modern, ["augment", "-name", "a"], "dadarts: unknown command 'augment'; known: fit, search, train"),
        (
            modern,
            ["--name", "a"],
            "dadarts: --name comes after a command, such as `dadarts search`; see dadarts --help",
        ),
        (modern, [""], "dadarts: unknown command ''"),
    ],
)
def test_half_a_command_is_one_line_that_says_the_rest(entry: EntryPoint, words: list[str], said: str) -> None:
    assert said in refusal(entry, *words)


@pytest.mark.parametrize(
    "words",
    [
        ["help", "search"],
        ["--help", "search"],
        ["search", "--help"],
        ["search", "-h"],
        ["help-all", "search"],
        ["search", "--help-all"],
    ],
)
def test_every_way_to_ask_for_a_command_s_help_is_answered(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        modern(words)
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("usage: dadarts search --name X --dataset X ")


def test_a_batch_larger_than_a_half_names_the_half_and_what_fits() -> None:
    words = ["-name", "it", "-dataset", "digits", "-batch_size"]
    said = refusal(search, *words, "5000")
    found = re.search(r"more than the (training|validation) half of ([\d,]+) pictures: give -batch_size (\d+) or", said)
    assert found is not None
    assert int(found[2].replace(",", "")) == int(found[3]) <= 1438 // 2
    assert "half of" in refusal(search, *words, str(int(found[3]) + 1))


def test_a_training_says_flags_as_typed_too() -> None:
    words = ["train", "--name", "it", "--dataset", "digits", "--genotype", DARTS_GENOTYPE, "--batch_size", "1"]
    said = refusal(modern, *words)
    assert said == "dadarts: --batch_size 1: batch norm in the auxiliary head needs 2 pictures; or pass --aux_weight 0"
