"""The course that a search and a training share: begun or resumed, epoch after epoch, saved, stopped, ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from dadarts import report
from dadarts.architecture.genotype import Genotype
from dadarts.config import SearchConfig, TrainConfig
from dadarts.data import Loader
from dadarts.distributed import ALONE, Processes
from dadarts.errors import CheckpointError, RunError
from dadarts.loggers.known import openers
from dadarts.loggers.logger import Logged, Loggers, opened
from dadarts.methods.schedules import Progress
from dadarts.pacing import counted
from dadarts.plugins import fingerprints
from dadarts.rundir import contents
from dadarts.rundir.contents import Entry
from dadarts.rundir.history import Row
from dadarts.rundir.kinds import Kind
from dadarts.runs import checkpoint, device, resuming
from dadarts.runs.events import EpochDone, Event, Note, RunStarted, StepDone
from dadarts.runs.fitting import MisfitError
from dadarts.runs.folder import RunFolder
from dadarts.runs.meter import Position
from dadarts.runs.state import State, Taken

AnyConfig = TypeVar("AnyConfig", bound=SearchConfig | TrainConfig)
AnyState = TypeVar("AnyState", bound=State)


@dataclass
class Run(Generic[AnyConfig]):
    """A run in its folder.

    Args:
        resume: go on from the last checkpoint.
        overwrite: replace what is there.
        processes: all that compute it; the first one writes.
    """

    kind: Kind
    config: AnyConfig
    resume: bool
    overwrite: bool
    processes: Processes = ALONE
    folder: RunFolder = field(init=False)
    saved_at: float = field(init=False, default=0.0)
    loggers: Loggers = field(init=False, default_factory=Loggers)

    def __post_init__(self) -> None:
        self.folder = RunFolder(self.kind.folder(self.config.runs_dir, self.config.name), self.processes.is_first)

    def result(self) -> str | None:
        """What the run to resume has ended with; None where there is something to do.

        Raises:
            InputError: the name cannot be used, or the run has other settings; nothing was created.
        """
        self.folder.check(self.resume, self.overwrite)
        # Nobody begins a folder that another process has still to look at.
        self.processes.largest(0)
        if not self.resume:
            return None
        self.config = resuming.as_begun(self.folder, self.config)
        resuming.refuse_other_settings(self.folder, self.config)
        result = self.folder.result()
        if result is not None:
            # A process that died in the midst of that has left some of it.
            self.folder.remove_replaced()
        return result

    @property
    def sizes(self) -> str:
        """How large the network is, in words."""
        return f"{counted(self.config.layers, 'layer')}, {counted(self.config.init_channels, 'channel')}"

    def started(self, state: State, train: Loader, task: str, network: str, engine: str) -> RunStarted:
        """What a run says first: what it has read, and what it computes with that.

        Args:
            train: batches of the training pictures.
            task, network: what is computed, and of which network.
            engine: by which engine, and why.
        """
        config, base = self.config, state.foundation
        threads = replace(base.threads, why=self.why(base.threads.why))
        shape = "x".join(map(str, base.data.train.shape))
        steps = f"{counted(state.steps, 'step')} an epoch, {counted(config.epochs, 'epoch')}"
        in_each = f"in each of {self.processes.count} processes" if self.processes.several else ""
        going_on = f"; {_next(state.position, config.epochs, state.steps)}" if self.resume else ""
        return RunStarted(
            self.folder.path,
            base.read(train),
            f"{task} on {config.dataset} ({shape}): {network}; {steps} on {base.device} "
            f"with {', '.join(filter(None, [str(threads), engine, in_each]))}{going_on}",
        )

    def why(self, choice: str) -> str:
        """Why the run computes with its threads and its engine: one that goes on keeps those that it began with."""
        return "as before the stop" if self.resume else choice

    @contextmanager
    def begun(
        self, build: Callable[[AnyConfig, Processes], AnyState], files: Mapping[Entry, str]
    ) -> Iterator[AnyState]:
        """The state to go on from, and the folder held for this process: begun with `files` (which -> text) or resumed.

        Raises:
            InputError: the state cannot be built, another process holds the folder, or its checkpoint cannot be gone on
                from, as where another number of processes has computed it.
        """
        config = self.config
        told = openers(config.logger or ())
        if self.resume:
            resuming.refuse_other_processes(self.folder, self.processes)
            config = resuming.as_computed(self.folder, config)
        state = build(config, self.processes)
        self.config = resuming.settled(self.config, state.settled)
        with self.folder.saying_what_is_kept(), ExitStack() as held:

            def claim() -> None:
                held.enter_context(self.folder.claimed(self.resume, self.overwrite))
                if self.resume:
                    self._restore(state)
                else:
                    self._begin(state, files)

            self.processes.in_turn(claim)
            if self.folder.writable:
                about = self.folder.path, self.kind.verb, config.name, self.config.to_json(), state.position.epoch
                self.loggers = held.enter_context(opened(told, Logged(*about)))
            yield state

    def notes(self) -> Iterator[Note]:
        """What is to be said when a run goes on from here."""
        if self.folder.replaced:
            yield Note(self.folder.what_is_kept)
        if self.resume:
            yield from map(Note, resuming.changed_plugins(self.folder, self.config.plugin or ()))

    def ended(self, result: str, numbers: Mapping[str, Any]) -> Iterator[Note]:
        """Tell loggers the `numbers` of the result, mark the run as finished, and remove what it has replaced."""
        # In this order: where a logger cannot be told, the run has not ended, and tells it when it goes on.
        self.loggers.result(numbers)
        yield from map(Note, self.folder.end(result))

    def _begin(self, state: State, files: Mapping[Entry, str]) -> None:
        self.save(state)
        for entry, text in files.items():
            self.folder.write_text(entry, text)
        # Last: the configuration makes the folder a run.
        base = state.foundation
        versions = {**device.versions(base.device), **state.computed, **base.facts}
        versions |= {"data": base.data.fingerprint, "processes": self.processes.count}
        if self.config.plugin:
            versions["plugins"] = sorted({*fingerprints(self.config.plugin).values()})
        self.folder.write_config(self.config.to_json(), versions)

    def _restore(self, state: State) -> None:
        path = self.folder.checkpoint
        settings, saved = checkpoint.load(path, self.kind.name)
        resuming.refuse_differences(self.folder, self.config.differences(settings))
        resuming.refuse_other_compute(self.folder, state.computed)
        begun_with = self.folder.saved_config().versions.get("data")
        resuming.refuse_other_data(self.folder, begun_with, state.foundation.data.fingerprint)
        try:
            state.restore(saved)
        except MisfitError as error:
            raise CheckpointError(f"{path} does not fit this {self.kind.noun}: {error}") from None
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not fit this {self.kind.noun} ({type(error).__name__})") from None
        self.saved_at = time.monotonic()

    def save(self, state: State) -> None:
        """Write the checkpoint.

        Raises:
            RunError: the disk is full, or the state is not finite; the checkpoint before is kept.
        """
        if self.folder.writable:
            checkpoint.save(self.folder.checkpoint, self.kind.name, self.config.to_json(), state.to_checkpoint())
        self.saved_at = time.monotonic()

    def damaged(self, why: str) -> CheckpointError:
        """What to raise where the checkpoint has what the run cannot have."""
        return CheckpointError(f"{self.folder.checkpoint} {why}")

    def save_if_due(self, state: State) -> None:
        """Write the checkpoint where the last one is older than `-checkpoint_minutes`."""
        if time.monotonic() - self.saved_at > 60 * self.config.checkpoint_minutes:
            self.save(state)

    def taken(self, loss: Tensor, correct: Tensor, labels: Tensor, loading: float, architecture: float = 0.0) -> Taken:
        """A step of all processes, from the mean loss of the global batch and what this process got right."""
        counts = self.processes.summed(torch.tensor([int(correct), len(labels)]))
        right, pictures = counts.tolist()
        return Taken(loss.item(), right, pictures, loading, architecture)

    @contextmanager
    def saved_when_stopped(self, state: State) -> Iterator[None]:
        """Write the checkpoint where the iterator that is in here is closed."""
        try:
            yield
        except GeneratorExit:
            self.save(state)
            raise

    def epochs(
        self,
        state: State,
        steps: Callable[[Progress], Iterator[Taken]],
        measured: Callable[[Progress], Generator[Event, None, Row]],
        stopped: Callable[[list[Row]], bool] = lambda history: False,
    ) -> Iterator[Event]:
        """Every step and epoch that is left.

        Args:
            steps: takes the steps of an epoch that are left, one whenever it is asked for the next.
            measured: measures the epoch after its last step; its row of history.
            stopped: whether no epoch follows those of a history.
        """
        while state.position.epoch < state.epochs and not stopped(state.history):
            progress = Progress(state.position.epoch, state.epochs)
            yield from self.counted(state, progress, steps(progress))
            row = yield from measured(progress)
            state.history.append(row)
            state.position = state.position.next_epoch()
            self.folder.write_history(state.history)
            # Before the checkpoint: an epoch that is computed again is told again, one left out never is.
            self.loggers.epoch(row)
            self.save(state)
            yield EpochDone(progress.epoch, state.epochs, row)

    def counted(self, state: State, progress: Progress, steps: Iterator[Taken]) -> Iterator[Event]:
        """Take the steps of an epoch that are left, count them, and save now and then.

        Raises:
            RunError: a loss is not finite.
        """
        position = state.position
        while position.step < state.steps:
            began = time.monotonic()
            taken = next(steps)
            if not math.isfinite(taken.loss):
                raise RunError(
                    f"the loss is {taken.loss} in epoch {progress.epoch + 1}, step {position.step + 1}; "
                    f"lower {self.kind.rates}. The last good checkpoint is {self.folder.checkpoint}"
                )
            position.add(taken.loss, taken.correct, taken.pictures)
            position.seconds += time.monotonic() - began
            position.loading += taken.loading
            position.architecture += taken.architecture
            self.save_if_due(state)
            yield StepDone(
                progress.epoch,
                progress.epochs,
                position.step,
                state.steps,
                position.mean_loss,
                position.top1,
                state.images_per_second,
            )

    def pictures(self, genotype: Genotype) -> tuple[Path, ...]:
        """Where the cells and, last, the curves of an ended run are drawn."""
        return contents.pictures(self.folder.path, genotype.cells)

    def draw(
        self, genotype: Genotype, history: list[Row], draw_curves: Callable[[list[Row], Path, str], None]
    ) -> tuple[Path, ...]:
        """Draw the cells and the curves."""
        pictures = self.pictures(genotype)
        if not self.folder.writable:
            return pictures
        for path in pictures[:-1]:
            path.parent.mkdir(exist_ok=True)
            report.draw_cell(genotype, path.stem, path, f"{self.config.name}: {path.stem} cell")
        draw_curves(history, pictures[-1], self.config.name)
        return pictures


def _next(position: Position, epochs: int, steps: int) -> str:
    """Where a run goes on."""
    if position.epoch == epochs:
        return "it goes on behind its last epoch"
    step = f"step {position.step + 1}/{steps} of" if position.step < steps else "what is measured after"
    return f"it goes on with {step} epoch {position.epoch + 1}/{epochs}"
