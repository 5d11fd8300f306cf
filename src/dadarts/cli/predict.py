"""``dadarts predict``: the classes of picture files, as CSV or JSON, one batch in memory at a time."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic as clock
from typing import TYPE_CHECKING, Protocol, TextIO

from dadarts import files
from dadarts.cli import configs, streams
from dadarts.cli.flags import Command, Flag
from dadarts.cli.signals import StoppedEarlyError, stop_signals
from dadarts.errors import InputError, shortened
from dadarts.pacing import SILENCE, counted
from dadarts.rundir.contents import NETWORK

if TYPE_CHECKING:
    from dadarts.training.export import TrainedNetwork
    from dadarts.training.prediction import Prediction

COMMAND = Command(
    "dadarts predict",
    "Classify picture files with a trained network: CSV with a line a file, its class and every class's probability.",
    (
        Flag(("output",), "output", "a file to write in place of stdout; it appears when all is done"),
        Flag(("json",), "output", "print a list of JSON objects", boolean=True),
        Flag(("runs_dir",), "run", "where a training is looked up by its name", default="runs"),
        configs.PLUGIN,
        Flag(("batch_size",), "run", "pictures that are computed at once", default="64"),
        Flag(("device",), "run", "cpu, cuda, mps or auto, which takes the fastest there is", default="auto"),
        Flag(("workers",), "run", "threads that decode pictures", default="4"),
    ),
    positionals=(("run", f"a training by its name or @NAME, its folder, or a {NETWORK.name}"),),
    many=("path", "a picture, a folder (all pictures below it, sorted), or - for a list on stdin, one path a line"),
    notes="A file that cannot be read is named on stderr and left out; the exit code is then 1. A class whose name is "
    f"file, prediction or probability has the column p:NAME. {Command.notes}",
)
_COLUMNS = ("file", "prediction", "probability")
_LARGEST_BATCH, _MOST_WORKERS = 10_000, 256
_DEVICES = ("auto", "cpu", "cuda", "mps")
_DIGITS = ".9g"
"""What float32 needs to be read back as it was."""


def predict(words: Sequence[str]) -> int:
    """Predict as the words say. Returns the exit code: 1 where a file could not be read."""
    values, paths = COMMAND.parse_many(words)
    configs.load_plugins(values)
    as_json = configs.truth("json", values)
    settings = _Settings.read(values)
    output = _output(values["output"]) if values.get("output", "-") != "-" else None
    complaints = _Complaints()
    written = cropped = 0
    try:
        with stop_signals():
            network = _network(values["run"], values.get("runs_dir", "runs"), settings.device)
            with _stdout() if output is None else files.writing(output) as stream:
                seen = output is None and sys.stdout.isatty()
                rows = _rows(network, _files(paths, complaints), settings, complaints)
                for row in rows if seen else _paced(rows):
                    if not written:
                        table: _Table = _Json(stream) if as_json else _Csv(stream, network.classes)
                        complaints.say()
                    table.add(row)
                    written += 1
                    cropped += row.cropped
                if not written:
                    raise complaints.of_nothing()
                table.end()
    except StoppedEarlyError as stop:
        kept = f"; {output} was not written" if output else ""
        print(f"dadarts predict: stopped after {written:,} pictures{kept}", file=sys.stderr)
        return 128 + stop.number
    if cropped:
        print(f"dadarts predict: {_said_of_cropped(cropped, written, network.image_shape)}", file=sys.stderr)
    return 1 if complaints.count else 0


def _said_of_cropped(count: int, all_of_them: int, shape: tuple[int, int, int]) -> str:
    _, height, width = shape
    return (
        f"pictures of another shape than the network's {height}x{width}: {count:,} of {all_of_them:,}, resized to "
        "cover it and cropped at the centre, as in the training"
    )


@dataclass(frozen=True)
class _Settings:
    batch_size: int
    workers: int
    device: str

    @classmethod
    def read(cls, values: Mapping[str, str]) -> _Settings:
        device = values.get("device", "auto")
        if device not in _DEVICES:
            raise InputError(f"-device {shortened(device, 40)}: give one of {', '.join(_DEVICES)}")
        return cls(
            _whole_number("batch_size", values.get("batch_size", "64"), 1, _LARGEST_BATCH),
            _whole_number("workers", values.get("workers", "4"), 0, _MOST_WORKERS),
            device,
        )


def _network(run: str, runs_dir: str, device: str) -> TrainedNetwork:
    """The network on the device that it computes on."""
    import torch

    from dadarts.runs.device import pick_device, prepare
    from dadarts.training import export

    network = export.load(run, runs_dir=runs_dir)
    place = pick_device(device)
    prepare(place, torch.get_num_threads(), "float32")
    return network.to(place)


def _paced(rows: Iterator[Prediction]) -> Iterator[Prediction]:
    """The rows; after every ten seconds a line on stderr says how many there have been, and how fast."""
    began = said = clock()
    for count, row in enumerate(rows, start=1):
        yield row
        now = clock()
        if now - said >= SILENCE:
            rate = count / (now - began)
            print(f"dadarts predict: {counted(count, 'picture')}, {rate:,.1f} a second", file=sys.stderr)
            said = now


def _rows(
    network: TrainedNetwork, files: Iterator[str], settings: _Settings, complaints: _Complaints
) -> Iterator[Prediction]:
    from dadarts.training.prediction import Prediction

    for each in network.predictions(files, batch_size=settings.batch_size, workers=settings.workers):
        if isinstance(each, Prediction):
            yield each
        else:
            complaints.add(each.error.marked)


class _Complaints:
    """What cannot be predicted, said on stderr as it is met.

    One that comes before all pictures waits, since it may be all that there is.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: str | None = None
        self._waits = True

    def add(self, text: str) -> None:
        line = shortened(text, 600)
        if self._waits and not self.count:
            self._first = line
        else:
            self.say()
            print(f"dadarts predict: {line}; left out", file=sys.stderr)
        self.count += 1

    def say(self) -> None:
        """Say the one that waits, if any; from now on none does."""
        self._waits = False
        if self._first is not None:
            print(f"dadarts predict: {self._first}; left out", file=sys.stderr)
            self._first = None

    def of_nothing(self) -> InputError:
        """The error where no picture was predicted."""
        if self._first is not None:
            return InputError(self._first)
        return InputError(f"none of {self.count} paths is a picture" if self.count else "stdin lists no path")


