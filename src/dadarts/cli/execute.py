"""A command with its signals, progress and exit code: what both command lines share."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from dadarts.cli import configs, streams
from dadarts.cli.advice import about_sizes, advise, sizes_of_training, tensorboard
from dadarts.cli.console import Progress
from dadarts.cli.early import prints
from dadarts.cli.event_lines import Tell, as_values, telling
from dadarts.cli.explaining import explained, memory_explained
from dadarts.cli.flags import as_typed, next_command, own_dashes, without_booleans
from dadarts.cli.signals import Signals, StoppedEarlyError, stop_signals
from dadarts.config import SearchConfig, TrainConfig
from dadarts.distributed import LAUNCHER, Processes, from_environment, joined
from dadarts.errors import DadartsError, RunError
from dadarts.rundir import command
from dadarts.rundir.kinds import SEARCH, TRAINING
from dadarts.rundir.lookup import differences_in_reading, reading_notes, word_of
from dadarts.runs.events import Event, FitDone, Note, RunStarted, SearchDone, TrainDone
from dadarts.runs.folder import RunFolder
from dadarts.training import metrics

_HEAD_START = 10.0
_STEERING = ("resume", "overwrite")


def guarded(prog: str, main: Callable[[], int], argv: Sequence[str] = ()) -> int:
    """Run a command; whatever goes wrong on purpose is one line on stderr and an exit code.

    Of several processes only the first one says it.

    Args:
        argv: what the user typed, for the way in which flags are named.
    """
    with streams.usable():
        return _guarded(prog, main, argv)


def _guarded(prog: str, main: Callable[[], int], argv: Sequence[str]) -> int:
    is_first = prints()
    try:
        with memory_explained(argv[0] if prog == "dadarts" and argv else prog.split()[-1]):
            code = _printed(main)
        streams.flush_output()
        return code
    except DadartsError as error:
        code, line = error.exit_code, as_typed(" ".join(error.marked.split()), argv, own_dashes(prog))
        if not is_first:
            # The launcher ends all processes with the first that fails, and only the first one prints.
            time.sleep(_HEAD_START)
    except StoppedEarlyError as stop:
        code, line = 128 + stop.number, str(stop)
    except KeyboardInterrupt:
        code, line = 128 + signal.SIGINT, "stopped before a run was begun"
    except BrokenPipeError:
        streams.swallow(sys.stdout)
        return 1
    except OSError as error:
        code, line = RunError.exit_code, streams.refusal(error)
    if is_first:
        print(f"{prog}: {line}", file=sys.stderr)
    return code


def _printed(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit:
        # That is how argparse ends when it has printed a help, and whether that could be written it does not ask.
        streams.flush_output()
        raise


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
    tell: Tell | None = None,
) -> int:
    """Iterate over a run: show progress, stop on a signal, print the result as the last line of stdout.

    Of several processes the first one shows and prints, and all stop after the same step.

    Args:
        argv: the whole command that the user gave.
        resumes: whether the run goes on from a checkpoint.
        go_on: the words that the command needs besides to go on with the run.
        tell: takes all events as JSON values, in place of the result on stdout.
    """
    program = argv[min(1, len(argv) - 1)]
    written = partial(as_typed, argv=argv, own=own_dashes(program))
    progress = Progress(print_freq, _log, silent=not prints(), written=written)
    with (
        progress.ticking(),
        _narrated(progress, written),
        stop_signals(resumes) as signals,
        joined(from_environment()) as processes,
        explained(program, lambda: signals.has_checkpoint),
    ):
        events = events_of(processes=processes)
        folder: RunFolder | None = None
        for event in events:
            progress(event)
            if tell is not None:
                tell(as_values(event))
            if isinstance(event, RunStarted):
                folder = _begun(event, argv, processes)
                for note in notes:
                    progress(Note(note))
            if isinstance(event, SearchDone | TrainDone | FitDone):
                if processes.is_first:
                    _finish(event, progress, tell is None)
                continue
            if folder is None:
                # A signal that comes before a checkpoint ends the run at once.
                continue
            stopped = processes.largest(signals.begin())
            if stopped:
                words = launched([*without_booleans(argv, *_STEERING), *map(written, go_on)], processes.count)
                if tell is not None:
                    tell({"event": "stopped", "folder": str(folder.path), "go_on": shlex.join(words)})
                processes.in_turn(partial(_stop, events, progress, folder, words, signals))
                return 128 + stopped
    return 0


def _log(folder: Path, line: str) -> None:
    RunFolder(folder).log(line)


def _begun(event: RunStarted, argv: Sequence[str], processes: Processes) -> RunFolder:
    """The folder of a run that has begun, whose log has the command."""
    folder = RunFolder(event.folder)
    if processes.is_first:
        folder.log(command.line(launched([*argv], processes.count)))
    return folder


class _Narrator(logging.Handler):
    def __init__(self, progress: Progress, written: Callable[[str], str]) -> None:
        super().__init__()
        self.progress, self.written = progress, written

    def emit(self, record: logging.LogRecord) -> None:
        self.progress.show(self.written(self.format(record)))


@contextmanager
def _narrated(progress: Progress, written: Callable[[str], str]) -> Iterator[None]:
    """Say what the package logs, such as that it is compiling, in the first process."""
    package, handler = logging.getLogger("dadarts"), _Narrator(progress, written)
    package.setLevel(logging.INFO if prints() else logging.WARNING)
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


def _finish(event: SearchDone | TrainDone | FitDone, progress: Progress, prints_result: bool) -> None:
    if not isinstance(event, FitDone):
        for path in event.pictures:
            print(path, file=sys.stderr)
    if isinstance(event, SearchDone):
        if prints_result:
            _print_result(event.genotype, f"the search has ended, and its result is in {event.folder}; ")
        return
    for line in metrics.in_words(event.metrics, event.metric if isinstance(event, FitDone) else metrics.ACCURACY):
        progress.say(line)
    if isinstance(event, FitDone) and event.verdict is not None:
        progress.say(event.verdict)
    doubt = metrics.doubt(event.metrics, of_fit=isinstance(event, FitDone))
    if doubt is not None:
        progress(Note(doubt))
    if prints_result:
        ended = "fit" if isinstance(event, FitDone) else "training"
        _print_result(event.metrics["test_top1"], f"the {ended} has ended, and its result is in {event.folder}; ")


def _print_result(result: object, ended: str) -> None:
    try:
        print(result, flush=True)
    except OSError as error:
        raise streams.unwritten(error, ended) from None


def say_at_once() -> None:
    """A person who waits is told why before torch, which takes seconds, is imported."""
    if sys.stderr.isatty() and prints():
        print("loading torch and the data ...", file=sys.stderr, flush=True)


def search_from_values(
    values: dict[str, str], default_method: str, argv: Sequence[str], own: Mapping[str, str] = MappingProxyType({})
) -> int:
    """Search with settings as text. Returns the exit code.

    Args:
        own: the command's settings for a search that does not give them.
    """
    settings, resume, overwrite = configs.split_run_flags(values)
    say_at_once()
    configs.load_plugins(values)
    saved = configs.saved_values(values, SEARCH)
    config, notes = (SearchConfig(**saved), []) if saved else configs.search_config({**own, **settings}, default_method)
    from dadarts.searching.loop import search

    code = run(
        partial(search, config, resume=resume, overwrite=overwrite),
        config.print_freq,
        argv,
        notes,
        resumes=resume,
        tell=telling(values),
    )
    if code == 0:
        data = {} if config.data_path == Path("datasets") else {"data_path": str(config.data_path)}
        sizes = {name: str(size) for name, size in sizes_of_training(config).items()}
        given = {"name": config.name, "dataset": config.dataset, **data, "genotype": f"@{config.name}"}
        given |= configs.plugin_flag(config.plugin) | sizes
        advise("watch it", tensorboard(SEARCH.folder(config.runs_dir, config.name)), argv)
        about_sizes(config, [*given], argv)
        advise("train it", next_command(argv, ["train"], config.runs_dir, **given), argv)
    return code


def train_from_values(
    values: dict[str, str],
    argv: Sequence[str],
    own: Mapping[str, Any] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> int:
    """Train with settings as text. Returns the exit code.

    Args:
        own: the command's settings for a training that does not give them.
        notes: what is to be said of these.
    """
    settings, resume, overwrite = configs.split_run_flags(values)
    say_at_once()
    configs.load_plugins(values)
    saved = configs.saved_values(values, TRAINING)
    config = TrainConfig(**saved) if saved else configs.train_config({**own, **settings})
    said = [] if saved else [*notes, *reading_notes(settings)]
    if not saved:
        said += differences_in_reading(settings["genotype"], config.runs_dir, config.dataset, config.reading)
    from dadarts.training.loop import train

    code = run(
        partial(train, config, resume=resume, overwrite=overwrite),
        config.print_freq,
        argv,
        said,
        resumes=resume,
        tell=telling(values),
    )
    if code == 0:
        plugin = configs.plugin_flag(config.plugin)
        advise("watch it", tensorboard(TRAINING.folder(config.runs_dir, config.name)), argv)
        word = word_of(TRAINING, config.name, config.runs_dir)
        advise("use it", next_command(argv, ["predict", word, "PICTURES"], config.runs_dir, **plugin), argv)
    return code
