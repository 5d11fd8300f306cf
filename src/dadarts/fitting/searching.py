"""The search of a fit: as large as its share of the minutes carries, and stopped where it would take more."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from dadarts.config import SearchConfig
from dadarts.config.fitting import FitConfig
from dadarts.data import stratified_halves
from dadarts.errors import DadartsError, InputError
from dadarts.fitting import memory, trial
from dadarts.fitting.candidates import SPACE
from dadarts.fitting.course import Course
from dadarts.fitting.record import Record, Searched
from dadarts.fitting.speed import EPOCHS, images_per_second
from dadarts.methods import racing
from dadarts.methods.bill import Bill
from dadarts.methods.catalogue import LOOKAHEAD
from dadarts.methods.terms import Terms
from dadarts.pacing import counted, duration
from dadarts.rundir.kinds import SEARCH
from dadarts.runs.events import Event, Note, PartBegun, RunStarted, SearchDone
from dadarts.runs.folder import RunFolder
from dadarts.searching.loop import search

NAME = "search"
"""Of its run."""
CHANNELS = (16, 8, 4)
"""Initial channels of the supernet: the widest whose weights are trained long enough."""
WARM_UP = (600, 270)
"""Steps that are long enough: 22 a fork follow from the first; of fewer than the second races cost more than they."""
MOST_EPOCHS = 60
"""Epochs of weights that few pictures train."""
FILLED = 0.8
"""The part of its share that a search is sized for."""
_CELL_EDGES, _CHOICES = 6, 4


@dataclass(frozen=True)
class Sized:
    """How large a search is.

    Args:
        channels: of its supernet, which has a cell a stage.
        epochs: before the races.
        seconds: that all of it should take.
    """

    channels: int
    epochs: int
    seconds: float


def raced_pictures(terms: Terms, batch: int, held: int) -> float:
    """What all races of a cell cost, in pictures of a step under the whole mixture (docs/methods/dadarts-lookahead.md).

    Args:
        batch: pictures of a step.
        held: pictures at hand to measure forks by.
    """
    judged = replace(terms, pictures=min(terms.pictures, held), order_pictures=min(terms.order_pictures, held))
    places = [(0, edge) for edge in range(_CELL_EDGES)]
    bill = Bill(dict.fromkeys(places, _CHOICES), judged, batch)
    return bill.left(racing.Course(dict.fromkeys(places, tuple(range(_CHOICES))), None)) / 3


def sized(seconds: float, halves: tuple[int, int], batch: int, speed: Callable[[int], float]) -> Sized | float:
    """The search that fits into so many seconds; where none does, how many seconds the cheapest would take.

    Args:
        halves: pictures that train weights, and that judge.
        batch: pictures of a step.
        speed: measures pictures a second under the whole mixture, of a supernet of so many channels.
    """
    train, held = halves
    rates: dict[int, float] = {}
    steps, most = max(1, train // batch), MOST_EPOCHS

    def needed(epochs: int, rate: float) -> float:
        terms = LOOKAHEAD.within(epochs * steps, [_CHOICES] * _CELL_EDGES, batch)
        return (epochs * train + raced_pictures(terms, batch, held)) / rate

    for enough in WARM_UP:
        fewest = min(most, ceil(enough / steps))
        for channels in CHANNELS:
            rate = rates[channels] = rates.get(channels) or speed(channels)
            if needed(fewest, rate) <= FILLED * seconds:
                within = (epochs for epochs in range(most, 0, -1) if needed(epochs, rate) <= FILLED * seconds)
                epochs = next(within)
                return Sized(channels, epochs, needed(epochs, rate))
    return needed(fewest, rate) / FILLED


def searched(course: Course) -> Generator[Event, None, str | None]:
    """Search within the share of a fit's seconds, or go on with it; at the end the genotype, None where there is none.

    What comes of it is in the record.
    """
    known = course.record.search
    if known is not None and known.is_over:
        return known.genotype
    share = course.shares.search
    began = course.clock() - (known.seconds if known else 0.0)
    goes_on = _folder(course).exists
    yield PartBegun("search", course.left)
    genotype, left_out = None, ""
    try:
        genotype = yield from course.in_memory(lambda batch: _found(course, batch, began, share))
        if genotype is None:
            left_out = f"it would not have ended in its {duration(share)}"
    except _TooShortError as error:
        left_out = str(error)
    except DadartsError as error:
        # What has begun is not left out since this command cannot go on with it.
        if goes_on and isinstance(error, InputError):
            raise
        left_out = error.marked
    finally:
        # A search that is stopped goes on with the seconds that it has left.
        course.keep(_after(course, course.clock() - began, genotype, left_out))
    if left_out:
        yield Note(f"the race goes on without a search: {left_out}")
    return genotype


class _TooShortError(Exception):
    """The share of a search is too short for the smallest one."""


def _folder(course: Course) -> RunFolder:
    return RunFolder(SEARCH.folder(course.folder.path, NAME))


def _after(course: Course, seconds: float, genotype: str | None = None, left_out: str = "") -> Record:
    """The record with a search that has taken so long by now."""
    return replace(course.record, search=Searched(seconds, genotype, left_out))


def _found(course: Course, batch_size: int, began: float, share: float) -> Generator[Event, None, str | None]:
    config = course.config
    folder = _folder(course)
    if folder.exists:
        own = SearchConfig(**{**trial.as_begun(folder, config, course.folder.path), "fork_jobs": 1})
    else:
        halves = stratified_halves(course.racing.train.labels, 1.0, config.seed)
        train, held = map(len, halves)
        batch = min(batch_size, train, held)
        size = sized(share, (train, held), batch, lambda channels: _speed(course, channels, batch))
        if isinstance(size, float):
            raise _TooShortError(f"the smallest one would take {duration(size)}, and its share is {duration(share)}")
        yield Note(
            f"{SPACE} is searched for at most {duration(share)}: {counted(size.channels, 'channel')}, "
            f"{counted(size.epochs, 'epoch')} and then races of operations; about {duration(size.seconds)}"
        )
        own = settings(config, course.folder.path, size, batch)
    begun = search(own, resume=folder.exists, loaded=lambda _: course.racing)
    try:
        with memory.told_apart(own.batch_size), closing(begun) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, SearchDone):
                    return str(event.genotype)
                if not isinstance(event, RunStarted):
                    yield event
                took = course.clock() - began
                if took > share:
                    return None
                course.keep_now_and_then(_after(course, took))
    except memory.OutOfMemoryError:
        folder.remove()
        raise
    raise AssertionError("a search ends with its result")


def settings(config: FitConfig, folder: Path, size: Sized, batch_size: int) -> SearchConfig:
    """How is searched."""
    return SearchConfig.auto(
        **config.model_dump(include=trial.SHARED),
        name=NAME,
        runs_dir=folder,
        search_space=SPACE,
        init_channels=size.channels,
        layers=1,
        epochs=size.epochs,
        batch_size=batch_size,
        validation_every=size.epochs,
        # It is sized by the speed of one process.
        fork_jobs=1,
    )


def _speed(course: Course, channels: int, batch_size: int) -> float:
    """Pictures a second of the steps of a search, measured."""

    def begin(folder: Path) -> Iterator[Event]:
        probe = settings(course.config, folder, Sized(channels, EPOCHS, 0.0), batch_size)
        return search(probe, loaded=lambda _: course.racing)

    return images_per_second(begin, batch_size, course.clock)
