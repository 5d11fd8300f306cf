"""A network for somebody's pictures within minutes: candidates race, the winner is trained on all, and tested once."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial

from dadarts.config.fitting import FitConfig
from dadarts.data import load
from dadarts.distributed import ALONE, Processes
from dadarts.errors import InputError
from dadarts.fitting import applying, candidates, entering, parts, plan, record, searching, training, trial
from dadarts.fitting.applying import Applicant
from dadarts.fitting.candidates import FAMILIES
from dadarts.fitting.course import Course
from dadarts.fitting.endings import Ending, fitting, written
from dadarts.fitting.record import Entrant, Record
from dadarts.fitting.speed import Clock
from dadarts.pacing import counted, duration
from dadarts.rundir.kinds import FINAL, FIT
from dadarts.runs import setup
from dadarts.runs.events import Event, FitDone, Note, PartBegun, RunStarted
from dadarts.runs.folder import RunFolder
from dadarts.training import metrics

_BEFORE_FOUND = 2
"""The plain candidates that come before what was found where fewer race than there are."""

_MISSED = 0.05
"""The part of the minutes by which a fit may miss them without a word."""


def fit(
    config: FitConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    processes: Processes = ALONE,
    clock: Clock = time.monotonic,
    endings: Sequence[Ending] = (),
    since: float | None = None,
) -> Iterator[Event]:
    """Choose a network for labelled pictures, train it, test it once, and yield what happens, within `minutes`.

    Where the minutes are enough for that to pay an architecture is searched. What was found, plain and published
    candidates are trained on a part of the training pictures and judged on the rest, by successive halving; the winner
    is trained anew on all of them for the time that is left. Everything is in ``runs/fit/NAME``: ordinary runs, the
    record of the race, and the result.

    Args:
        clock: what the minutes are of: seconds that only grow. `time.process_time` makes them the processor's.
        endings: what is written when the network is tested, as far as the minutes are enough for it.
        since: where the clock stood when the minutes began; None is now.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: a training cannot go on; what has ended is kept.
    """
    if processes.several:
        raise InputError("`dadarts fit` computes in one process; its choice can be trained with several")
    began = clock() if since is None else since
    folder = RunFolder(FIT.folder(config.runs_dir, config.name))
    folder.check(resume, overwrite)
    if resume:
        record.refuse_other_settings(folder, config)
        if folder.result() is not None:
            # A process that died in the midst of that has left some of it.
            folder.remove_replaced()
            yield _done(folder, record.read(folder.path))
            return
    data = parts.portion(load(setup.request_of(config)), config.dataset_portion, config.seed)
    if resume:
        record.refuse_other_pictures(folder, data.fingerprint)
    racing = parts.racing(data, config.seed)
    entering.refuse_metric(config, data, racing)
    applicants: list[Applicant] = []
    # Those that have entered are as they were.
    if not resume or record.read(folder.path).entrants is None:
        if config.max_latency_ms is not None and config.costs is None:
            yield PartBegun("measuring latencies", max(0.0, 60 * config.minutes - (clock() - began)))
        applicants = applying.applicants(FAMILIES, config, racing, clock)
        if parts.judges(data) and plan.searches(60 * config.minutes, config.searching):
            applying.refuse_search(applicants[0])
    fresh = Record(entering.metric(config, data), entering.batch_size(len(data.train)), minutes=config.minutes)
    with folder.saying_what_is_kept(), folder.claimed(resume, overwrite):
        kept = record.read(folder.path) if resume else fresh
        if not resume:
            kept.write(folder.path)
            folder.write_config(config.to_json(), {"data": data.fingerprint})
        within = fitting(endings, 60 * config.minutes, plan.WRITING)
        writing = sum(ending.seconds for ending in within)
        # What was spent before a stop is known; to read the pictures again is no part of the minutes.
        course = Course(config, folder, data, racing, kept, clock, clock() if resume else began, writing)
        yield from _once(_events(course, applicants, partial(written, course, endings, within)))


def _once(events: Iterator[Event]) -> Iterator[Event]:
    """Events, each note at its first time alone."""
    said = set()
    for event in events:
        if isinstance(event, Note):
            if event.marked in said:
                continue
            said.add(event.marked)
        yield event


def _done(folder: RunFolder, kept: Record) -> FitDone:
    final, winner = trial.folder_of(folder.path, FINAL), kept.of(FINAL)
    result = final.result()
    if winner is None or result is None:
        raise InputError(f"{folder.path} is damaged; replace the fit with -overwrite")
    title = next(each.title for each in kept.entrants or () if each.name == winner.entrant)
    tested = metrics.left(result).metrics(final.path)
    minutes = kept.search.seconds / 60 if kept.search else 0.0
    return FitDone(folder.path, final.path, title, tested, kept.verdict, minutes, kept.metric)


def _events(course: Course, applicants: Sequence[Applicant], write: Callable[[], Iterator[Event]]) -> Iterator[Event]:
    """All that is left to do.

    Args:
        write: what is done when the network is tested.
    """
    about = f"fit on {course.config.dataset}: {duration(course.seconds)} for everything"
    if course.judges and plan.rungs(course.shares.race, 2):
        judging = f"{len(course.racing.test):,} of the training pictures"
        by = entering.metric_in_words(course.config, course.record.metric)
        about += f"; candidates are chosen by {by} on {judging}"
    treated = setup.augmentation(course.config, course.data).described
    yield RunStarted(course.folder.path, f"read {course.data.described}; {treated}", about)
    yield from map(Note, course.data.notes)
    rare = entering.rare_class(course.config, course.data)
    if rare is not None:
        yield Note(rare)
    if course.folder.replaced:
        yield Note(course.folder.what_is_kept)
    try:
        if course.record.entrants is None:
            yield from map(Note, applying.sizes_in_table(applicants))
            more = yield from _searched(course, applicants[0])
            applicants = [each for each in applicants if each.may_enter]
            # What was found races where any two do.
            rungs = plan.rungs(course.shares.race, len(applicants) + len(more))
            place = min(_BEFORE_FOUND, rungs[0].standing - 1) if rungs else _BEFORE_FOUND
            yield from _enter(course, [*applicants[:place], *more[:1], *applicants[place:], *more[1:]])
        winner = yield from training.race(course)
        yield from training.last(course, winner)
        yield from write()
    finally:
        course.keep(course.record)
    if abs(course.spent - course.seconds) > _MISSED * course.seconds:
        yield Note(f"it took {duration(course.spent)}, and {duration(course.seconds)} were asked for")
    yield from map(Note, course.folder.end(winner.title))
    yield _done(course.folder, course.record)


def _searched(course: Course, like: Applicant) -> Generator[Event, None, list[Applicant]]:
    """What was found, and a random draw to compare it with, where something was searched.

    Args:
        like: one for these pictures.
    """
    asked = course.config.searching
    if not course.searches:
        if asked == "always" and not course.judges:
            yield Note("nothing is searched: no pictures are left to judge by what was found")
        elif asked == "always":
            yield Note(f"nothing is searched: {duration(course.seconds)} have no race to tell what was found apart")
        elif asked == "auto" and course.judges:
            share, least = plan.SEARCH, duration(plan.SEARCHES_FROM)
            yield Note(f"nothing is searched: a search gets {share:.0%} of {least} or more (-searching always)")
        return []
    genotype = yield from searching.searched(course)
    if genotype is None:
        return []
    families = (candidates.searched(genotype), candidates.drawn(course.config.seed))
    found, drawn = (replace(like, family=each) for each in families)
    if not found.may_enter:
        yield Note("what was found keeps to the limits at no size, and does not race")
        return []
    return [found, drawn] if drawn.may_enter else [found]


def _enter(course: Course, applicants: Sequence[Applicant]) -> Iterator[Event]:
    """Give every candidate the size that the minutes can train, and say so."""
    shares = course.shares
    seconds, rungs = shares.final, plan.rungs(shares.race, len(applicants))
    entered = []
    # To find a size takes seconds: those that would not race need none.
    racing = applicants[: rungs[0].standing if rungs else 1]
    few = f"{len(racing)} of {len(applicants)} candidates race" if rungs else f"{racing[0].family.title} is trained"
    if not course.judges:
        yield Note(f"no class has a third training picture, to judge candidates by: {few}")
    elif len(racing) < len(applicants):
        enough = plan.enough(len(applicants), searching=shares.search > 0)
        yield Note(f"{duration(course.seconds)} are few: {few}; from {duration(enough)} on all {len(applicants)} race")
    for applicant in racing:
        yield PartBegun(f"measuring how large {applicant.family.title} these minutes train", course.left)
        entrant = yield from course.measured(partial(applicant.entrant, seconds=seconds))
        entered.append(entrant)
        # Not how many epochs it has: those that the seconds that are left and its own pace leave the last training.
        yield Note(
            f"{entrant.title}: {counted(entrant.channels, 'channel')}, {counted(entrant.layers, 'layer')} "
            f"({entrant.bound}), trained at about {float(f'{entrant.images_per_second:.2g}'):,.0f} pictures/s: "
            f"{entrant.why}"
        )
    yield Note(_steps(course, entered))
    course.keep(replace(course.record, entrants=tuple(entered)))


def _steps(course: Course, entered: Sequence[Entrant]) -> str:
    """How all of them are trained."""
    config, kept, pictures = course.config, course.record, course.data.train
    _, height, width = pictures.shape
    batches = entering.batch_in_words(kept.batch_size, len(pictures))
    return f"{batches}, {trial.steps_in_words(config, height * width, kept.batch_size, entered)}"
