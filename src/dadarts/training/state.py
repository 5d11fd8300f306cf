"""Everything that a training is made of, and all that its resumption needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from dadarts.architecture.network import Network
from dadarts.architecture.norms import synchronise
from dadarts.config import TrainConfig
from dadarts.config.run import AUTO, Computed
from dadarts.data import Loader, hold_out, stratified_part
from dadarts.distributed import ALONE, Processes
from dadarts.engines.choose import TrainingEngine, pick_training_engine
from dadarts.rundir.history import Row
from dadarts.runs import fitting, memory, setup
from dadarts.runs.checkpoint import State
from dadarts.runs.device import placed
from dadarts.runs.meter import Position
from dadarts.runs.optimizers import SGD
from dadarts.runs.setup import Foundation
from dadarts.seeds import seeded
from dadarts.training.losses import CrossEntropy, balanced

CUSTOMARY_CUTOUT = 16


@dataclass
class TrainState:
    """A training between two steps.

    Args:
        engine: the form of the network that takes the steps.
        loss: of a batch.
        epochs: how many it has in all.
        cutout: side of the square that is blanked in training pictures, in pixels.
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
    cutout: int
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
        found: list[nn.Parameter] = self.sgd.param_groups[0]["params"]
        return found

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.train.steps()

    @property
    def settled(self) -> Mapping[str, float]:
        """The side of the square that cutout blanks, which a configuration may have left open."""
        return {"cutout_length": self.cutout}

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
            self.best = accuracy, {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def to_checkpoint(self) -> State:
        """Tensors and plain values that `restore` takes back."""
        return {
            "network": self.network.state_dict(),
            "sgd": self.sgd.state_dict(),
            "position": asdict(self.position),
            "history": self.history,
            "best": self.best,
        }

    def restore(self, saved: State) -> None:
        """Take the state of a checkpoint of the same configuration.

        Raises:
            MisfitError: a part is not of this training; nothing has been taken.
        """
        own = self.network.state_dict()
        network = fitting.tensors_like("network", saved["network"], own)
        sgd = fitting.optimizer_like("sgd", saved["sgd"], self.sgd, ["momentum_buffer"])
        history = fitting.rows("history", saved["history"])
        found = fitting.position(saved["position"], epochs=self.epochs, steps=self.steps)
        if len(history) != found.epoch:
            raise fitting.MisfitError(f"history has {len(history)} rows after {found.epoch} epochs")
        best = saved["best"]
        if best is not None:
            if type(best) is not tuple or len(best) != 2:
                raise fitting.MisfitError("best is not an accuracy and tensors")
            best = fitting.number("best[0]", best[0], most=1), fitting.tensors_like("best[1]", best[1], own)
        self.network.load_state_dict(network)
        self.sgd.load_state_dict(sgd)
        self.position, self.history, self.best = found, history, best


def build(config: TrainConfig, processes: Processes = ALONE) -> TrainState:
    """Load the data and draw the network of a training, in every process the same.

    Raises:
        InputError: the data, the device or the batch size cannot be used.
    """
    base = setup.lay(config, processes)
    cutout = _cutout(config, base)
    train, selection = _loaders(config, base, cutout)
    space = config.genotype.space
    base.refuse_lone_picture(space, train)
    small = "-init_channels or -layers"
    memory.refuse_too_large(
        partial(Network, config.genotype), base.macro, space.nodes, copies=3, flags=small, device=base.device
    )
    with seeded(config.seed, "weights"):
        network = placed(Network(config.genotype, base.macro, config.has_auxiliary_head), base.device)
    engine = pick_training_engine(config.engine, network, base.device, processes)
    synchronise(network, processes)
    sgd = SGD(
        network.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, foreach=True
    )
    weights = None
    if config.class_weights == "balanced":
        weights = balanced(train.labels, len(base.data.classes)).to(base.device)
    return TrainState(network, engine, sgd, train, selection, CrossEntropy(weights), base, config.epochs, cutout)


def _cutout(config: TrainConfig, base: Foundation) -> int:
    if config.cutout_length == AUTO:
        # 16 is for pictures of 32 pixels (arXiv 1708.04552): of smaller ones it would blank most.
        return min(CUSTOMARY_CUTOUT, min(base.data.train.shape[1:]) // 2)
    return config.cutout_length


def _loaders(config: TrainConfig, base: Foundation, cutout: int) -> tuple[Loader, Loader | None]:
    pictures = base.data.train
    index = stratified_part(pictures.labels, config.dataset_portion, config.seed)
    selection = None
    if config.valid_fraction:
        kept, held = hold_out(pictures.labels[index], config.valid_fraction, config.seed)
        index, held_index = index[kept], index[held]
        selection = base.loader(pictures, held_index, "validation", None)
    return base.loader(pictures, index, "train", base.augmentation(cutout)), selection
