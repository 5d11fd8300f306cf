"""Everything that a training is made of, and all that its resumption needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dadarts.architecture.network import Network
from dadarts.architecture.norms import synchronise
from dadarts.config import TrainConfig
from dadarts.config.run import Computed
from dadarts.data import Loader, hold_out, load, stratified_part
from dadarts.distributed import ALONE, Processes
from dadarts.engines.choose import TrainingEngine, pick_training_engine
from dadarts.rundir.history import Row
from dadarts.runs import fitting, memory, setup
from dadarts.runs.checkpoint import State
from dadarts.runs.device import placed
from dadarts.runs.meter import Position
from dadarts.runs.optimizers import SGD
from dadarts.runs.setup import Foundation, Loading
from dadarts.seeds import seeded
from dadarts.training.averaging import Average
from dadarts.training.losses import CrossEntropy, balanced
from dadarts.training.recipe import Recipe, recipe

_MOST_EPOCHS = 10**6
"""No training has as many."""


@dataclass(frozen=True, eq=False)
class Judged:
    """The network that is measured and kept, and the form of its passes."""

    network: Network
    engine: TrainingEngine


@dataclass
class TrainState:
    """A training between two steps.

    Args:
        engine: the form of the network that takes the steps.
        loss: of a batch.
        epochs: how many it has in all, which who ends it by a clock may change.
        recipe: how it is trained.
        average: of its weights, where they are averaged.
        judged: what is measured and kept: the average, and where there is none the network.
        selection: batches of the held-out part that chooses the epoch that is kept, where there is one.
        history: one row an epoch.
        best: accuracy on the held-out part (balanced where the classes of the loss are) and the network's tensors, of
            the best epoch so far.
    """

    network: Network
    engine: TrainingEngine
    sgd: torch.optim.SGD
    train: Loader
    selection: Loader | None
    loss: CrossEntropy
    foundation: Foundation
    epochs: int
    recipe: Recipe
    average: Average | None
    judged: Judged
    position: Position = field(default_factory=Position)
    history: list[Row] = field(default_factory=list)
    best: tuple[float, dict[str, Tensor]] | None = None

    @property
    def computed(self) -> Computed:
        base = self.foundation
        return {"device": str(base.device), "threads": base.threads.count, "engine": self.engine.name}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The network's, as the optimizer has listed them: to find them in the network takes milliseconds."""
        return [parameter for group in self.sgd.param_groups for parameter in group["params"]]

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.train.steps()

    @property
    def settled(self) -> Mapping[str, float | str]:
        """The recipe, which a configuration may have left open."""
        return self.recipe.settled

    @property
    def images_per_second(self) -> float:
        """Mean of the epoch so far."""
        return self.position.seen / self.position.seconds

    def test(self) -> Loader:
        """Batches of the test set, which is read once, at the end."""
        pictures = self.foundation.data.test
        return self.foundation.loader(pictures, torch.arange(len(pictures)), "test", None)

    def keep_if_best(self, accuracy: float) -> None:
        """Remember the network where it is better on the held-out part than in every epoch before."""
        if self.best is None or accuracy > self.best[0]:
            tensors = self.judged.network.state_dict()
            self.best = accuracy, {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def to_checkpoint(self) -> State:
        """Tensors and plain values that `restore` takes back."""
        return {
            "network": self.network.state_dict(),
            "sgd": self.sgd.state_dict(),
            "position": asdict(self.position),
            "epochs": self.epochs,
            "history": self.history,
            "best": self.best,
            **({} if self.average is None else {"average": self.average.network.state_dict()}),
        }

    def restore(self, saved: State) -> None:
        """Take the state of a checkpoint of the same configuration.

        Raises:
            MisfitError: a part is not of this training; nothing has been taken.
        """
        own = self.network.state_dict()
        network = fitting.tensors_like("network", saved["network"], own)
        average = None if self.average is None else fitting.tensors_like("average", saved["average"], own)
        sgd = fitting.optimizer_like("sgd", saved["sgd"], self.sgd, ["momentum_buffer"])
        history = fitting.rows("history", saved["history"])
        epochs = fitting.number("epochs", saved.get("epochs", self.epochs), _MOST_EPOCHS, whole=True)
        found = fitting.position(saved["position"], epochs=epochs, steps=self.steps)
        if len(history) != found.epoch:
            raise fitting.MisfitError(f"history has {len(history)} rows after {found.epoch} epochs")
        best = saved["best"]
        if best is not None:
            if type(best) is not tuple or len(best) != 2:
                raise fitting.MisfitError("best is not an accuracy and tensors")
            best = fitting.number("best[0]", best[0], most=1), fitting.tensors_like("best[1]", best[1], own)
        if self.average is not None and average is not None:
            self.average.network.load_state_dict(average)
        self.network.load_state_dict(network)
        self.sgd.load_state_dict(sgd)
        self.position, self.history, self.best, self.epochs = found, history, best, epochs


def build(config: TrainConfig, processes: Processes = ALONE, loaded: Loading = load) -> TrainState:
    """Load the data and draw the network of a training, in every process the same.

    Args:
        loaded: gives the data asked for.

    Raises:
        InputError: the data, the device or the batch size cannot be used.
    """
    base = setup.lay(config, processes, loaded)
    pictures = round(config.dataset_portion * len(base.data.train))
    how = recipe(config, min(base.data.train.shape[1:]), pictures)
    # What was left open must agree with the rest as if it had been given.
    TrainConfig(**{**dict(config), **how.settled})
    train, selection = _loaders(config, base, how.cutout_length)
    space = config.genotype.space
    base.refuse_lone_picture(space, train)
    small = "-init_channels or -layers"
    copies = 4 if how.ema else 3
    memory.refuse_too_large(
        partial(Network, config.genotype), base.macro, space.nodes, copies=copies, flags=small, device=base.device
    )
    with seeded(config.seed, "weights"):
        network = placed(Network(config.genotype, base.macro, how.aux_weight > 0), base.device)
    weights = None
    if config.class_weights == "balanced":
        weights = balanced(train.labels, len(base.data.classes), train.weights).to(base.device)
    loss = CrossEntropy(weights, how.label_smoothing)
    average = Average(network, how.ema * config.epochs * train.steps()) if how.ema else None
    taking, *others = (
        _judged(config, each, base, processes) for each in (network, *([average.network] if average else []))
    )
    sgd = _optimizer(network, config, how)
    return TrainState(
        network, taking.engine, sgd, train, selection, loss, base, config.epochs, how, average, [taking, *others][-1]
    )


def _judged(config: TrainConfig, network: Network, base: Foundation, processes: Processes) -> Judged:
    engine = pick_training_engine(config.engine, network, base.device, processes, config.precision)
    synchronise(network, processes)
    return Judged(network, engine)


def _optimizer(network: Network, config: TrainConfig, how: Recipe) -> SGD:
    parameters = list(network.parameters())
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if how.decayed == "kernels":
        # Norms and biases are what has no more than one axis (arXiv 1812.01187, section 3.1).
        kernels, others = ([p for p in parameters if (p.ndim > 1) is is_kernel] for is_kernel in (True, False))
        groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
    return SGD(
        groups,
        lr=how.lr,
        momentum=config.momentum,
        weight_decay=how.weight_decay,
        nesterov=how.nesterov,
        foreach=True,
    )


def _loaders(config: TrainConfig, base: Foundation, cutout: int) -> tuple[Loader, Loader | None]:
    pictures = base.data.train
    index = stratified_part(pictures.labels, config.dataset_portion, config.seed)
    selection = None
    if config.valid_fraction:
        kept, held = hold_out(pictures.labels[index], config.valid_fraction, config.seed)
        index, held_index = index[kept], index[held]
        selection = base.loader(pictures, held_index, "validation", None)
    return base.loader(pictures, index, "train", base.augmentation(cutout)), selection
