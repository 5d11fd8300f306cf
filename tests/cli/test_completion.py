"""What the shells complete: commands, flags, values that are known, names of runs, files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dadarts.cli.completion import FILES
from dadarts.cli.configs import search_command
from dadarts.cli.flags import flags_of
from dadarts.cli.pareto import ParetoSettings
from dadarts.config import FitConfig, SearchConfig, TrainConfig
from dadarts.main import COMMANDS
from dadarts.methods.catalogue import METHODS
from tests.commands import modern, refusal, succeed

_BASH = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dadarts; printf "%s\\n" "${COMPREPLY[@]}"'
_ZSH = """
compdef() { : }
compset() { PREFIX=${PREFIX#*=} }
compadd() { if [[ $1 == -a ]]; then print -l -- ${(P)2}; else print -l -- ${@:2}; fi }
_describe() { print -l -- ${(P)2} }
_files() { print -l -- * }
_message() { : }
source $1; shift; words=("$@"); CURRENT=$#; PREFIX=$words[-1]; _dadarts
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_text(succeed(modern, "completion", shell).out)
    return folder


def completed(shell: str, scripts: Path, *words: str) -> set[str]:
    """What a shell offers after ``dadarts`` and these words, the last of which is begun."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    line = ["dadarts", *words]
    command = {
        "bash": ["bash", "--norc", "-c", _BASH, "bash", str(scripts / "bash"), *line],
        "zsh": ["zsh", "-f", "-c", _ZSH, "zsh", str(scripts / "zsh"), *line],
        "fish": ["fish", "--no-config", "-c", f"source {scripts / 'fish'}; complete -C '{' '.join(line)}'"],
    }[shell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    found = {re.split(r"[\t:]", each)[0] for each in done.stdout.splitlines()}
    begun = words[-1].rpartition("=")[2]
    return {each for each in found if each.removeprefix("--device=").startswith(begun)}


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for kind, name in (("search", "found"), ("augment", "trained"), ("fit", "fitted")):
        for runs in ("runs", "other"):
            Path(runs, kind, f"{name}-in-{runs}").mkdir(parents=True)
    Path("picture.png").touch()
    return str(request.param)


def test_commands_flags_and_values_are_completed(shell: str, scripts: Path) -> None:
    assert completed(shell, scripts, "") == {*COMMANDS}
    assert completed(shell, scripts, "pa") == {"pareto"}
    flags = {f"--{name}" for flag in search_command("dadarts search").flags for name in flag.names}
    assert flags | {"--help", "--help-all", "--method"} == completed(shell, scripts, "search", "--")
    assert completed(shell, scripts, "search", "--name", "a", "--alpha_l") == {"--alpha_lr"}
    assert completed(shell, scripts, "search", "--device", "c") == {"cpu", "cuda"}
    assert completed(shell, scripts, "train", "--engine", "") == {"auto", "native", "reference"}
    assert completed(shell, scripts, "search", "--method", "") == {*METHODS}
    assert completed(shell, scripts, "completion", "") == {"bash", "zsh", "fish"}


def test_runs_are_completed_by_their_names_where_they_are(shell: str, scripts: Path) -> None:
    every = {"found-in-runs", "trained-in-runs", "fitted-in-runs"}
    assert every <= completed(shell, scripts, "show", "")
    assert every <= completed(shell, scripts, "train", "--genotype", "")
    assert completed(shell, scripts, "search", "--resume", "--name", "") == {"found-in-runs"}
    elsewhere = completed(shell, scripts, "search", "--runs_dir", "other", "--name", "")
    assert elsewhere == {"found-in-other"}
    joined = ["--runs_dir", "=", "other"] if shell == "bash" else ["--runs_dir=other"]
    assert completed(shell, scripts, "search", *joined, "--name", "") == {"found-in-other"}
    assert "picture.png" in completed(shell, scripts, "predict", "trained-in-runs", "p")


def test_a_name_of_a_run_is_no_command(shell: str, scripts: Path) -> None:
    for name in ("$(touch opened)", "`touch opened`", "a;touch opened", "-x"):
        Path("runs/search", name).mkdir()
    offered = completed(shell, scripts, "search", "--name", "")
    assert {"found-in-runs", "-x"} <= offered
    assert not Path("opened").exists()
    if shell == "bash":
        # Its completions are typed as they stand.
        assert offered == {"found-in-runs", "-x"}


def test_a_value_after_an_equals_sign_is_completed(scripts: Path, shell: str) -> None:
    # Bash takes such a word for three.
    words = ["--device", "=", "c"] if shell == "bash" else ["--device=c"]
    found = completed(shell, scripts, "search", *words)
    assert {each.removeprefix("--device=") for each in found} == {"cpu", "cuda"}


def test_a_script_is_printed_for_shells_that_are_known() -> None:
    assert "unknown shell 'tcsh'; known: bash, zsh, fish" in refusal(modern, "completion", "tcsh")


@pytest.mark.parametrize("model", [SearchConfig, TrainConfig, FitConfig, ParetoSettings])
def test_every_flag_of_a_path_is_completed_by_files(model: type[SearchConfig]) -> None:
    paths = {name for name, field in model.model_fields.items() if "Path" in str(field.annotation)}
    assert paths
    assert paths <= FILES
    assert all(flag.words for flag in flags_of(model) if flag.names[0] == "device")
