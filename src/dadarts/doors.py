"""What both command lines share: words to configurations, and a run with its signals, progress and exit code."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from dadarts import metrics, streams, technique_notes
from dadarts.config import AUTO, ENVIRONMENT, SearchConfig, TrainConfig
from dadarts.errors import DadartsError, InputError, RunError, unknown
from dadarts.events import Event, Note, RunStarted, SearchDone, TrainDone
from dadarts.explaining import explained
from dadarts.flags import TRUTH, Command, Flag, as_typed, flags_of, own_dashes, without_booleans
from dadarts.lookup import reading_notes
from dadarts.processes import LAUNCHER, Processes, from_environment, joined
from dadarts.progress import Progress
from dadarts.runfolder import RunFolder, refuse_both
from dadarts.stopping import Signals, StoppedEarlyError, stop_signals
from dadarts.techniques import FLAGS_OF_METHOD, SelectionFlags, Techniques

_HEAD_START = 10.0

RUN_FLAGS = (
    Flag(("resume",), "run", "continue the run of this name where it stopped", boolean=True),
    Flag(
        ("overwrite",), "run", "replace a run of this name, which is kept beside until the new one ends", boolean=True
    ),
)
BY_STEPS = MappingProxyType({"w_lr": AUTO, "alpha_lr": AUTO})
"""What ``dadarts search`` leaves to the number of steps; ``search.py`` has the original's rates."""
UNSUPPORTED = frozenset(
    {
        "topk_to_remove",
        "variable_temperature",
        "zero_variable_temperature",
        "epsilon",
        "alphas_path",
        "mask_alphas",
        "prune_strategy",
        "project",
        "debugging",
    }
)


def search_command(
    prog: str, *more: Flag, method: str = "darts", own: Mapping[str, str] = MappingProxyType({})
) -> Command:
    """The flags of a search, in either door, with the technique flags' defaults under a method and a door's `own`."""
    defaults = {**{name: str(value) for name, value in FLAGS_OF_METHOD[method].items()}, **own}
    flags = (*more, *flags_of(SearchConfig), *RUN_FLAGS, *flags_of(SelectionFlags), *flags_of(Techniques))
    flags = tuple(replace(flag, default=defaults.get(flag.names[0], flag.default)) for flag in flags)
    about = "Search a network architecture by gradient descent; the genotype is the last line on stdout."
    notes = (
        "A pass multiplies the operations on an edge by mixing weights M. W = softmax(alpha), and M = W unless a flag "
        "says otherwise; D(W) is W rounded as the genotype is, A and B are top-k over an edge and over a node. w' is w "
        "after the virtual step, e of E the epoch."
    )
    return Command(prog, about, flags, unsupported=UNSUPPORTED, notes=f"{notes} {Command.notes}")


def train_command(prog: str) -> Command:
    """The flags of a training, in either door."""
    about = "Train the network of a genotype from scratch; its test accuracy is the last line on stdout."
    return Command(prog, about, (*flags_of(TrainConfig), *RUN_FLAGS), unsupported=UNSUPPORTED)


def search_config(values: dict[str, str], default_method: str) -> tuple[SearchConfig, list[str]]:
    """The configuration that the words of a search spell, and what the log should say about them.

    Args:
        values: settings as text, a `method` perhaps among them.
        default_method: the method where none is named; technique flags change it.

    Raises:
        InputError: a value cannot be used.
    """
    from dadarts.methods import METHODS

    method = values.get("method", default_method)
    technique_names = set(Techniques.model_fields)
    chosen = {name: value for name, value in values.items() if name in technique_names}
    selection = SelectionFlags(**{name: values[name] for name in SelectionFlags.model_fields if name in values})
    elsewhere = {*technique_names, *SelectionFlags.model_fields, "method"}
    rest: dict[str, Any] = {name: value for name, value in values.items() if name not in elsewhere}
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if method not in FLAGS_OF_METHOD:
        if chosen:
            raise InputError(f"-{next(iter(chosen))} does not go with -method {method}")
        return SearchConfig(**rest, method=selection.applied(METHODS[method]())), []
    techniques = Techniques(**{**FLAGS_OF_METHOD[method], **chosen})
    config = SearchConfig(**rest, method=selection.applied(techniques.method()))
    if techniques.dal_target == "none" and not config.space.none_everywhere:
        raise InputError(
            f"-dal_target none needs a banned `none` on every edge; search space {config.search_space} has none"
        )
    return config, technique_notes.notes(techniques, chosen)


