"""The search, in order: the paper's algorithm 1 around the bilevel step."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from functools import partial
from itertools import repeat

import numpy as np

from dadarts import report
from dadarts.architecture.genotype import Genotype, derive, found_in
from dadarts.architecture.supernet import Mixing
from dadarts.architecture.verdict import Verdict
from dadarts.config import SearchConfig
from dadarts.data import load
from dadarts.distributed import ALONE, Processes
from dadarts.errors import InputError, RunError
from dadarts.methods.penalties import default_target, discretization_distance
from dadarts.methods.relaxations import Hard, Soft
from dadarts.methods.relaxations.base import Temperatures
from dadarts.methods.schedules import Progress, cosine
from dadarts.methods.selection import name_of
from dadarts.rundir import contents, history
from dadarts.rundir.history import Row, Values, row_of
from dadarts.rundir.kinds import SEARCH
from dadarts.runs.evaluation import evaluated
from dadarts.runs.events import Event, Note, SearchDone, ValidationStep
from dadarts.runs.meter import timed
from dadarts.runs.run import Run
from dadarts.runs.setup import Loading
from dadarts.runs.state import Taken
from dadarts.searching import diagnostics, limits
from dadarts.searching.judging import judged
from dadarts.searching.notes import notes
from dadarts.searching.selecting import select
from dadarts.searching.state import SearchState, build


def search(
    config: SearchConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    processes: Processes = ALONE,
    loaded: Loading = load,
) -> Iterator[Event]:
    """Search, leave everything in ``runs/search/NAME``, and yield what happens.

    Not iterating further stops the search; its state is saved when the iterator is closed, and a search with
    `resume` continues from there, bit for bit.

    >>> for event in search(SearchConfig(name="first", dataset="digits")):  # doctest: +SKIP
    ...     print(event)

    With several `processes` (`dadarts.distributed.joined`) each of them calls this and gets the same events; only the
    first one writes.

    Args:
        loaded: gives the data that the configuration asks for.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: the run cannot go on (a loss that is not finite, a full disk); the last checkpoint is kept.
    """
    run = Run(SEARCH, config, resume, overwrite, processes)
    result = run.result()
    if result is not None:
        genotype = found_in(contents.GENOTYPE.at(run.folder.path), result)
        yield from _said_of(genotype)
        yield SearchDone(run.folder.path, genotype, run.pictures(genotype))
        return
    with run.begun(partial(build, loaded=loaded), files={}) as state:
        yield from _Search(run, state, alone=loaded is not load).events()


class _Search:
    def __init__(self, run: Run[SearchConfig], state: SearchState, alone: bool) -> None:
        self.run = run
        self.config = run.config
        self.folder = run.folder.path
        self.state = state
        self.alone = alone

    def events(self) -> Iterator[Event]:
        """Every step and epoch that is left, and the result."""
        config, state = self.config, self.state
        parameters = sum(w.numel() for w in state.bilevel.w)
        yield self.run.started(
            state,
            state.loaders.train,
            f"{config.search_space} search",
            f"supernet of {self.run.sizes}, {parameters:,} weights",
            f"{state.engine.name} engine ({self.run.why(state.engine.why)})",
        )
        if state.space.limits:
            self.run.folder.write_text(contents.LIMITS, limits.as_json(state.space.limits))
        said = [*state.foundation.notes(state.loaders.train), *notes(config), state.engine.note]
        said += limits.notes(state.space, limits.target(config, state.foundation))
        if config.method.selection.trains:
            said.append(state.rates.note)
        yield from (Note(text) for text in said if text)
        yield from self.run.notes()
        with self.run.saved_when_stopped(state):
            if not config.method.selection.trains:
                scores = yield from select(self.run, state, self.alone)
                self._write_only_row(scores)
            else:
                yield from self.run.epochs(state, self._steps, self._measured, self._stops)
                yield from self._rewound()
                scores = yield from select(self.run, state, self.alone)
                self._write_cost_of_selection()
        genotype = self._retained(scores)
        yield from _said_of(genotype)
        yield from map(Note, limits.kept_to(state.space, scores, limits.target(config, state.foundation)))
        pictures = self.run.draw(genotype, state.history, report.draw_curves)
        yield from self.run.ended(str(genotype), {})
        yield SearchDone(self.folder, genotype, pictures)

    def _steps(self, progress: Progress) -> Iterator[Taken]:
        config, state = self.config, self.state
        begin = progress.epoch, state.position.step
        here = self._within(progress)
        if begin > (0, 0) and (here.epoch, state.position.step) == (0, 0):
            state.restart(config.seed, progress.epoch // state.restart_epochs)
        state.bilevel.work.begin_epoch(progress.epoch)
        weight_lr = self._weight_lr(here)
        train, architecture = state.loaders.train.epoch(*begin), state.loaders.architecture.epoch(*begin)
        two_level = config.method.order in ("second", "first")
        pairs = zip(train, architecture if two_level else repeat(None), strict=False)
        for (batch, held), loading in timed(pairs):
            # Every restart has draws of its own.
            drawing = self._within(progress.at_step(config.seed, state.position.step))
            losses = state.optimizers.step(batch, held, drawing, weight_lr)
            yield self.run.taken(
                losses.train_loss, losses.train_correct, batch.labels, loading, losses.architecture_seconds
            )

    def _within(self, progress: Progress) -> Progress:
        """Where the search stands that has begun with the last restart."""
        return progress.within(self.config.method.restarts)

    def _stops(self, rows: list[Row]) -> bool:
        stop = self.config.method.stop
        return stop is not None and stop.reached([float(history.HESSIAN_EIGENVALUE.of(row) or 0) for row in rows])

    def _rewound(self) -> Iterator[Event]:
        """Where the eigenvalue has risen, go back to the alphas before that."""
        stop, epochs = self.config.method.stop, len(self.state.history)
        if stop is not None and self._stops(self.state.history):
            self.state.rewind(epochs - 1 - stop.window)
            yield Note(
                f"stopped after epoch {epochs}: the dominant eigenvalue has risen; alphas are those of epoch "
                f"{epochs - stop.window}"
            )

    def _measured(self, progress: Progress) -> Generator[Event, None, Row]:
        here, eigenvalue = self._within(progress), self._eigenvalue_column(progress)
        is_last = progress.epoch + 1 == progress.epochs or self._stops([*self.state.history, row_of(eigenvalue)])
        is_due = is_last or (progress.epoch + 1) % self.config.validation_every == 0
        validation = (yield from self._validation_columns(progress)) if is_due else {}
        genotype = derive(self.state.space, self.state.scores())
        measured: Values = {
            history.EPOCH: progress.epoch,
            **self._epoch_columns(here),
            **validation,
            **self._choice_columns(here),
            **diagnostics.shares(genotype),
            history.SECONDS: self.state.position.seconds,
            history.IMAGES_PER_SECOND: self.state.images_per_second,
            **self.state.position.shares(),
            history.LEFT_OUT_SHARE: diagnostics.left_out_share(self.state.bilevel, here),
            history.TEMPERATURE_NODE: self._temperatures(here).node,
            history.OPERATION_PICTURES: self.state.bilevel.work.of_epoch,
            **eigenvalue,
            **diagnostics.limits(self.state.bilevel.alphas),
            # Known when the selection has ended.
            **({} if self.config.method.selection.reads_alphas else dict.fromkeys(history.OF_SELECTION)),
        }
        self.state.snapshots.append(self.state.alphas_now())
        self._write_alphas()
        self._write_genotype(genotype)
        return row_of(measured, history.SEARCH)

    def _validation_columns(self, progress: Progress) -> Generator[Event, None, Values]:
        method, here = self.config.method, self._within(progress)
        own = method.weights.relax.without_noise(here)
        architecture = method.alphas.relax.without_noise(here)
        began = time.monotonic()
        mixings = {
            relaxation: self.state.bilevel.fixed_mixing(relaxation, here)
            for relaxation in (own, architecture, Soft(), Hard())
        }
        scores = yield from evaluated(
            self.run,
            self.state,
            diagnostics.evaluate_mixings(self.state.bilevel, self.state.loaders.validation, mixings),
            partial(ValidationStep, progress.epoch, progress.epochs),
        )
        self.state.position.measuring = time.monotonic() - began
        return {
            history.VALID_LOSS: scores[own].loss,
            history.VALID_TOP1: scores[own].top1,
            history.RELAXED_TOP1: scores[Soft()].top1,
            history.DISCRETE_TOP1: scores[Hard()].top1,
            history.DISCRETIZATION_GAP: scores[Soft()].top1 - scores[Hard()].top1,
            history.ARCHITECTURE_TOP1: scores[architecture].top1,
        }

    def _write_only_row(self, scores: Mixing) -> None:
        """The one row of a search that trains nothing: what can be said of its genotype."""
        genotype = derive(self.state.space, scores)
        nothing = {history.SECONDS: 0.0, history.OPERATION_PICTURES: 0}
        measured: Values = {history.EPOCH: 0, **diagnostics.shares(genotype), **nothing}
        self.state.history = [row_of(measured, history.SEARCH)]
        self.run.folder.write_history(self.state.history)

    def _write_cost_of_selection(self) -> None:
        state = self.state
        if not self.config.method.selection.reads_alphas:
            cost = {
                history.SECONDS_SELECTION: state.selecting,
                history.OPERATION_PICTURES_SELECTION: state.bilevel.work.of_selection,
            }
            state.history[-1] = {**state.history[-1], **row_of(cost)}
            self.run.folder.write_history(state.history)

    def _epoch_columns(self, progress: Progress) -> Values:
        config, position = self.config, self.state.position
        pull = config.method.pull(progress)
        return {
            history.WEIGHT_LR: self._weight_lr(progress),
            history.TEMPERATURE: self._temperatures(progress).edge,
            history.DAL_FACTOR: pull.factor if pull else 0.0,
            history.TRAIN_LOSS: position.mean_loss,
            history.TRAIN_TOP1: position.top1,
        }

    def _weight_lr(self, progress: Progress) -> float:
        return cosine(self.state.rates.weights, self.config.w_lr_min, progress)

    def _temperatures(self, progress: Progress) -> Temperatures:
        return self.config.method.temperatures(progress, self.config.space.rule)

    def _choice_columns(self, progress: Progress) -> Values:
        config, state = self.config, self.state
        alphas = state.bilevel.alphas
        pull = config.method.pull(progress)
        target = (pull and pull.target) or default_target(alphas.candidates)
        distance = discretization_distance(alphas.weights().detach(), alphas.candidates, target)
        chosen = diagnostics.choices(alphas).cpu()
        return {
            history.DAL: distance.item(),
            history.ALPHA_ENTROPY: diagnostics.entropy(alphas),
            history.CHANGED_CHOICES: int((chosen & ~state.choices_at_last_epoch(progress)).sum()),
        }

    def _eigenvalue_column(self, progress: Progress) -> Values:
        if not self.config.hessian_eigenvalue and self.config.method.stop is None:
            return {}
        batch = next(self.state.loaders.architecture.whole().epoch(progress.epoch))
        here = self._within(progress)
        return {history.HESSIAN_EIGENVALUE: diagnostics.hessian_eigenvalue(self.state.bilevel, batch, here)}

    def _retained(self, scores: Mixing) -> Genotype:
        try:
            genotype = derive(self.state.space, scores, self.config.method.retain)
        except InputError as error:
            kept = contents.GENOTYPE_TEXT.at(self.folder)
            raise RunError(f"{error.marked}; {kept} holds the top2 genotype") from None
        genotype = judged(genotype, self._verdict())
        self._write_genotype(genotype)
        return genotype

    def _verdict(self) -> Verdict:
        selection = self.config.method.selection
        return self.state.verdict() if selection.reads_alphas else Verdict(None, by=name_of(selection))

    def _write_genotype(self, genotype: Genotype) -> None:
        self.run.folder.write_text(contents.GENOTYPE, genotype.to_json(space=self.config.search_space))
        self.run.folder.write_text(contents.GENOTYPE_TEXT, f"{genotype}\n")

    def _write_alphas(self) -> None:
        state = self.state
        names = state.bilevel.alphas.names
        arrays = {
            name: np.stack([snapshot[number].numpy() for snapshot in state.snapshots])
            for number, name in enumerate(names)
        } | {f"initial_{name}": state.initial[number].numpy() for number, name in enumerate(names)}
        self.run.folder.write(contents.ALPHAS, lambda path: np.savez(path, **arrays))  # type: ignore[arg-type]


def _said_of(genotype: Genotype) -> Iterator[Note]:
    return (Note(line) for line in (genotype.verdict.lines if genotype.verdict else ()))
