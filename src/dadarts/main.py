"""The command ``dadarts`` and its subcommands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dadarts.cli import configs, execute, show_command
from dadarts.cli.flags import Command, Flag
from dadarts.config import SearchConfig, TrainConfig
from dadarts.errors import InputError, unknown
from dadarts.rundir.lookup import genotype_text, reading_notes, taken_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dadarts.runs.events import Event

_METHOD = Flag(
    ("method",),
    "run",
    "a method by its name in docs/methods, such as dadarts, darts or random; with technique flags alone dadarts, whose "
    "defaults they show",
    default=SearchConfig.METHOD_OF_AUTO,
    usual=True,
)
_ORACLE = Command(
    "dadarts oracle",
    "What a published benchmark measured of a network: its accuracy, and where that stands in the whole space.",
    (Flag(("runs_dir",), "output", "where a run's name is looked up", default="runs"), show_command.JSON),
    positionals=(
        ("benchmark", "nas-bench-201 or nas-bench-macro"),
        ("genotype", f"{show_command.GENOTYPE}; or controls: what can be reached without a search"),
    ),
    notes="Percentile: percentage of the space's networks that are at most as good. Regret: points below the best. "
    f"{Command.notes}",
)
_DEMO = Command(
    "dadarts demo",
    "Search on 201 of scikit-learn's digits and train what was found, beside random genotypes and a plain cell.",
    (
        Flag(("runs_dir",), "output", "where runs are kept", default="runs"),
        Flag(("seed",), "run", "seed of every random draw", default="42"),
        Flag(("resume",), "run", "go on where it stopped; the demo always does", boolean=True),
    ),
)


_HELP = ("help", "h", "help-all")


def main(argv: Sequence[str] | None = None) -> int:
    """``dadarts``: run a subcommand and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    return execute.guarded("dadarts", lambda: _dispatch(words), words)


def _search_command() -> Command:
    return configs.search_command("dadarts search", _METHOD, method="dadarts", own=configs.BY_STEPS)


def search_config(argv: Sequence[str]) -> SearchConfig:
    """The configuration that the words of ``dadarts search`` spell."""
    values, _, _ = configs.split_run_flags(_search_command().parse(argv))
    return configs.search_config({**configs.BY_STEPS, **values}, SearchConfig.METHOD_OF_AUTO)[0]


def _train_command() -> Command:
    return configs.train_command("dadarts train", configs.BY_LENGTH)


def train_config(argv: Sequence[str]) -> TrainConfig:
    """The configuration that the words of ``dadarts train`` spell."""
    values, _, _ = configs.split_run_flags(_train_command().parse(argv))
    return configs.train_config({**configs.BY_LENGTH, **values})


def _dispatch(words: list[str]) -> int:
    asked = words[0].lstrip("-").replace("_", "-") if words else "help"
    if asked in _HELP and len(words) > 1:
        words = [words[1], "--help-all" if asked == "help-all" else "--help"]
    elif asked in _HELP:
        print(_overview())
        return 0 if words else 2
    if words[0].lstrip("-") == "version":
        from importlib.metadata import version

        print(version("dadarts"))
        return 0
    if words[0].startswith("-"):
        raise InputError(f"{words[0][:40]} comes after a command, such as `dadarts search`; see dadarts --help")
    if words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    return COMMANDS[words[0]](words[1:])


def _overview() -> str:
    lines = ["usage: dadarts COMMAND ...", ""]
    lines += [f"  {name:10} {function.__doc__}" for name, function in COMMANDS.items()]
    return "\n".join(
        [
            *lines,
            "",
            "dadarts COMMAND --help lists its usual flags, --help-all every one; dadarts --version says which this is.",
        ]
    )


def _search(words: list[str]) -> int:
    """find a genotype"""
    values = _search_command().parse(words)
    return execute.search_from_values(
        values, SearchConfig.METHOD_OF_AUTO, ["dadarts", "search", *words], configs.BY_STEPS
    )


def _train(words: list[str]) -> int:
    """train a genotype's network from scratch"""
    values = _train_command().parse(words)
    taken = configs.reading_of_search(values)
    notes = taken_over(values.get("genotype", ""), taken)
    return execute.train_from_values(values, ["dadarts", "train", *words], {**configs.BY_LENGTH, **taken}, notes)


def _compare(words: list[str]) -> int:
    """compare methods over seeds under one protocol"""
    from dadarts.compare.command import compare

    return compare(words)


