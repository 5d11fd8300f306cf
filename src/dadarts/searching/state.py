"""Everything that a search is made of, and all that its resumption needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dadarts.architecture.norms import synchronise
from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Mixing, Supernet
from dadarts.architecture.verdict import Verdict
from dadarts.config import SearchConfig
from dadarts.config.run import Computed
from dadarts.data import load
from dadarts.distributed import ALONE, Processes
from dadarts.engines.choose import Engine, pick_engine
from dadarts.methods.alphas import Alphas
from dadarts.methods.method import Method
from dadarts.methods.schedules import Progress
from dadarts.rundir.history import Row
from dadarts.runs import fitting, memory, setup
from dadarts.runs.checkpoint import State
from dadarts.runs.device import placed
from dadarts.runs.meter import Position
from dadarts.runs.setup import Foundation, Loading
from dadarts.searching import diagnostics, fork_jobs, halves, limits
from dadarts.searching.bilevel import Bilevel
from dadarts.searching.halves import Loaders
from dadarts.searching.judging import of_alphas
from dadarts.searching.operation_pictures import OperationPictures
from dadarts.searching.races import Races
from dadarts.searching.rates import Rates, rates
from dadarts.searching.step import Optimizers
from dadarts.seeds import generator, seeded


@dataclass
class SearchState:
    """A search between two steps.

    Args:
        initial: alpha of every node before the first step; of the last restart, where there are several.
        foundation: the data, and where to compute on it.
        rates: learning rates, as given or as the number of steps has them.
        restart_epochs: E / R, epochs of each restart.
        snapshots: alpha of every node after each epoch.
        history: one row an epoch.
        mixing: (N, E, O), what a selection that goes on over epochs has made of the mixing weights.
        decided: how many decisions it has made.
        settled_places: bool (N, E + 1), on which edges of each node it has decided, and last whether on which of them
            the node keeps.
        measured: (loss, accuracy) of all that a selection has evaluated since its last decision.
        races: what a selection that forks the weights has concluded and measured.
        selecting: seconds that a selection has taken so far.
    """

    bilevel: Bilevel
    optimizers: Optimizers
    loaders: Loaders
    foundation: Foundation
    engine: Engine
    rates: Rates
    restart_epochs: int
    initial: list[Tensor]
    position: Position = field(default_factory=Position)
    snapshots: list[list[Tensor]] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    mixing: Tensor | None = None
    decided: int = 0
    settled_places: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    measured: list[tuple[float, float]] = field(default_factory=list)
    races: Races = field(default_factory=Races)
    selecting: float = 0.0

    @property
    def computed(self) -> Computed:
        base = self.foundation
        return {"device": str(base.device), "threads": base.threads.count, "engine": self.engine.name}

    @property
    def space(self) -> SearchSpace:
        """The space with its limits, which follow from the data."""
        return self.bilevel.supernet.space

    @property
    def steps(self) -> int:
        """Batch pairs in an epoch."""
        return self.loaders.steps

    @property
    def settled(self) -> Mapping[str, float | str]:
        """The learning rates, which a configuration may have left open."""
        return {"w_lr": self.rates.weights, "alpha_lr": self.rates.alphas}

    @property
    def images_per_second(self) -> float:
        """Mean of the epoch so far; a step of a two-level search sees a batch of each half."""
        batches = 1 if self.bilevel.method.order in ("single-level", "none") else 2
        return batches * self.position.seen / self.position.seconds

    def alphas_now(self) -> list[Tensor]:
        """A copy of alpha, node by node."""
        return [alpha.detach().cpu().clone() for alpha in self.bilevel.alpha]

    def rewind(self, epoch: int) -> None:
        """Put alpha back to what it was after an epoch."""
        self.bilevel.alphas.assign(self.snapshots[epoch])

    def restart(self, seed: int, number: int) -> None:
        """Begin the restart of this number, from 1, with other draws of w and alpha; the snapshots alone are kept."""
        supernet, own = self.bilevel.supernet, self.bilevel.alphas
        # Drawn on the CPU, as the first was: the same numbers on every device and in every process.
        with seeded(seed, "weights", number):
            fresh = Supernet(supernet.space, supernet.macro, supernet.recomputes_cells, supernet.channel_fraction)
        supernet.load_state_dict(fresh.state_dict())
        drawn = _alphas(supernet.space, generator(seed, "alphas", number), self.bilevel.method)
        own.load_state_dict(drawn.state_dict())
        own.prices.zero_()
        self.optimizers.sgd.state.clear()
        self.optimizers.adam.state.clear()
        self.initial = self.alphas_now()

    def scores(self) -> Mixing:
        """What the genotype is read off."""
        return self.bilevel.alphas.split(self.mean_weights())

    def mean_weights(self) -> Tensor:
        """The mean of W over all restarts, of the last as it stands now: (N, E, O)."""
        ended = self.snapshots[self.restart_epochs - 1 :: self.restart_epochs][: self.bilevel.method.restarts - 1]
        ends = [self._alphas_of(values).weights() for values in ended]
        last = self.bilevel.alphas.weights().detach()
        return torch.stack([*(W.to(last) for W in ends), last]).mean(dim=0)

    def verdict(self) -> Verdict:
        """What is to be said of choices that are read off alphas."""
        begun = self.snapshots[-self.restart_epochs :]
        return of_alphas(
            self.mean_weights().cpu(),
            self._alphas_of(self.initial).weights(),
            self._alphas_of(self.alphas_now()).candidates,
            self.history[-self.restart_epochs :],
            trained=self.bilevel.method.order != "none",
            epoch_NEO=self._alphas_of(begun[0]).weights() if len(begun) > 1 else None,
        )

    def choices_at_last_epoch(self, progress: Progress) -> Tensor:
        """D(W) as the epoch before this one left it, or the draw that the search began with; bool (N, E, O)."""
        return self._choices_of(self.snapshots[-1] if progress.epoch else self.initial)

    def _choices_of(self, values: list[Tensor]) -> Tensor:
        return diagnostics.choices(self._alphas_of(values))

    def _alphas_of(self, values: list[Tensor]) -> Alphas:
        then = _alphas(self.bilevel.supernet.space, generator(0), self.bilevel.method)
        then.assign(values)
        return then.requires_grad_(False)

    def to_checkpoint(self) -> State:
        """Tensors and plain values that `restore` takes back."""
        return {
            "weights": self.bilevel.supernet.state_dict(),
            "alphas": self.bilevel.alphas.state_dict(),
            "sgd": self.optimizers.sgd.state_dict(),
            "adam": self.optimizers.adam.state_dict(),
            "initial": self.initial,
            "snapshots": self.snapshots,
            "history": self.history,
            "mixing": self.mixing,
            "decided": self.decided,
            "settled_places": self.settled_places,
            "measured": self.measured,
            "races": self.races.to_checkpoint(),
            "limits": limits.to_checkpoint(self.bilevel.alphas),
            "selecting": self.selecting,
            "work": self.bilevel.work.to_checkpoint(),
            "position": asdict(self.position),
        }

    def restore(self, saved: State) -> None:
        """Take the state of a checkpoint of the same configuration.

        Raises:
            MisfitError: a part is not of this search; nothing has been taken.
        """
        supernet, alphas, now = self.bilevel.supernet, self.bilevel.alphas, self.alphas_now()
        weights = fitting.tensors_like("weights", saved["weights"], supernet.state_dict())
        own = fitting.tensors_like("alphas", saved["alphas"], alphas.state_dict())
        sgd = fitting.optimizer_like("sgd", saved["sgd"], self.optimizers.sgd, ["momentum_buffer"])
        adam = fitting.optimizer_like("adam", saved["adam"], self.optimizers.adam, ["exp_avg", "exp_avg_sq"])
        initial = fitting.list_like("initial", saved["initial"], now)
        snapshots = [
            fitting.list_like(f"snapshots[{epoch}]", one, now)
            for epoch, one in enumerate(fitting.part("snapshots", saved["snapshots"], list))
        ]
        decided = fitting.number("decided", saved["decided"], most=self._most_decisions, whole=True)
        # A selection that began before the order could follow from what is measured needs no places.
        places = fitting.tensor_like(
            "settled_places", saved.get("settled_places", self.settled_places), self.settled_places
        )
        mixing = saved["mixing"]
        if mixing is not None:
            mixing = fitting.tensor_like("mixing", mixing, alphas.stacked())
        measured = fitting.scores("measured", saved["measured"])
        # A search that began before there were races has none.
        races = Races.read(saved["races"]) if "races" in saved else Races()
        selecting = fitting.number("selecting", saved["selecting"])
        # One that began before there was a count has none.
        counted = OperationPictures.read(saved.get("work"), self.restart_epochs * self.bilevel.method.restarts)
        kept_to = limits.read(saved.get("limits"), self.bilevel.alphas)
        history = fitting.rows("history", saved["history"])
        position = self._position(saved["position"], history)
        if len(history) != len(snapshots) and self.bilevel.method.selection.trains:
            raise fitting.MisfitError(f"history has {len(history)} rows, and there are {len(snapshots)} snapshots")
        supernet.load_state_dict(weights)
        alphas.load_state_dict(own)
        self.optimizers.sgd.load_state_dict(sgd)
        self.optimizers.adam.load_state_dict(adam)
        self.initial, self.snapshots, self.history, self.position = initial, snapshots, history, position
        self.mixing, self.decided, self.measured, self.selecting = mixing, decided, measured, selecting
        self.settled_places, self.races = places.clone(), races
        self.bilevel.work.restore(counted)
        limits.restore(kept_to, self.bilevel)

    @property
    def epochs(self) -> int:
        return self.restart_epochs * self.bilevel.method.restarts

    @property
    def _most_decisions(self) -> int:
        """At most so many decisions a selection takes: an edge or the edges of a node each."""
        nodes, edges, _ = self.bilevel.alphas.stacked().shape
        return nodes * (edges + 1)

    def _position(self, saved: Any, history: list[Row]) -> Position:
        selection, searched = self.bilevel.method.selection, self.epochs
        tuned = selection.tuning_epochs * self._most_decisions
        found = fitting.position(saved, epochs=searched + tuned, steps=self.steps)
        # What stops early or tunes a selection has epochs without a row, and what trains nothing a row without epochs.
        is_plain = not tuned and selection.trains
        if len(history) > searched or (is_plain and len(history) != found.epoch):
            raise fitting.MisfitError(f"history has {len(history)} rows after {found.epoch} epochs")
        return found


def build(config: SearchConfig, processes: Processes = ALONE, loaded: Loading = load) -> SearchState:
    """Load the data and draw the supernet and alphas of a search, in every process the same.

    Args:
        loaded: gives the data asked for.

    Raises:
        InputError: the data, the device or the batch size cannot be used.
    """
    base = setup.lay(config, processes, loaded)
    fork_jobs.refuse(config, base)
    loaders = halves.loaders(config, base)
    base.refuse_lone_picture(config.space, loaders.validation)
    memory.refuse_too_large(
        partial(Supernet, config.space, channel_fraction=config.method.channel_fraction),
        base.macro,
        config.nodes,
        # w, its gradient and momentum; w', the copy that the finite difference restores, and its direction.
        copies=6,
        flags="-init_channels, -layers or -nodes",
        device=base.device,
    )
    space = limits.limited(config, base)
    with seeded(config.seed, "weights"):
        supernet = placed(
            Supernet(space, base.macro, config.checkpoint_activations, config.method.channel_fraction),
            base.device,
        )
    alphas = _alphas(space, generator(config.seed, "alphas"), config.method).to_device(base.device)
    engine = pick_engine(config.engine, supernet, base.device, config.precision, processes)
    synchronise(supernet, processes)
    tolerance = config.sparse_tolerance if engine.sparse else 0.0
    work = OperationPictures(supernet, processes.count)
    bilevel = Bilevel(
        supernet, alphas, config.method, engine.forward, tolerance, engine.exact, processes.averaged, work
    )
    chosen = rates(config, loaders.steps)
    optimizers = Optimizers(
        bilevel, momentum=config.w_momentum, weight_decay=config.w_weight_decay, nesterov=config.nesterov,
        grad_clip=config.w_grad_clip, alpha_lr=chosen.alphas, alpha_weight_decay=config.alpha_weight_decay,
    )  # fmt: skip
    restart_epochs = config.epochs // config.method.restarts
    state = SearchState(bilevel, optimizers, loaders, base, engine, chosen, restart_epochs, initial=[])
    state.initial = state.alphas_now()
    nodes, edges, _ = alphas.stacked().shape
    state.settled_places = torch.zeros((nodes, edges + 1), dtype=torch.bool)
    return state


def _alphas(space: SearchSpace, draw: torch.Generator, method: Method) -> Alphas:
    return Alphas(space, draw, method.sparsity, method.activation)
