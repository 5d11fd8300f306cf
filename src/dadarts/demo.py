"""The demonstration: a search on a few real digits in a minute, and what it found beside what needs no search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

from dadarts.architecture.genotype import Genotype, found_in, random_genotype
from dadarts.cli import execute
from dadarts.cli.flags import as_typed
from dadarts.config import SearchConfig, TrainConfig
from dadarts.rundir import contents
from dadarts.rundir.kinds import SEARCH, TRAINING, Kind
from dadarts.runs.events import Event
from dadarts.runs.folder import RunFolder
from dadarts.searching.loop import search
from dadarts.training import metrics
from dadarts.training.loop import train

RANDOM = 5
"""Genotypes that are drawn."""
PLAIN = Genotype.parse(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
"""What is taken where nobody searches."""
_DIGITS: dict[str, Any] = {
    "dataset": "digits",
    "dataset_portion": 0.14,
    "batch_size": 16,
    "init_channels": 8,
    "layers": 1,
    "workers": 0,
}
"""What searches and trainings have in common, so that a genotype is trained on what it was searched on."""


def search_settings(name: str, seed: Any, runs_dir: Path) -> SearchConfig:
    """A search on 201 digits by the method of ``dadarts search``."""
    return SearchConfig.auto(
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        search_space="nas-bench-201",
        epochs=60,
        validation_every=60,
        **_DIGITS,
    )


def train_settings(name: str, genotype: Genotype, seed: Any, runs_dir: Path) -> TrainConfig:
    """Training on the same digits, the same for every genotype."""
    return TrainConfig.auto(name=name, runs_dir=runs_dir, seed=seed, genotype=genotype, epochs=40, **_DIGITS)


@dataclass(frozen=True)
class _Demo:
    runs_dir: Path
    config: SearchConfig
    argv: Sequence[str]

    def trained(self, label: str, genotype: Genotype) -> tuple[int, Mapping[str, Any]]:
        """The exit code of a training, and its metrics, empty where it has not ended."""
        settings = train_settings(f"{self.config.name}-{label}", genotype, self.config.seed, self.runs_dir)
        code = self.run(train, settings, TRAINING)
        run = RunFolder(TRAINING.folder(self.runs_dir, settings.name))
        result = run.result()
        return code, {} if code or result is None else metrics.left(result).metrics(run.path)

    def run(self, loop: Callable[..., Iterator[Event]], config: SearchConfig | TrainConfig, kind: Kind) -> int:
        """Begin it, or go on with it."""
        resume = RunFolder(kind.folder(config.runs_dir, config.name)).exists
        return execute.run(partial(loop, config, resume=resume), 50, self.argv, resumes=resume, go_on=())


def demo(runs_dir: Path, seed: str, argv: Sequence[str]) -> int:
    """Search, train, compare, print; a second call goes on where the first one stopped.

    Args:
        argv: the whole command that the user gave.

    Returns:
        The exit code.

    Raises:
        InputError: the seed is not a whole number.
    """
    config = search_settings(f"demo-{seed}", seed, runs_dir)
    it = _Demo(runs_dir, config, argv)
    print("searching a cell on 201 scans of handwritten digits (8x8 pixels)", flush=True)
    code = it.run(search, config, SEARCH)
    folder = RunFolder(SEARCH.folder(runs_dir, config.name))
    result = folder.result()
    if code or result is None:
        return code
    found = found_in(contents.GENOTYPE.at(folder.path), result)
    rivals = {"found": found, "plain": PLAIN}
    rivals |= {f"random-{number}": random_genotype(config.space, config.seed + number) for number in range(RANDOM)}
    scores = {}
    for label, genotype in rivals.items():
        print(f"\ntraining the {label} genotype from scratch\n  {genotype}", flush=True)
        code, scores[label] = it.trained(label, genotype)
        if not scores[label]:
            return code
    lines = [f"search: {as_typed(line, argv)}" for line in (found.verdict.lines if found.verdict else ())]
    pictures = (f"  {picture}" for picture in contents.pictures(folder.path, found.cells))
    yours = "yours: dadarts fit FOLDER --minutes 20 (README.md goes on from there)"
    print("", *lines, *compared(scores), "pictures:", *pictures, yours, sep="\n")
    return 0


def compared(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What was found beside 3x3 convolutions everywhere and beside the median of random draws, line by line.

    Args:
        scores: metrics of the trainings of ``found``, ``plain`` and ``random-0``, ``random-1``, ...
    """
    drawn = sorted(own["test_top1"] for label, own in scores.items() if label.startswith("random-"))
    tested, middle = scores["found"]["test_pictures"], median(drawn)
    found, plain = (scores[label]["test_top1"] for label in ("found", "plain"))
    return [
        f"test accuracy of the found genotype: {_said(scores['found'])}",
        f"3x3 convolutions on every edge: {_said(scores['plain'])}",
        f"{len(drawn)} random genotypes: median {middle:.2%}, from {drawn[0]:.2%} to {drawn[-1]:.2%}",
        f"found against the median random one: {against_chance(found, middle, tested=tested)}",
        f"found against 3x3 convolutions: {against_chance(found, plain, tested=tested)}",
    ]


def _said(scores: Mapping[str, Any]) -> str:
    return f"{metrics.with_interval(scores)} ({scores['parameters']:,} parameters)"


def against_chance(found: float, other: float, *, tested: int) -> str:
    """What two accuracies in [0, 1] on the same so many test pictures say, in a line.

    The 95 % interval of their difference takes them for independent, which is wider than that of pairs.
    """
    points = 100 * (found - other)
    variance = sum(accuracy * (1 - accuracy) for accuracy in (found, other)) / tested
    half = 100 * 1.96 * sqrt(variance)
    if abs(points) <= half:
        judged = f"no more than chance: {tested} test pictures cannot tell apart less than {half:.2f} points here"
    else:
        judged = f"more than chance ({half:.2f} points on {tested} test pictures) explains"
    return f"{abs(points):.2f} points {'worse' if points < 0 else 'better'}, {judged}"