def _show(words: list[str]) -> int:
    """draw a genotype and count its parameters and multiply-adds"""
    from dadarts.cli.show_command import show

    return show(words)


def _fit(words: list[str]) -> int:
    """choose, train and test a network within minutes"""
    from dadarts.cli.fit import fit

    # Imported when the words are read: torch takes seconds.
    def begin(*given: Any, **settings: Any) -> Iterator[Event]:
        from dadarts.pages.fit import fit as begun

        return begun(*given, **settings)

    return fit(words, begin)


def _predict(words: list[str]) -> int:
    """classify picture files with a trained network"""
    from dadarts.cli.predict import predict

    return predict(words)


def _export(words: list[str]) -> int:
    """write a trained network as a folder that others can use"""
    from dadarts.cli.export import export

    return export(words)


def _profile(words: list[str]) -> int:
    """measure what operations cost on this machine"""
    from dadarts.cli.profile import profile

    return profile(words)


def _pareto(words: list[str]) -> int:
    """weigh what a search would have found against its cost"""
    from dadarts.cli.pareto import pareto

    return pareto(words)


def _report(words: list[str]) -> int:
    """write runs as one HTML page"""
    from dadarts.pages.command import report

    return report(words)


def _oracle(words: list[str]) -> int:
    """look a network up in a published benchmark"""
    values = _ORACLE.parse(words)
    from dadarts.oracle import oracle

    table = oracle(values["benchmark"])
    if values["genotype"] == "controls":
        from dadarts.oracle import controls

        found = json.dumps(controls.as_dict(table), indent=1) if configs.truth("json", values) else controls.text(table)
        print(found)
        return 0
    show_command.say(reading_notes(values), words)
    answer = table.query(genotype_text(values["genotype"], Path(values.get("runs_dir", "runs"))))
    if configs.truth("json", values):
        print(json.dumps(answer.as_dict(), indent=1))
        return 0
    print(f"{table.name}  {answer.arch}\n{table.measure}\n")
    print(f"{'data set':12}{'accuracy':>9}{'rank':>8}{'percentile':>12}{'regret':>9}{'parameters':>12}")
    for score in answer.scores.values():
        rank = f"{score.dataset:12}{score.accuracy:9.4f}{score.rank:8,}{score.percentile:12.2f}"
        print(f"{rank}{score.regret:9.4f}{score.parameters:12,}")
    print(f"\n{len(table):,} networks; {table.metadata['source']}; licence: {table.metadata['licence']}")
    return 0


def _runs(words: list[str]) -> int:
    """list all runs"""
    from dadarts.cli.listed import runs

    return runs(words)


def commands() -> dict[str, Command]:
    """The flags of every subcommand."""
    from dadarts.cli import completion, export, fit, listed, pareto, predict, profile
    from dadarts.compare.command import compare_command
    from dadarts.pages import command as report

    return {
        "fit": fit.COMMAND,
        "search": _search_command(),
        "train": _train_command(),
        "compare": compare_command(),
        "predict": predict.COMMAND,
        "export": export.COMMAND,
        "show": show_command.COMMAND,
        "report": report.COMMAND,
        "profile": profile.profile_command(),
        "pareto": pareto.COMMAND,
        "oracle": _ORACLE,
        "runs": listed.COMMAND,
        "demo": _DEMO,
        "completion": completion.COMMAND,
    }


def _completion(words: list[str]) -> int:
    """print a script that completes commands in a shell"""
    from dadarts.cli.completion import completion
    from dadarts.oracle import ORACLES

    described = {name: (command, COMMANDS[name].__doc__ or "") for name, command in commands().items()}
    return completion(words, described, {"benchmark": tuple(ORACLES)})


def _demo(words: list[str]) -> int:
    """search and train on scikit-learn's digits, in minutes"""
    values = _DEMO.parse(words)
    from dadarts.demo import demo

    return demo(Path(values.get("runs_dir", "runs")), values.get("seed", "42"), ["dadarts", "demo", *words])


COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "fit": _fit,
    "search": _search,
    "train": _train,
    "compare": _compare,
    "predict": _predict,
    "export": _export,
    "show": _show,
    "report": _report,
    "profile": _profile,
    "pareto": _pareto,
    "oracle": _oracle,
    "runs": _runs,
    "demo": _demo,
    "completion": _completion,
}
