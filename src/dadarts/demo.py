"""The demonstration: DADARTS on real digits in minutes, and what it found beside a random genotype."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

from dadarts.architecture.genotype import Genotype, found_in, random_genotype
from dadarts.cli import execute
from dadarts.cli.flags import as_typed
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.run import AUTO
from dadarts.data import DataRequest, load
from dadarts.methods.catalogue import METHODS
from dadarts.rundir import contents
from dadarts.rundir.kinds import SEARCH, TRAINING, Kind
from dadarts.runs.events import Event
from dadarts.runs.folder import RunFolder
from dadarts.searching.loop import search
from dadarts.training import metrics
from dadarts.training.loop import train

_DIGITS: dict[str, Any] = {"dataset": "digits", "batch_size": 64, "layers": 3, "workers": 0}
"""What searches and trainings have in common, so that a genotype is trained on what it was searched on."""


def search_settings(name: str, seed: Any, runs_dir: Path, method: str = "dadarts") -> SearchConfig:
    """A search on digits that two CPU cores finish in minutes, its learning rates those of its 88 steps."""
    return SearchConfig(
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        epochs=8,
        nodes=2,
        init_channels=4,
        w_lr=AUTO,
        alpha_lr=AUTO,
        method=METHODS[method](),
        **_DIGITS,
    )


def train_settings(name: str, genotype: Genotype, seed: Any, runs_dir: Path) -> TrainConfig:
    """Training on digits, the same for every genotype."""
    return TrainConfig(
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        genotype=genotype,
        epochs=15,
        init_channels=8,
        lr=0.05,
        aux_weight=0.0,
        cutout_length=0,
        drop_path_prob=0.0,
        **_DIGITS,
    )


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
    print("DADARTS search on 1,797 scans of handwritten digits (8x8 pixels)", flush=True)
    code = _run(search, config, SEARCH, argv)
    folder = RunFolder(SEARCH.folder(runs_dir, config.name))
    found = folder.result()
    if code or found is None:
        return code
    rivals = {
        "found": found_in(contents.GENOTYPE.at(folder.path), found),
        "random": random_genotype(config.space, config.seed),
    }
    verdict = rivals["found"].verdict
    lines = [f"search: {as_typed(line, argv)}" for line in (verdict.lines if verdict else ())]
    accuracies = []
    for label, genotype in rivals.items():
        print(f"\ntraining the {label} genotype from scratch\n  {genotype}", flush=True)
        settings = train_settings(f"demo-{seed}-{label}", genotype, seed, runs_dir)
        code = _run(train, settings, TRAINING, argv)
        run = RunFolder(TRAINING.folder(runs_dir, settings.name))
        result = run.result()
        if code or result is None:
            return code
        trained = metrics.left(result).metrics(run.path)
        accuracies.append(trained["test_top1"])
        accuracy, parameters = metrics.with_interval(trained), trained["parameters"]
        lines.append(f"test accuracy of the {label} genotype: {accuracy}  ({parameters:,} parameters)")
    lines.append(against_chance(*accuracies, tested=len(load(DataRequest(config.dataset, workers=0)).test)))
    pictures = contents.pictures(folder.path, rivals["found"].cells)
    yours = "yours: dadarts search --name NAME --dataset FOLDER (README.md goes on from there)"
    print("", *lines, "pictures:", *(f"  {picture}" for picture in pictures), yours, sep="\n")
    return 0


def against_chance(found: float, random: float, *, tested: int) -> str:
    """What two accuracies in [0, 1] on the same so many test pictures say, in a line.

    The 95 % interval of their difference takes them for independent, which is wider than that of pairs.
    """
    points = 100 * (found - random)
    variance = sum(accuracy * (1 - accuracy) for accuracy in (found, random)) / tested
    half = 100 * 1.96 * sqrt(variance)
    if abs(points) <= half:
        judged = f"no more than chance: {tested} test pictures cannot tell apart less than {half:.2f} points here"
    else:
        judged = f"more than chance ({half:.2f} points on {tested} test pictures) explains"
    return f"the found genotype is {abs(points):.2f} points {'worse' if points < 0 else 'better'}: {judged}"


def _run(
    loop: Callable[..., Iterator[Event]], config: SearchConfig | TrainConfig, kind: Kind, argv: Sequence[str]
) -> int:
    resume = RunFolder(kind.folder(config.runs_dir, config.name)).exists
    return execute.run(partial(loop, config, resume=resume), 5, argv, resumes=resume, go_on=())