def _files(paths: Sequence[str], complaints: _Complaints) -> Iterator[str]:
    """All files that the paths name, in their order."""
    for path in paths:
        for each in _listed() if path == "-" else [path]:
            yield from _below(each, complaints)


def _listed() -> Iterator[str]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    for line in sys.stdin or ():
        if path := line.rstrip("\n"):
            yield path


def _below(path: str, complaints: _Complaints) -> Iterator[str]:
    """A file itself, and of a folder all pictures."""
    from dadarts.data.walk import Tally, pictures_below

    try:
        if Path(path).is_dir():
            found = pictures_below(Path(path), Tally())
            if not found:
                complaints.add(f"{path} holds no pictures")
            yield from map(str, found)
        else:
            yield path
    except (OSError, ValueError) as error:
        complaints.add(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


class _Table(Protocol):
    """Where predictions are written to."""

    def add(self, row: Prediction) -> None: ...

    def end(self) -> None: ...


class _Csv:
    def __init__(self, stream: TextIO, classes: Sequence[str]) -> None:
        self._stream = stream
        self._writer = csv.writer(stream, lineterminator="\n")
        columns = list(_COLUMNS)
        for name in classes:
            columns.append(f"p:{name}" if name in columns else name)
        self._writer.writerow(columns)

    def add(self, row: Prediction) -> None:
        numbers = [row.probability, *row.probabilities.values()]
        self._writer.writerow([row.file, row.label, *(format(number, _DIGITS) for number in numbers)])

    def end(self) -> None:
        self._stream.flush()


class _Json:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._before = "[\n"

    def add(self, row: Prediction) -> None:
        shown = {
            "file": row.file,
            "prediction": row.label,
            "probability": _rounded(row.probability),
            "probabilities": {name: _rounded(number) for name, number in row.probabilities.items()},
        }
        self._stream.write(f"{self._before} {json.dumps(shown)}")
        self._before = ",\n"

    def end(self) -> None:
        self._stream.write("\n]\n")
        self._stream.flush()


def _rounded(number: float) -> float:
    return float(format(number, _DIGITS))


@contextmanager
def _stdout() -> Iterator[TextIO]:
    """Stdout, which names files byte for byte."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise streams.unwritten(error) from error


def _output(word: str) -> Path:
    path = Path(word)
    if not word or path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"-output {shortened(word)}: give a file in a folder that there is")
    if path.exists() and not path.is_file():
        raise InputError(f"-output {shortened(word)}: not a regular file; leave -output out and write stdout to it")
    return path


def _whole_number(name: str, word: str, least: int, most: int) -> int:
    if not word.isdecimal() or len(word) > 9 or not least <= int(word) <= most:
        raise InputError(f"-{name} {shortened(word, 40)}: give a whole number from {least} to {most}")
    return int(word)
