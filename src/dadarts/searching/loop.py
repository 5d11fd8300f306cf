"""The search, in order: the paper's algorithm 1 around the bilevel step."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from itertools import repeat

import numpy as np

from dadarts import report
from dadarts.architecture.genotype import Genotype, derive, found_in
from dadarts.architecture.supernet import Mixing
from dadarts.architecture.verdict import Verdict
from dadarts.config import SearchConfig
from dadarts.distributed import ALONE, Processes
from dadarts.errors import InputError, RunError
from dadarts.methods.penalties import default_target, discretization_distance
from dadarts.methods.relaxations import Hard, Soft
from dadarts.methods.relaxations.base import Temperatures
from dadarts.methods.schedules import Progress, cosine
from dadarts.methods.selection import name_of
from dadarts.pacing import counted
from dadarts.runs.evaluation import evaluated
from dadarts.runs.events import Event, Note, Row, RunStarted, SearchDone, ValidationStep
from dadarts.runs.meter import timed
from dadarts.runs.run import SEARCH, Run
from dadarts.runs.state import Taken
from dadarts.searching import diagnostics
from dadarts.searching.judging import judged
from dadarts.searching.notes import notes
from dadarts.searching.selecting import select
from dadarts.searching.state import SearchState, build

COLUMNS = (
    *("epoch", "weight_lr", "temperature", "dal_factor", "train_loss", "train_top1", "valid_loss", "valid_top1"),
    *("relaxed_top1", "discrete_top1", "discretization_gap", "dal", "alpha_entropy", "changed_choices", "skip_share"),
    *("parameter_free_share", "seconds", "images_per_second", "seconds_validation", "share_loading"),
    *("share_architecture", "share_weights", "share_validation", "left_out_share", "architecture_top1"),
    "temperature_node",
)
"""The columns that every search's history has."""


def search(
    config: SearchConfig, *, resume: bool = False, overwrite: bool = False, processes: Processes = ALONE
) -> Iterator[Event]:
    """Search, leave everything in ``runs/search/NAME``, and yield what happens.

    Not iterating further stops the search; its state is saved when the iterator is closed, and a search with
    `resume` continues from there, bit for bit.

    >>> for event in search(SearchConfig(name="first", dataset="digits")):  # doctest: +SKIP
    ...     print(event)

    With several `processes` (`dadarts.distributed.joined`) each of them calls this and gets the same events; only the
    first one writes.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: the run cannot go on (a loss that is not finite, a full disk); the last checkpoint is kept.
    """
    run = Run(SEARCH, config, resume, overwrite, processes)
    result = run.result()
    if result is not None:
        genotype = found_in(run.folder.path, result)
        yield from _said_of(genotype)
        yield SearchDone(run.folder.path, genotype, run.pictures(genotype))
        return
    with run.begun(build, files={}) as state:
        yield from _Search(run, state).events()


