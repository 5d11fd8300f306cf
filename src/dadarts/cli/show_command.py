"""``dadarts show``: its words, and how it prints what they ask for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dadarts.cli import configs
from dadarts.cli.flags import Command, Flag, as_typed
from dadarts.errors import InputError
from dadarts.rundir.lookup import genotype_text, reading_notes, run_of

GENOTYPE = "a genotype, a file of one, FILE#NAME of several, a run's folder, or its name (NAME or @NAME)"
JSON = Flag(("json",), "output", "print JSON", boolean=True)
COMMAND = Command(
    "dadarts show",
    "Draw a genotype's cells, and count parameters (without the auxiliary head) and multiply-adds.",
    (
        Flag(("space",), "network", "a search space that must contain it (default: the first that does)"),
        Flag(("dataset",), "network", "a known data set, for its sizes (default: the run's, else cifar10)"),
        Flag(("init_channels",), "network", "C (default: a training's, else its space's for trainings)"),
        Flag(("layers", "n_layers"), "network", "L (default: a training's, else its space's for trainings)"),
        Flag(("runs_dir",), "output", "where a run's name is looked up and pictures go", default="runs"),
        configs.PLUGIN,
        JSON,
    ),
    positionals=(("genotype", GENOTYPE),),
)


def show(words: list[str]) -> int:
    """Show as the words say. Returns the exit code."""
    values = COMMAND.parse(words)
    configs.load_plugins(values)
    runs_dir = Path(values.get("runs_dir", "runs"))
    text = genotype_text(values["genotype"], runs_dir)
    given: dict[str, Any] = {
        name: _positive(name, values[name]) for name in ("init_channels", "layers") if name in values
    }
    given |= {name: values[name] for name in ("dataset", "space") if name in values}
    from dadarts.architecture.genotype import Genotype
    from dadarts.cli import show as showing

    say(reading_notes(values), words)
    genotype, run = Genotype.parse(text), run_of(values["genotype"], runs_dir)
    given["pictures"] = runs_dir / "show"
    shown, notes = showing.show_run(genotype, run, given) if run else (showing.show(genotype, **given), [])
    say(notes, words)
    shown = replace(shown, search=[as_typed(line, words) for line in shown.search])
    if configs.truth("json", values):
        print(json.dumps(asdict(shown), indent=1))
    else:
        print(
            "\n".join(f"{name:14} {_cell(value)}" for name, value in asdict(shown).items() if value not in ([], None))
        )
    return 0


def say(notes: Sequence[str], typed: Sequence[str]) -> None:
    """Say lines on stderr, their flags as the user has typed them."""
    for note in notes:
        print(as_typed(note, typed), file=sys.stderr)


def _positive(name: str, word: str) -> int:
    if not word.isdecimal() or not 0 < int(word[:9]) <= 4096 or len(word) > 9:
        raise InputError(f"-{name} {word[:40]}: give a whole number from 1 to 4096")
    return int(word)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple):
        return " x ".join(map(str, value))
    return "\n               ".join(value) if isinstance(value, list) else str(value)
