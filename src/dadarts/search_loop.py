"""The search, in order: the paper's algorithm 1 around the bilevel step."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import numpy as np

from dadarts import atomic, checkpoint, compute, diagnostics, report, search_state
from dadarts.config import SearchConfig
from dadarts.errors import InputError, RunError
from dadarts.events import EpochDone, Event, Note, RunStarted, SearchDone, StepDone, ValidationStep
from dadarts.genotype import Genotype, derive
from dadarts.journal import Journal
from dadarts.penalties import DiscretizationLoss, default_target, discretization_distance
from dadarts.relax import AnyRelaxation, Hard, Soft, TopK
from dadarts.runfolder import RunFolder
from dadarts.schedules import Progress, cosine
from dadarts.search_state import SearchState

Scores = Mapping[AnyRelaxation, diagnostics.Score]
Columns = dict[str, float | int | None]


def search(config: SearchConfig, *, resume: bool = False, overwrite: bool = False) -> Iterator[Event]:
    """Search, leave everything in ``runs/search/NAME``, and yield what happens.

    Not iterating further stops the search; its state is saved when the iterator is closed, and a search with
    `resume` continues from there, bit for bit.

    >>> for event in search(SearchConfig(name="first", dataset="digits")):  # doctest: +SKIP
    ...     print(event)

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: the run cannot go on (a loss that is not finite, a full disk); the last checkpoint is kept.
    """
    folder = RunFolder(config.runs_dir / "search" / config.name)
    folder.check(resume, overwrite)
    if resume:
        folder.refuse_other_settings(config)
        finished = folder.result()
        if finished is not None:
            yield SearchDone(folder.path, Genotype.parse(finished), _pictures(config, folder))
            return
    state = search_state.build(folder.as_computed(config) if resume else config)
    with folder.claimed(resume, overwrite):
        run = _Run(config, folder, state)
        if resume:
            run.restore()
        else:
            run.begin()
        yield from run.events()


class _Run:
    def __init__(self, config: SearchConfig, folder: RunFolder, state: SearchState) -> None:
        self.config = config
        self.folder = folder
        self.state = state
        self.saved_at = time.monotonic()

    def begin(self) -> None:
        """Write the first checkpoint and, last, the configuration that makes the folder a run."""
        self.save()
        self.folder.write_config(self.config.to_json(), compute.versions(self.state.device, self.state.threads))

    def restore(self) -> None:
        """Go on from the last checkpoint.

        Raises:
            InputError: it is of another configuration or computed otherwise, or it is damaged.
        """
        settings, saved = checkpoint.load(self.folder.checkpoint, "search")
        self.folder.refuse_differences(self.config.differences(settings))
        self.folder.refuse_other_compute(str(self.state.device), self.state.threads)
        try:
            self.state.restore(saved)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.folder.checkpoint} does not fit this search ({type(error).__name__})") from None

    def save(self) -> None:
        checkpoint.save(self.folder.checkpoint, "search", self.config.to_json(), self.state.to_checkpoint())
        self.saved_at = time.monotonic()

    def _save_if_due(self) -> None:
        if time.monotonic() - self.saved_at > 60 * self.config.checkpoint_minutes:
            self.save()

    def events(self) -> Iterator[Event]:
        """Every step and epoch that is left, and the result."""
        config, state = self.config, self.state
        parameters = sum(w.numel() for w in state.bilevel.w)
        yield RunStarted(
            self.folder.path,
            f"{config.search_space} search on {config.dataset}: supernet of {config.layers} layers, "
            f"{config.init_channels} channels, {parameters:,} weights; {state.loaders.steps} steps an epoch, "
            f"{config.epochs} epochs on {state.device} with {state.threads} threads",
        )
        yield from (Note(text) for text in _notes(config))
        try:
            with Journal(self.folder.path, state.position.epoch) as journal:
                while state.position.epoch < config.epochs:
                    progress = Progress(state.position.epoch, config.epochs)
                    yield from self._steps(progress)
                    row = yield from self._measured(progress)
                    self._close_epoch(row)
                    journal.epoch(row)
                    yield EpochDone(progress.epoch, config.epochs, row)
        except GeneratorExit:
            self.save()
            raise
        genotype = self._retained()
        for path in _pictures(config, self.folder):
            self._draw(path, genotype)
        self.folder.write_result(str(genotype))
        yield SearchDone(self.folder.path, genotype, _pictures(config, self.folder))

    def _steps(self, progress: Progress) -> Iterator[Event]:
        state, config = self.state, self.config
        position, steps = state.position, state.loaders.steps
        weight_lr = cosine(config.w_lr, config.w_lr_min, progress)
        two_level = config.method.order != "single-level"
        architecture = state.loaders.architecture.epoch(progress.epoch, position.step)
        train = state.loaders.train.epoch(progress.epoch, position.step)
        while position.step < steps:
            began = time.monotonic()
            batch = next(train)
            losses = state.optimizers.step(batch, next(architecture) if two_level else None, progress, weight_lr)
            loss = losses.train_loss.item()
            if not math.isfinite(loss):
                raise RunError(
                    f"the loss is {loss} in epoch {progress.epoch}, batch {position.step}; lower -w_lr or -alpha_lr. "
                    f"The last good checkpoint is {self.folder.checkpoint}"
                )
            position.add(loss, int(losses.train_correct), len(batch.labels))
            position.seconds += time.monotonic() - began
            self._save_if_due()
            yield StepDone(
                progress.epoch,
                config.epochs,
                position.step,
                steps,
                position.mean_loss,
                position.top1,
                (1 + two_level) * position.seen / position.seconds,
            )

    def _measured(self, progress: Progress) -> Generator[Event, None, Columns]:
        method, state = self.config.method, self.state
        own = diagnostics.effective(method.weights.relax, progress)
        architecture = diagnostics.effective(method.alphas.relax, progress)
        relaxations: frozenset[AnyRelaxation] = frozenset({own, architecture, Soft(), Hard()})
        scores: Scores = {}
        validation = state.loaders.validation
        for step, done in enumerate(diagnostics.evaluate(state.bilevel, validation, relaxations, progress), 1):
            if done is None:
                self._save_if_due()
                yield ValidationStep(progress.epoch, progress.epochs, step, validation.steps())
            else:
                scores = done
        row = {
            **self._epoch_columns(progress),
            "valid_loss": scores[own].loss,
            "valid_top1": scores[own].top1,
            "relaxed_top1": scores[Soft()].top1,
            "discrete_top1": scores[Hard()].top1,
            "discretization_gap": scores[Soft()].top1 - scores[Hard()].top1,
            **self._choice_columns(),
            **self._time_columns(),
            "architecture_top1": scores[architecture].top1,
        }
        if self.config.hessian_eigenvalue:
            batch = next(state.loaders.architecture.epoch(progress.epoch))
            row["hessian_eigenvalue"] = diagnostics.hessian_eigenvalue(state.bilevel, batch, progress)
        return row

    def _epoch_columns(self, progress: Progress) -> Columns:
        config, position = self.config, self.state.position
        dal = _discretization_loss(config)
        return {
            "epoch": progress.epoch,
            "weight_lr": cosine(config.w_lr, config.w_lr_min, progress),
            "temperature": _temperature(config, progress),
            "dal_factor": dal.current_factor(progress) if dal else 0.0,
            "train_loss": position.mean_loss,
            "train_top1": position.top1,
        }

    def _choice_columns(self) -> Columns:
        config, state = self.config, self.state
        alphas = state.bilevel.alphas
        dal = _discretization_loss(config)
        target = (dal and dal.target) or default_target(alphas.candidates)
        distance = discretization_distance(alphas.weights().detach(), alphas.candidates, target)
        chosen = diagnostics.choices(alphas).cpu()
        genotype = derive(config.space, alphas.split(alphas.weights().detach()))
        return {
            "dal": distance.item(),
            "alpha_entropy": diagnostics.entropy(alphas),
            "changed_choices": int((chosen & ~state.choices_at_last_epoch()).sum()),
            "skip_share": genotype.share("skip_connect"),
            "parameter_free_share": genotype.parameter_free_share(),
        }

    def _time_columns(self) -> Columns:
        position = self.state.position
        pictures = position.seen * (1 if self.config.method.order == "single-level" else 2)
        return {"seconds": position.seconds, "images_per_second": pictures / position.seconds}

    def _close_epoch(self, row: Columns) -> None:
        state = self.state
        state.history.append(row)
        state.snapshots.append(state.alphas_now())
        state.position = state.position.next_epoch()
        self.folder.write_history(state.history)
        self._write_alphas()
        self._write_genotype(self._genotype("top2"))
        self.save()

    def _draw(self, path: Path, genotype: Genotype) -> None:
        path.parent.mkdir(exist_ok=True)
        if path.stem == "curves":
            report.draw_curves(self.state.history, path, self.config.name)
        else:
            report.draw_cell(genotype, path.stem, path, f"{self.config.name}: {path.stem} cell")

    def _genotype(self, retain: str) -> Genotype:
        alphas = self.state.bilevel.alphas
        return derive(self.config.space, alphas.split(alphas.weights().detach()), retain)

    def _retained(self) -> Genotype:
        try:
            genotype = self._genotype(self.config.method.retain)
        except InputError as error:
            raise RunError(f"{error}; {self.folder.path / 'genotype.txt'} holds the top2 genotype") from None
        self._write_genotype(genotype)
        return genotype

    def _write_genotype(self, genotype: Genotype) -> None:
        atomic.write_text(self.folder.path / "genotype.json", genotype.to_json(space=self.config.search_space))
        atomic.write_text(self.folder.path / "genotype.txt", f"{genotype}\n")

    def _write_alphas(self) -> None:
        state = self.state
        names = [f"{kind}_{node}" for kind in self.config.space.kinds for node in range(self.config.space.nodes)]
        arrays = {
            name: np.stack([snapshot[number].numpy() for snapshot in state.snapshots])
            for number, name in enumerate(names)
        } | {f"initial_{name}": state.initial[number].numpy() for number, name in enumerate(names)}
        atomic.write(self.folder.path / "alphas.npz", lambda path: np.savez(path, **arrays))  # type: ignore[arg-type]


def _pictures(config: SearchConfig, folder: RunFolder) -> tuple[Path, ...]:
    cells = [folder.path / "cells" / f"{kind}.svg" for kind in config.space.kinds]
    return (*cells, folder.path / "curves.svg")


def _discretization_loss(config: SearchConfig) -> DiscretizationLoss | None:
    penalties = (*config.method.alphas.penalties, *config.method.weights.penalties)
    return next((penalty for penalty in penalties if isinstance(penalty, DiscretizationLoss)), None)


def _temperature(config: SearchConfig, progress: Progress) -> float | None:
    method = config.method
    for relaxation in (method.alphas.relax, method.weights.relax, method.look_ahead):
        if isinstance(relaxation, TopK):
            return (relaxation.temperature_node if relaxation.edge == 0 else relaxation.temperature_edge)(progress)
    return None


def _notes(config: SearchConfig) -> Iterator[str]:
    method = config.method
    if method.order != "single-level" and method.weights.penalties:
        yield "-dal_on_weights acts only where alphas are trained in the weight step, as in single-level search"
    if method.retain != "top2":
        yield f"-genotype_to_retain {method.retain} is for reading: it is not the network of the hard pass"
    if method.alphas.relax == Soft() and isinstance(method.weights.relax, Soft):
        yield "plain DARTS: the genotype is rounded off a mixture that was never trained to be rounded"
