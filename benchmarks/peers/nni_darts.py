"""The search of nni 3.0, in its environment: ``python -m benchmarks.peers.nni_darts BATCH STEPS THREADS``."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

import torch
import torch.nn.functional as F
from nni.nas import strategy
from nni.nas.evaluator.pytorch.lightning import DataLoader, Lightning, LightningModule, Trainer
from nni.nas.hub import pytorch as spaces
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks.peers.task import Task, Turns, counted


class Classification(LightningModule):
    """Cross entropy and SGD with the settings of DARTS (arXiv 1806.09055, section A.1.1), and nothing besides."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self.model(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)


class TakesTurns(Callback):
    """Times every step with the loading before it."""

    def __init__(self, turns: Turns, facts: dict[str, object]) -> None:
        self.turns = turns
        self.facts = facts

    def on_train_start(self, *_: Any) -> None:
        self.turns.begin(self.facts)

    def on_train_batch_end(self, *_: Any) -> None:
        self.turns.step_done()


def _loaders(task: Task) -> list[Any]:
    images, labels = task.pictures()
    normalised = (torch.from_numpy(images).float() / 255 - 0.5) / 0.29
    return [
        DataLoader(TensorDataset(normalised[half::2], torch.from_numpy(labels[half::2])), task.batch, shuffle=True)
        for half in (0, 1)
    ]


def _facts(supernet: nn.Module) -> dict[str, object]:
    # Cells of a kind share their alphas; parameters are told once.
    alphas = sum(p.numel() for name, p in supernet.named_parameters() if "_arch_alpha" in name)
    packages = {"nni": "nni", "torch": "torch", "pytorch-lightning": "pytorch_lightning"}
    return {
        **counted(supernet, alphas),
        "alphas": alphas,
        "versions": {name: version(package) for name, package in packages.items()},
    }


def main() -> None:
    """Take the steps of one epoch in turns."""
    task, turns = Task.parse(), Turns()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    darts = strategy.DARTS(gradient_clip_val=5.0)
    supernet = darts.mutate_model(spaces.DARTS(width=task.channels, num_cells=task.cells, dataset="cifar"))
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[TakesTurns(turns, _facts(supernet))],
    )  # fmt: skip
    evaluator = Lightning(Classification(), trainer, *_loaders(task))
    darts.mutate_evaluator(evaluator).evaluate(supernet)


if __name__ == "__main__":
    main()
