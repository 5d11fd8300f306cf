"""A command line is read as it was meant, however its flags are written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from dadarts.cli.configs import search_command, search_config, train_command
from dadarts.cli.flags import Command, Flag, as_typed, flags_of
from dadarts.cli.pareto import ParetoSettings
from dadarts.cli.profile import ProfileSettings
from dadarts.cli.techniques import SelectionFlags, Techniques
from dadarts.compare.command import compare_command
from dadarts.config import FitConfig, SearchConfig, TrainConfig
from dadarts.errors import InputError
from dadarts.main import COMMANDS
from tests.commands import DARTS_GENOTYPE, call, modern, script, spawn

COMMAND = Command(
    "tool",
    "About it.",
    (
        Flag(("name",), "run", "what it is called"),
        Flag(("layers", "n_layers"), "network", "50% of cells", default="8"),
        Flag(("w_lr",), "network", "a number"),
        Flag(("hd_on_weights",), "network", "a switch", boolean=True),
    ),
    unsupported=frozenset({"project"}),
)

SUBCOMMANDS = tuple(COMMANDS)
SETTINGS = (SearchConfig, TrainConfig, FitConfig, Techniques, SelectionFlags, ParetoSettings, ProfileSettings)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-name a", {"name": "a"}),
        ("--name a", {"name": "a"}),
        ("-name=a", {"name": "a"}),
        ("--name=a", {"name": "a"}),
        ("-name=a=b", {"name": "a=b"}),
        ("-n_layers 3", {"layers": "3"}),
        ("--n-layers 3", {"layers": "3"}),
        ("-layers=3", {"layers": "3"}),
        ("-w_lr -1e-3", {"w_lr": "-1e-3"}),
        ("-w_lr -.5", {"w_lr": "-.5"}),
        ("-w_lr=-1e-3", {"w_lr": "-1e-3"}),
        ("-name -odd", {"name": "-odd"}),
        ("-name --odder", {"name": "--odder"}),
        ("-name=-w_lr", {"name": "-w_lr"}),
        ("-name -", {"name": "-"}),
        ("-hd_on_weights", {"hd_on_weights": "True"}),
        ("-hd_on_weights True", {"hd_on_weights": "True"}),
        ("-hd_on_weights=False", {"hd_on_weights": "False"}),
        ("--hd_on_weights false", {"hd_on_weights": "false"}),
        ("-hd_on_weights -name a", {"hd_on_weights": "True", "name": "a"}),
        ("-name hd_on_weights", {"name": "hd_on_weights"}),
        ("", {}),
    ],
)
def test_a_flag_may_be_written_in_any_of_its_forms(line: str, expected: dict[str, str]) -> None:
    assert COMMAND.parse(line.split()) == expected


@pytest.mark.parametrize("value", [DARTS_GENOTYPE, "a b\nc", "=", "-5 apples", "", "'\"", "|none~0|", "é"])
@pytest.mark.parametrize("form", ["-name|V", "--name=V"])
def test_a_value_is_taken_as_it_stands(form: str, value: str) -> None:
    words = [word.replace("V", value) for word in form.split("|")]
    assert COMMAND.parse(words) == {"name": value}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-nam a", "unknown flag -nam. Did you mean '-name'?"),
        ("-hd_on_weight", "unknown flag -hd_on_weight. Did you mean '-hd_on_weights'?"),
        ("-xyzzy", "unknown flag -xyzzy; see tool --help-all"),
        ("-project", "-project of the original is not supported here"),
        ("-dropout_on_weights", "-dropout_on_weights of the original is not supported here"),
        ("-name", "-name needs a value"),
        ("-name -w_lr 3", "-name needs a value"),
        ("-layers 3 -n_layers 3", "-n_layers is given twice"),
        ("-hd_on_weights -hd_on_weights", "is given twice"),
        ("stray", "unexpected 'stray'"),
        ("-hd_on_weights maybe", "unexpected 'maybe'"),
        ("-", "unexpected '-'"),
        ("-1", "unexpected '-1'"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_with_what_to_do(line: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        COMMAND.parse(line.split())
    assert said in caught.value.marked
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message", "said"),
    [
        ("--w_lr x", "-w_lr x: give a number", "--w_lr x: give a number"),
        ("-w_lr x", "-w_lr x: give a number", "-w_lr x: give a number"),
        ("--w-lr=x", "-w_lr x: give a number", "--w-lr x: give a number"),
        ("-method x", "-w_lr does not go with --method x", "-w_lr does not go with -method x"),
        ("--w_lr x -seed 1", "-w_lr and -seed or -layers", "--w_lr and -seed or -layers"),
        ("--w_lr x", "'-w_lr' (-seed) or `-layers`", "'--w_lr' (--seed) or `--layers`"),
        ("", "-name must be given", "--name must be given"),
        ("-seed 1", "see --help; python -m run --nproc_per_node 2", "see --help; python -m run --nproc_per_node 2"),
        ("--seed 1", "g++ -O3 -std=c++17 of 3-way/-x, python -m run", "g++ -O3 -std=c++17 of 3-way/-x, python -m run"),
        ("--w_lr x", "g++: unsupported '-fopenmp' with -shared", "g++: unsupported '-fopenmp' with -shared"),
        ("--genotype -my/net.txt", "no file -my/net.txt or -net.txt", "no file -my/net.txt or -net.txt"),
        ("--first_order x", "see -first_order.", "see --first_order."),
        ("--w_lr -1e-3", "-w_lr -1e-3: give a number from 0", "--w_lr -1e-3: give a number from 0"),
    ],
)
def test_a_message_names_flags_as_they_were_typed(line: str, message: str, said: str) -> None:
    assert as_typed(message, line.split()) == said


def test_the_words_after_a_command_may_stand_among_its_flags() -> None:
    command = Command("tool", "", COMMAND.flags, positionals=(("genotype", "what"),))
    assert command.parse(["-layers", "3", "g", "-name", "a"]) == {"genotype": "g", "layers": "3", "name": "a"}
    for words in ([], ["one", "two"]):
        with pytest.raises(InputError):
            command.parse(words)


def test_every_setting_and_technique_is_a_flag_with_a_group_and_a_text() -> None:
    for model in (SearchConfig, TrainConfig, Techniques):
        flags = {flag.names[0]: flag for flag in flags_of(model)}
        assert set(flags) == set(model.model_fields) - {"method"}
        for name, flag in flags.items():
            assert flag.group, name
            assert len(flag.text) > 3, name


def help_of(command: Command, capsys: pytest.CaptureFixture[str], word: str = "--help-all") -> str:
    with pytest.raises(SystemExit) as left:
        command.parse([word])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_help_is_grouped_and_shows_every_flag_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    said = help_of(COMMAND, capsys)
    assert said.index("run:") < said.index("--name") < said.index("network:") < said.index("--layers")
    assert "50% of cells [8]" in said
    for command in (search_command("search.py"), train_command("augment.py")):
        said = help_of(command, capsys)
        for flag in command.flags:
            assert all(f"--{name} " in said for name in flag.names)
            assert flag.default is None or f"[{flag.default}]" in said
        assert max(map(len, said.splitlines())) <= 120
    said = help_of(search_command("search.py"), capsys)
    for group in ("run", "data", "network", "weights w", "alphas", "bilevel step", "hard discretization",
                  "differentiable top-k", "discretization loss"):  # fmt: skip
        assert f"\n{group}:\n" in said
    assert "[0.025]" in said
    assert "[42]" in said


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        (search_command("search.py"), {"name", "dataset", "epochs", "resume", "seed"}),
        (train_command("dadarts train"), {"name", "dataset", "genotype", "epochs", "overwrite"}),
        (compare_command(), {"methods", "seeds", "dataset", "train", "report", "epochs"}),
    ],
)
def test_the_help_lists_the_usual_flags_and_says_where_the_others_are(
    command: Command, needed: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said, whole = help_of(command, capsys, "--help"), help_of(command, capsys)
    assert help_of(command, capsys, "-h") == said
    assert help_of(command, capsys, "-help_all") == whole
    usual = {flag.names[0] for flag in command.flags if flag.usual}
    assert set(re.findall(r"^  --(\w+)", said, re.MULTILINE)) == usual | {"help"}
    assert needed <= usual
    assert all(flag.usual for flag in command.flags if flag.needed)
    assert f"--help-all lists all {len(command.flags)} flags" in said
    assert len(said.splitlines()) <= 55 < len(whole.splitlines())
    assert re.search(r"^  -h, --help +list the usual flags$", whole, re.MULTILINE)
    assert "hard discretization" not in said


def test_a_command_of_few_flags_has_one_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert help_of(COMMAND, capsys, "-h") == help_of(COMMAND, capsys, "--help") == help_of(COMMAND, capsys)


def test_help_says_what_must_be_given_and_where_the_run_will_be(capsys: pytest.CaptureFixture[str]) -> None:
    said = help_of(search_command("search.py"), capsys)
    assert said.startswith("usage: search.py --name X --dataset X [--flag X ...]\n")
    assert "runs/search/NAME" in said
    assert "runs/augment" not in said
    said = help_of(train_command("dadarts train"), capsys)
    assert said.startswith("usage: dadarts train --name X --dataset X --genotype X [--flag X ...]\n")
    assert "runs/augment/NAME" in said
    assert "runs/search" not in said
    for words in (["show", "-h"], ["runs", "-h"], ["demo", "-h"]):
        with pytest.raises(SystemExit):
            modern(words)
        assert "  " not in capsys.readouterr().out.splitlines()[0]


def test_help_shows_the_technique_defaults_of_the_entry_points_own_method(capsys: pytest.CaptureFixture[str]) -> None:
    plain = help_of(search_command("search.py"), capsys)
    with pytest.raises(SystemExit):
        modern(["search", "--help-all"])
    dadarts = capsys.readouterr().out
    for said, shown in ((plain, "[1.0]"), (dadarts, "[200.0]")):
        line = next(line for line in said.splitlines() if "--linear_temperature_max X" in line)
        assert line.endswith(shown)
    assert "every validation [True]" in dadarts
    assert "[True]" not in plain


def test_help_answers_without_importing_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (
        [*script("search.py"), "--help-all"],
        [*script("augment.py"), "-h"],
        [sys.executable, "-c", "from dadarts.main import main; main(['search', '--help-all'])"],
        [sys.executable, "-c", "from dadarts.main import main; main(['runs', '--json']); print('-topk_on_alphas')"],
    ):
        outcome = spawn(command[0], "-X", "importtime", *command[1:])
        assert outcome.code == 0
        assert "-cutout_length" in outcome.out or "-topk_on_alphas" in outcome.out
        imported = {line.split("|")[-1].strip().split(".")[0] for line in outcome.err.splitlines()}
        assert "pydantic" in imported
        assert not imported & {"torch", "numpy", "matplotlib"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_a_help_names_every_flag_with_two_dashes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = {flag for model in SETTINGS for field in flags_of(model) for flag in field.names}
    for words in ([name, "--help"], [name, "--help-all"]):
        with pytest.raises(SystemExit):
            modern(words)
        assert not {*re.findall(r"(?<![\w-])-(\w+)", capsys.readouterr().out)} & flags


@pytest.mark.parametrize("words", [["help"], ["--help"], ["-h"], ["--help-all"]])
def test_the_modern_command_lists_its_subcommands(words: list[str]) -> None:
    outcome = call(modern, *words)
    assert outcome.code == 0
    for name in ("search", "train", "show", "runs", "demo"):
        assert f"\n  {name} " in outcome.out


def test_settings_of_alphas_that_a_method_does_not_train_are_said_to_be_without_effect() -> None:
    values = {"name": "it", "dataset": "digits", "alpha_lr": "0.1", "method": "dadarts-lookahead"}
    said = "-alpha_lr: without effect, since this method trains no alphas"
    assert search_config(values, "darts")[1] == [said]
    assert search_config({**values, "alpha_lr": "auto"}, "darts")[1] == []
    assert search_config({**values, "method": "darts"}, "darts")[1] == []


@pytest.mark.parametrize("method", ["darts", "gdas"])
def test_processes_for_forks_are_said_to_be_without_effect_where_none_are_trained(method: str) -> None:
    values = {"name": "it", "dataset": "digits", "fork_jobs": "2", "method": method}
    said = "-fork_jobs 2: without effect, since only -selection race trains forks"
    assert search_config(values, "darts")[1] == [said]
    assert search_config({**values, "fork_jobs": "1"}, "darts")[1] == []
    assert said not in search_config({**values, "selection": "race"}, "darts")[1]
