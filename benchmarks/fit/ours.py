"""What dadarts enters: `dadarts fit`, and with its recipe one cell alone, a random one, and one that was searched."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Literal, TypeAlias

import dadarts
from benchmarks.fit.entry import Given, Result
from dadarts.config import SearchConfig
from dadarts.config.fitting import FitConfig
from dadarts.data import load
from dadarts.fitting import candidates, entering, loop, trial
from dadarts.fitting.applying import Applicant
from dadarts.fitting.candidates import Family
from dadarts.runs import setup
from dadarts.runs.events import FitDone, SearchDone, StepDone, TrainDone
from dadarts.runs.folder import RunFolder

Searching: TypeAlias = Literal["auto", "always", "never"]

SCRATCH = Path("runs/bench-fit")
CLOCK = time.process_time
RESERVE = 0.02
"""The part of the time that a training alone leaves for its test."""
SEARCH = 0.4
"""The part of the time that is searched where a search and a training are all there is."""
_PROBED = 4.0
"""Seconds of a search's first steps that tell its pace."""


def _settings(given: Given) -> FitConfig:
    shutil.rmtree(SCRATCH, ignore_errors=True)
    return FitConfig(
        dataset=str(given.file),
        name="it",
        runs_dir=SCRATCH,
        minutes=given.minutes,
        metric=given.metric,
        max_parameters=given.max_parameters,
        flip=given.flip,
        seed=given.seed,
        threads=1,
        workers=0,
        device="cpu",
    )


def fit(given: Given, searching: Searching = "auto") -> Result:
    """`dadarts fit`."""
    for event in loop.fit(_settings(given).model_copy(update={"searching": searching}), clock=CLOCK):
        if isinstance(event, FitDone):
            found = event.metrics
            own = RunFolder(event.training).saved_config().settings
            network = f"{event.title}, {own['init_channels']} x {own['layers']}, {own['precision']}"
            score = entering.score(found, given.metric)
            return Result(score, int(found["parameters"]), float(own["epochs"]), network)
    raise AssertionError("a fit ends with its result")


def alone(own: Family, given: Given) -> Result:
    """A cell for all the time, at the size that `dadarts fit` gives it."""
    began, config = CLOCK(), _settings(given)
    data = load(setup.request_of(config))
    applicant = Applicant(own, data, config, CLOCK)
    batch = entering.batch_size(len(data.train))
    until = began + (1 - RESERVE) * 60 * given.minutes
    entrant = applicant.entrant(batch, until - CLOCK())
    epochs = max(1, int((until - CLOCK()) * entrant.images_per_second / len(data.train)))
    for event in dadarts.train(trial.settings(config, config.runs_dir, "alone", entrant, epochs, batch)):
        if isinstance(event, TrainDone):
            found = event.metrics
            network = f"{own.title}, {entrant.channels} x {entrant.layers}, {entrant.precision}"
            return Result(entering.score(found, given.metric), int(found["parameters"]), epochs, network)
    raise AssertionError("a training ends with its result")


def random(given: Given) -> Result:
    """A random genotype of NAS-Bench-201's space."""
    return alone(candidates.drawn(given.seed), given)


def searched(given: Given) -> Result:
    """`dadarts search`, then `dadarts train`: as before there was a fit, but for epochs that keep to the time."""
    seconds = 60 * given.minutes
    began = CLOCK()
    steps, per_epoch = _pace(given)
    epochs = max(1, int((SEARCH * seconds - (CLOCK() - began)) * steps / per_epoch))
    for event in dadarts.search(_search(given, epochs)):
        if isinstance(event, SearchDone):
            genotype = str(event.genotype)
    left = seconds - (CLOCK() - began)
    return alone(candidates.searched(genotype), given.with_minutes(left / 60))


def _search(given: Given, epochs: int) -> SearchConfig:
    shutil.rmtree(SCRATCH, ignore_errors=True)
    return SearchConfig(
        name="it",
        runs_dir=SCRATCH,
        dataset=str(given.file),
        flip=given.flip,
        search_space=candidates.SPACE,
        init_channels=8,
        layers=1,
        batch_size=32,
        epochs=epochs,
        seed=given.seed,
        threads=1,
        workers=0,
        device="cpu",
    )


def _pace(given: Given) -> tuple[float, int]:
    """Steps a second of a search, and those of an epoch."""
    steps, since = 0, CLOCK()
    with closing(dadarts.search(_search(given, 1000))) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, StepDone):
                steps += 1
                if steps == 1:
                    since = CLOCK()
                elif CLOCK() - since >= _PROBED:
                    return (steps - 1) / (CLOCK() - since), event.steps
    raise AssertionError("so many epochs take longer")