def train_config(values: dict[str, str]) -> TrainConfig:
    """The configuration that the words of a training spell.

    Raises:
        InputError: a value cannot be used.
    """
    given: dict[str, Any] = dict(values)
    return TrainConfig(**given)


def saved_values(values: dict[str, str], kind: str) -> dict[str, Any] | None:
    """The settings of the run to resume, where the command line names the run and nothing that decides numbers.

    Raises:
        InputError: there is no such run, or it is damaged.
    """
    if not truth("resume", values) or not values.get("name") or "/" in values["name"]:
        return None
    folder = RunFolder(Path(values.get("runs_dir", "runs")) / kind / values["name"])
    folder.check(resume=True, overwrite=False)
    if set(values) - ENVIRONMENT - {"name", "resume"}:
        return None
    settings: dict[str, Any] = folder.saved_config()["settings"]
    return {**settings, **{name: value for name, value in values.items() if name != "resume"}}


def split_run_flags(values: dict[str, str]) -> tuple[dict[str, str], bool, bool]:
    """Separate -resume and -overwrite, which steer a run, from the settings, which decide it.

    Raises:
        InputError: both are given, whatever the settings are.
    """
    resume, overwrite = truth("resume", values), truth("overwrite", values)
    refuse_both(resume, overwrite)
    return {name: value for name, value in values.items() if name not in ("resume", "overwrite")}, resume, overwrite


def truth(name: str, values: dict[str, str]) -> bool:
    """Whether a boolean flag is given and not False.

    Raises:
        InputError: its value is neither True nor False.
    """
    word = values.get(name, "False")
    if word.lower() not in TRUTH:
        raise InputError(f"-{name} {word[:40]}: give True or False")
    return word.lower() in ("true", "yes", "1")


def guarded(prog: str, main: Callable[[], int], argv: Sequence[str] = ()) -> int:
    """Run a command; whatever goes wrong on purpose is one line on stderr and an exit code.

    Of several processes only the first one says it.

    Args:
        argv: what the user typed, for the way in which flags are named.
    """
    with streams.usable():
        return _guarded(prog, main, argv)


def _guarded(prog: str, main: Callable[[], int], argv: Sequence[str]) -> int:
    is_first = _is_first()
    try:
        code = main()
        streams.flush_output()
        return code
    except DadartsError as error:
        code, line = error.exit_code, as_typed(" ".join(error.marked.split()), argv, own_dashes(prog))
        if not is_first:
            # Their launcher ends all processes with the first that fails, and only the first one has a voice.
            time.sleep(_HEAD_START)
    except StoppedEarlyError as stop:
        code, line = 128 + stop.number, str(stop)
    except KeyboardInterrupt:
        code, line = 128 + signal.SIGINT, "stopped before a run was begun"
    except BrokenPipeError:
        streams.swallow(sys.stdout)
        return 1
    except OSError as error:
        code, line = RunError.exit_code, f"{error.filename}: {error.strerror}"
        if error.filename is None:
            line = str(streams.unwritten(error))
    if is_first:
        print(f"{prog}: {line}", file=sys.stderr)
    return code


def _is_first() -> bool:
    """Whether this is the first of several processes, or the only one; known before they have found one another."""
    return os.environ.get("RANK", "0") == "0"


class RunOf(Protocol):
    """Begins a run in these processes."""

    def __call__(self, *, processes: Processes) -> Iterator[Event]: ...


