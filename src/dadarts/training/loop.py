"""Training a genotype's network from scratch (arXiv 1806.09055, section 3.2), its test set read once, at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dadarts import report
from dadarts.architecture.costs import count_multiply_adds
from dadarts.architecture.counting import count_parameters
from dadarts.architecture.network import DropPath
from dadarts.architecture.norms import averaging
from dadarts.config import TrainConfig
from dadarts.data import Loader, load
from dadarts.distributed import ALONE, Processes
from dadarts.engines.autocast import autocast
from dadarts.methods.schedules import Progress
from dadarts.rundir import contents, history
from dadarts.rundir.history import Row, Values, row_of
from dadarts.rundir.kinds import TRAINING
from dadarts.runs import evaluation
from dadarts.runs.answers import Answers
from dadarts.runs.evaluation import Score, evaluated
from dadarts.runs.events import AssessmentStep, Event, Note, TrainDone, ValidationStep
from dadarts.runs.meter import timed
from dadarts.runs.run import Run
from dadarts.runs.setup import Loading
from dadarts.runs.state import Taken
from dadarts.seeds import generator
from dadarts.training import assessment, export, metrics
from dadarts.training.mixup import mixed
from dadarts.training.state import TrainState, build

Length: TypeAlias = Callable[[int, int], int]
"""How many epochs a training has, from how many are done and how many it was to have; no fewer than are done"""
SETTLED_STEPS = 100
"""After fewer, running statistics of momentum 0.1 still hold more than 1e-5 of what they began as, or old weights."""


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    processes: Processes = ALONE,
    loaded: Loading = load,
    length: Length | None = None,
) -> Iterator[Event]:
    """Train, leave everything in ``runs/augment/NAME``, and yield what happens.

    Stopping, resuming and several processes work as in `dadarts.search`.

    Args:
        loaded: gives the data that the configuration asks for.
        length: asked behind every epoch how many there are in all; the learning rate goes on by that.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: the run cannot go on; the last checkpoint is kept.
    """
    run = Run(TRAINING, config, resume, overwrite, processes)
    result = run.result()
    if result is not None:
        yield TrainDone(run.folder.path, metrics.left(result).metrics(run.folder.path), run.pictures(config.genotype))
        return
    files = {contents.GENOTYPE_TEXT: f"{config.genotype}\n", contents.GENOTYPE: config.genotype.to_json()}
    with run.begun(partial(build, loaded=loaded), files) as state:
        yield from _Training(run, state, length).events()


class _Training:
    def __init__(self, run: Run[TrainConfig], state: TrainState, length: Length | None) -> None:
        self.run = run
        self.length = length
        self.config = run.config
        self.folder = run.folder.path
        self.state = state

    def events(self) -> Iterator[Event]:
        """Every step and epoch that is left, and the result."""
        config, state = self.config, self.state
        network = f"{self.run.sizes}, {count_parameters(state.network):,} parameters"
        engine = f"{state.engine.name} engine ({self.run.why(state.engine.why)})"
        yield self.run.started(state, state.train, self.run.kind.noun, network, engine)
        said = [*state.foundation.notes(state.train), state.engine.note, state.recipe.note]
        yield from (Note(text) for text in said if text)
        yield from self.run.notes()
        if state.recipe.aux_weight and not config.has_auxiliary_head:
            yield Note(f"the {config.genotype.syntax} skeleton has no auxiliary head: -aux_weight has no effect")
        side = min(state.foundation.data.train.shape[1:])
        if (cutout := state.recipe.cutout_length) >= side:
            yield Note(
                f"-cutout_length {cutout} blanks up to the whole of a picture of {side} pixels: nothing "
                f"may be learnt; give {side // 2} or less"
            )
        if config.genotype.verdict:
            yield from (Note(f"its search ended {found}") for found in config.genotype.verdict.findings)
        with self.run.saved_when_stopped(state):
            yield from self.run.epochs(state, self._steps, self._measured)
            if state.best is not None:
                state.judged.network.load_state_dict(state.best[1])
            tested = yield from self._tested()
        data = state.foundation.data
        if self.run.folder.writable:
            file = contents.NETWORK.at(self.folder)
            export.save(file, state.judged.network, data.classes, data.mean, data.std, data.value_range)
        pictures = self.run.draw(config.genotype, state.history, report.draw_training)
        self.run.folder.write_text(contents.METRICS, metrics.laid_out(tested))
        yield from self.run.ended(json.dumps(tested), tested)
        yield TrainDone(self.folder, tested, pictures)

    def _steps(self, progress: Progress) -> Iterator[Taken]:
        config, state, how = self.config, self.state, self.state.recipe
        begin = state.position.step
        for step, (batch, loading) in enumerate(timed(state.train.epoch(progress.epoch, begin)), begin):
            for group in state.sgd.param_groups:
                group["lr"] = how.rate(progress, step, state.steps)
            given = mixed(batch, how.mixup, self.run.processes)
            draw = generator(batch.key, "drop-path")
            drop_path = DropPath(self._drop_path(progress), draw, self.run.processes)
            with autocast(config.precision, state.foundation.device):
                logits, side = state.engine.forward.forward_with_auxiliary(given.images, drop_path, batch.key)
            logits, side = logits.float(), None if side is None else side.float()
            loss = given.loss(state.loss, logits)
            total = loss if side is None else loss + how.aux_weight * given.loss(state.loss, side)
            state.sgd.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            mean_loss = self._averaged_gradients(loss)
            if config.grad_clip:
                torch.nn.utils.clip_grad_norm_(state.parameters, config.grad_clip)
            state.sgd.step()
            if state.average is not None:
                state.average.update()
            correct = (logits.argmax(dim=1) == batch.labels).sum()
            yield self.run.taken(mean_loss, correct, batch.labels, loading)

    def _drop_path(self, progress: Progress) -> float:
        return self.state.recipe.drop_path_prob * progress.fraction

    def _averaged_gradients(self, loss: Tensor) -> Tensor:
        """Make gradients those of the global batch, and return its mean loss."""
        parameters = [p for p in self.state.parameters if p.grad is not None]
        own = [p.grad for p in parameters if p.grad is not None]
        *gradients, mean_loss = self.run.processes.averaged([*own, loss.detach()])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        return mean_loss

    def _measured(self, progress: Progress) -> Generator[Event, None, Row]:
        config, state, position = self.config, self.state, self.state.position
        if self.length is not None:
            state.epochs = self.length(progress.epoch + 1, state.epochs)
        selected: Values = {}
        began = time.monotonic()
        if state.selection is not None or progress.epoch + 1 == state.epochs:
            self._settle(progress.epoch)
        if state.selection is not None:
            score, answers = yield from self._answers(
                state.selection, partial(ValidationStep, progress.epoch, state.epochs)
            )
            selected = {history.VALID_LOSS: score.loss, history.VALID_TOP1: score.top1}
            deciding = score.top1
            if config.class_weights == "balanced":
                # By the plain accuracy a network that has given rare classes up could be the best.
                confusion = answers.confusion(len(state.foundation.data.classes))
                deciding = assessment.balanced_accuracy(confusion)
                selected |= {history.VALID_BALANCED: deciding}
            state.keep_if_best(deciding)
            position.measuring = time.monotonic() - began
        measured: Values = {
            history.EPOCH: progress.epoch,
            history.WEIGHT_LR: state.recipe.rate(progress, state.steps - 1, state.steps),
            history.DROP_PATH: self._drop_path(progress),
            history.TRAIN_LOSS: position.mean_loss,
            history.TRAIN_TOP1: position.top1,
            **selected,
            history.SECONDS: position.seconds,
            history.IMAGES_PER_SECOND: state.images_per_second,
            # A training has no steps of the architecture.
            **{column: value for column, value in position.shares().items() if column != history.SHARE_ARCHITECTURE},
        }
        return row_of(measured)

    def _answers(
        self, loader: Loader, event: Callable[[int, int], Event]
    ) -> Generator[Event, None, tuple[Score, Answers]]:
        judged = self.state.judged
        answer = judged.engine.answer
        found = evaluation.answers(judged.network, loader, lambda batch: answer(batch.images, batch.key))
        return (yield from evaluated(self.run, self.state, found, event))

    @torch.no_grad()
    def _settle(self, epoch: int) -> None:
        """Where running statistics are of other weights, gather them anew over an epoch's first batches."""
        state, judged = self.state, self.state.judged
        if state.average is None and (epoch + 1) * state.steps >= SETTLED_STEPS:
            return
        with averaging(judged.network), autocast(self.config.precision, state.foundation.device):
            for batch in islice(state.train.epoch(epoch), SETTLED_STEPS):
                judged.engine.forward(batch.images, noise_key=batch.key)

    def _tested(self) -> Generator[Event, None, dict[str, Any]]:
        state, data = self.state, self.state.foundation.data
        score, answers = yield from self._answers(state.test(), AssessmentStep)
        assessed = assessment.assess(answers, data.classes, state.train.labels)
        measured = metrics.Measured(
            test_top1=score.top1,
            test_loss=score.loss,
            parameters=count_parameters(state.network),
            multiply_adds=count_multiply_adds(self.config.genotype, state.network.macro),
            seconds=sum(float(history.SECONDS.of(row) or 0) for row in state.history),
        )
        return metrics.result(measured, assessed.model_copy(update={"test_data": data.test_fingerprint}))