class _Search:
    def __init__(self, run: Run[SearchConfig], state: SearchState) -> None:
        self.run = run
        self.config = run.config
        self.folder = run.folder.path
        self.state = state

    def events(self) -> Iterator[Event]:
        """Every step and epoch that is left, and the result."""
        config, state = self.config, self.state
        parameters = sum(w.numel() for w in state.bilevel.w)
        threads = state.foundation.threads
        threads = replace(threads, why=self.run.why(threads.why))
        yield RunStarted(
            self.folder,
            state.foundation.read(state.loaders.train),
            f"{config.search_space} search on {config.dataset} "
            f"({'x'.join(map(str, state.bilevel.supernet.macro.image_shape))}): supernet of "
            f"{counted(config.layers, 'layer')}, {counted(config.init_channels, 'channel')}, {parameters:,} weights; "
            f"{counted(state.steps, 'step')} an epoch, {counted(config.epochs, 'epoch')} on {state.foundation.device} "
            f"with {threads}, {state.engine.name} engine ({self.run.why(state.engine.why)}){self.run.in_each}",
        )
        said = [*state.foundation.notes(state.loaders.train), *notes(config), state.engine.note]
        if config.method.selection.trains:
            said.append(state.rates.note)
        yield from (Note(text) for text in said if text)
        yield from self.run.notes()
        with self.run.saved_when_stopped(state):
            if not config.method.selection.trains:
                scores = yield from select(self.run, state)
                self._write_only_row(scores)
            else:
                yield from self.run.epochs(state, self._steps, self._measured, self._stops)
                yield from self._rewound()
                scores = yield from select(self.run, state)
                self._write_selection_seconds()
        genotype = self._retained(scores)
        yield from _said_of(genotype)
        pictures = self.run.draw(genotype, state.history, report.draw_curves)
        yield from self.run.ended(str(genotype))
        yield SearchDone(self.folder, genotype, pictures)

    def _steps(self, progress: Progress) -> Iterator[Taken]:
        config, state = self.config, self.state
        begin = progress.epoch, state.position.step
        here = self._within(progress)
        if begin > (0, 0) and (here.epoch, state.position.step) == (0, 0):
            state.restart(config.seed, progress.epoch // state.restart_epochs)
        weight_lr = cosine(state.rates.weights, config.w_lr_min, here)
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

    def _stops(self, history: list[Row]) -> bool:
        stop = self.config.method.stop
        return stop is not None and stop.reached([float(row["hessian_eigenvalue"] or 0) for row in history])

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
        is_last = progress.epoch + 1 == progress.epochs or self._stops([*self.state.history, eigenvalue])
        is_due = is_last or (progress.epoch + 1) % self.config.validation_every == 0
        validation = (yield from self._validation_columns(progress)) if is_due else {}
        genotype = derive(self.config.space, self.state.scores())
        measured: Row = {
            "epoch": progress.epoch,
            **self._epoch_columns(here),
            **validation,
            **self._choice_columns(here),
            **_shares(genotype),
            "seconds": self.state.position.seconds,
            "images_per_second": self.state.images_per_second,
            **self.state.position.shares(),
            "left_out_share": diagnostics.left_out_share(self.state.bilevel, here),
            "temperature_node": self._temperatures(here).node,
            **eigenvalue,
            # Known when the selection has ended.
            **({} if self.config.method.selection.reads_alphas else {"seconds_selection": None}),
        }
        self.state.snapshots.append(self.state.alphas_now())
        self._write_alphas()
        self._write_genotype(genotype)
        return {**dict.fromkeys(COLUMNS), **measured}

    def _validation_columns(self, progress: Progress) -> Generator[Event, None, Row]:
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
            "valid_loss": scores[own].loss,
            "valid_top1": scores[own].top1,
            "relaxed_top1": scores[Soft()].top1,
            "discrete_top1": scores[Hard()].top1,
            "discretization_gap": scores[Soft()].top1 - scores[Hard()].top1,
            "architecture_top1": scores[architecture].top1,
        }

    def _write_only_row(self, scores: Mixing) -> None:
        """The one row of a search that trains nothing: what can be said of its genotype."""
        genotype = derive(self.config.space, scores)
        measured: Row = {"epoch": 0, **_shares(genotype), "seconds": 0.0}
        self.state.history = [{name: measured.get(name) for name in COLUMNS}]
        self.run.folder.write_history(self.state.history)

    def _write_selection_seconds(self) -> None:
        state = self.state
        if not self.config.method.selection.reads_alphas:
            state.history[-1] = {**state.history[-1], "seconds_selection": state.selecting}
            self.run.folder.write_history(state.history)

    def _epoch_columns(self, progress: Progress) -> Row:
        config, position = self.config, self.state.position
        dal = config.method.discretization_loss
        return {
            "weight_lr": cosine(self.state.rates.weights, config.w_lr_min, progress),
            "temperature": self._temperatures(progress).edge,
            "dal_factor": dal.current_factor(progress) if dal else 0.0,
            "train_loss": position.mean_loss,
            "train_top1": position.top1,
        }

    def _temperatures(self, progress: Progress) -> Temperatures:
        return self.config.method.temperatures(progress, self.config.space.rule)

    def _choice_columns(self, progress: Progress) -> Row:
        config, state = self.config, self.state
        alphas = state.bilevel.alphas
        dal = config.method.discretization_loss
        target = (dal and dal.target) or default_target(alphas.candidates)
        distance = discretization_distance(alphas.weights().detach(), alphas.candidates, target)
        chosen = diagnostics.choices(alphas).cpu()
        return {
            "dal": distance.item(),
            "alpha_entropy": diagnostics.entropy(alphas),
            "changed_choices": int((chosen & ~state.choices_at_last_epoch(progress)).sum()),
        }

    def _eigenvalue_column(self, progress: Progress) -> Row:
        if not self.config.hessian_eigenvalue and self.config.method.stop is None:
            return {}
        batch = next(self.state.loaders.architecture.whole().epoch(progress.epoch))
        here = self._within(progress)
        return {"hessian_eigenvalue": diagnostics.hessian_eigenvalue(self.state.bilevel, batch, here)}

    def _retained(self, scores: Mixing) -> Genotype:
        try:
            genotype = derive(self.config.space, scores, self.config.method.retain)
        except InputError as error:
            raise RunError(f"{error.marked}; {self.folder / 'genotype.txt'} holds the top2 genotype") from None
        genotype = judged(genotype, self._verdict())
        self._write_genotype(genotype)
        return genotype

    def _verdict(self) -> Verdict:
        selection = self.config.method.selection
        return self.state.verdict() if selection.reads_alphas else Verdict(None, by=name_of(selection))

    def _write_genotype(self, genotype: Genotype) -> None:
        self.run.folder.write_text("genotype.json", genotype.to_json(space=self.config.search_space))
        self.run.folder.write_text("genotype.txt", f"{genotype}\n")

    def _write_alphas(self) -> None:
        state = self.state
        names = state.bilevel.alphas.names
        arrays = {
            name: np.stack([snapshot[number].numpy() for snapshot in state.snapshots])
            for number, name in enumerate(names)
        } | {f"initial_{name}": state.initial[number].numpy() for number, name in enumerate(names)}
        self.run.folder.write("alphas.npz", lambda path: np.savez(path, **arrays))  # type: ignore[arg-type]


def _said_of(genotype: Genotype) -> Iterator[Note]:
    return (Note(line) for line in (genotype.verdict.lines if genotype.verdict else ()))


def _shares(genotype: Genotype) -> Row:
    return {
        "skip_share": genotype.share("skip_connect"),
        "parameter_free_share": genotype.parameter_free_share(),
    }