def run(
    events_of: RunOf,
    print_freq: int,
    argv: Sequence[str],
    notes: Sequence[str] = (),
    *,
    resumes: bool = False,
    go_on: Sequence[str] = ("-resume",),
) -> int:
    """Iterate over a run: show progress, stop on a signal, print the result as the last line of stdout.

    Of several processes the first one shows and prints, and all stop after the same step.

    Args:
        argv: the whole command that the user gave.
        resumes: whether the run goes on from a checkpoint.
        go_on: the words that the command needs besides to go on with the run.
    """
    written = partial(as_typed, argv=argv, own=own_dashes(argv[min(1, len(argv) - 1)]))
    progress = Progress(
        print_freq, lambda folder, line: RunFolder(folder).log(line), silent=not _is_first(), written=written
    )
    with (
        progress.ticking(),
        _narrated(progress, written),
        stop_signals(resumes) as signals,
        joined(from_environment()) as processes,
        explained(),
    ):
        events = events_of(processes=processes)
        for event in events:
            progress(event)
            if isinstance(event, RunStarted):
                folder = RunFolder(event.folder)
                for note in notes:
                    progress(Note(note))
            if isinstance(event, SearchDone | TrainDone):
                if processes.is_first:
                    _finish(event, progress)
                continue
            stopped = processes.largest(signals.begin())
            if stopped:
                again = [*without_booleans(argv, "resume", "overwrite"), *map(written, go_on)]
                words = launched(again, processes.count)
                processes.in_turn(partial(_stop, events, progress, folder, words, signals))
                return 128 + stopped
    return 0


class _Narrator(logging.Handler):
    def __init__(self, progress: Progress, written: Callable[[str], str]) -> None:
        super().__init__()
        self.progress, self.written = progress, written

    def emit(self, record: logging.LogRecord) -> None:
        self.progress.hear(self.written(self.format(record)))


@contextmanager
def _narrated(progress: Progress, written: Callable[[str], str]) -> Iterator[None]:
    """Say what the package logs, such as that it is compiling, in the first process."""
    package, handler = logging.getLogger("dadarts"), _Narrator(progress, written)
    package.setLevel(logging.INFO if _is_first() else logging.WARNING)
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)


def _stop(events: Iterator[Event], progress: Progress, folder: RunFolder, words: list[str], signals: Signals) -> None:
    events.close()  # type: ignore[attr-defined]
    if folder.replaced:
        progress.say(folder.what_is_kept)
    progress.say(f"stopped and saved; go on with: {shlex.join(words)}")
    signals.end()


def launched(words: list[str], processes: int) -> list[str]:
    """A command as it must be given to start as many processes."""
    if processes == 1:
        return words
    program = words[1:] if words[0] == "python" else ["--no-python", *words]
    return [*LAUNCHER, str(processes), *program]


def _finish(event: SearchDone | TrainDone, progress: Progress) -> None:
    for path in event.pictures:
        print(path, file=sys.stderr)
    if isinstance(event, SearchDone):
        _print_result(event.genotype, f"the search has ended, and its result is in {event.folder}; ")
        return
    for line in metrics.in_words(event.metrics):
        progress.say(line)
    doubt = metrics.doubt(event.metrics)
    if doubt is not None:
        progress(Note(doubt))
    _print_result(event.metrics["test_top1"], f"the training has ended, and its result is in {event.folder}; ")


def _print_result(result: object, ended: str) -> None:
    try:
        print(result, flush=True)
    except OSError as error:
        raise streams.unwritten(error, ended) from None


def _say_at_once() -> None:
    """A person who waits is told why before torch, which takes seconds, is imported."""
    if sys.stderr.isatty() and _is_first():
        print("loading torch and the data ...", file=sys.stderr, flush=True)


def search_from_values(
    values: dict[str, str], default_method: str, argv: Sequence[str], own: Mapping[str, str] = MappingProxyType({})
) -> int:
    """Search with settings as text, after either door has read its own words. Returns the exit code.

    Args:
        own: settings of the door for a search that does not give them.
    """
    settings, resume, overwrite = split_run_flags(values)
    _say_at_once()
    saved = saved_values(values, "search")
    config, notes = (SearchConfig(**saved), []) if saved else search_config({**own, **settings}, default_method)
    from dadarts.search_loop import search

    return run(
        partial(search, config, resume=resume, overwrite=overwrite),
        config.print_freq,
        argv,
        notes,
        resumes=resume,
    )


def train_from_words(prog: str, command: Sequence[str], argv: Sequence[str]) -> int:
    """Train with the words of either door. Returns the exit code."""
    values = train_command(prog).parse(argv)
    settings, resume, overwrite = split_run_flags(values)
    _say_at_once()
    saved = saved_values(values, "augment")
    config = TrainConfig(**saved) if saved else train_config(settings)
    from dadarts.train_loop import train

    return run(
        partial(train, config, resume=resume, overwrite=overwrite),
        config.print_freq,
        [*command, *argv],
        [] if saved else reading_notes(settings),
        resumes=resume,
    )
