"""Experiment 0: does a small supernet rank the cells of NAS-Bench-201? ``python -m benchmarks.proxy.ranking --help``.

A supernet is trained on single paths, each drawn uniformly (the weights of `random-ws`), by a cosine over all its
steps; now and then 200 cells, drawn uniformly with seed 0, and 200 of the truly best 500 are measured by their hard
pass on the validation half, by accuracy and by loss. How these rank the cells is compared with how the benchmark's
CIFAR-10 validation accuracies do (Spearman, standard errors by the bootstrap over cells), and beside them how the
cells' sizes do. Every measurement is a row of a CSV file.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dadarts.architecture.genotype import derive, draw_scores
from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.methods.catalogue import METHODS
from dadarts.methods.missed import Harm
from dadarts.methods.schedules import Progress, cosine
from dadarts.oracle import NasBench201, nas_bench_201
from dadarts.oracle.controls import TOP, Array, spearman
from dadarts.runs.evaluation import Counted
from dadarts.runs.returning import Found, Returning
from dadarts.searching import paired
from dadarts.searching.state import SearchState, build
from dadarts.seeds import generator

CELLS = 200


@dataclass(frozen=True)
class Ranking:
    """How a supernet ranks cells after so many steps; the seconds are of training alone, on one thread.

    Each cell is measured on `measured` pictures. `spearman` is over all cells by accuracy, `spearman_upper` over those
    whose true accuracy is above their median, `_loss` by loss, `_top` among cells of the truly best 500; `_error` is a
    standard error. `reliability` is how well the first and the second half of the pictures agree on the cells
    (Pearson's correlation, stepped up to all pictures by Spearman and Brown): how much is not noise of pictures.
    `parameters` and `multiply_adds` rank by size alone.
    """

    method: str
    data: str
    channels: int
    cells_a_stage: int
    pictures: int
    batch: int
    lr: float
    lr_min: float
    seed: int
    epochs: int
    epoch: int
    steps: int
    seconds: float
    measured: int
    top1_mean: float
    spearman: float
    spearman_upper: float
    spearman_error: float
    spearman_loss: float
    spearman_loss_error: float
    spearman_top: float
    spearman_top_error: float
    spearman_top_loss: float
    spearman_top_loss_error: float
    reliability: float
    reliability_loss: float
    reliability_top: float
    reliability_top_loss: float
    parameters: float
    parameters_top: float
    multiply_adds: float
    multiply_adds_top: float


@dataclass(frozen=True)
class Ranked:
    """Cells of the benchmark by their numbers there, and how their accuracies are told from sizes alone."""

    table: NasBench201
    numbers: NDArray[np.int64]

    @property
    def truth(self) -> Array:
        accuracies: Array = self.table.accuracies("cifar10")[self.numbers]
        return accuracies

    def mixings(self, space: SearchSpace) -> dict[int, Mixing]:
        """The hard mixing weights of every cell."""
        (kind,) = space.kinds
        found = {}
        for cell, number in enumerate(self.numbers):
            names = iter([self.table.operations[choice] for choice in self.table.choices[number]])
            nodes = [[[float(name == wanted) for name in edge] for edge, wanted in zip(node, names, strict=False)]
                     for node in space.table(kind)]  # fmt: skip
            found[cell] = {kind: tuple(torch.tensor(node) for node in nodes)}
        return found


def drawn(space: SearchSpace, cells: int) -> tuple[Ranked, Ranked]:
    """So many uniformly drawn cells, and so many of the truly best 500."""
    table = nas_bench_201()
    uniform = [
        table.number(str(derive(space, draw_scores(space, generator("ranked-cells", one))))) for one in range(cells)
    ]
    best = np.argsort(-table.accuracies("cifar10"), kind="stable")[:TOP]
    chosen = torch.randperm(len(best), generator=generator("ranked-top"))[:cells].numpy()
    return Ranked(table, np.array(uniform)), Ranked(table, np.sort(best[chosen]))


def agreement(cells: Ranked, harms: Sequence[Harm]) -> dict[str, float]:
    """How cells are ranked by what pictures lose, (P, 2) loss and error for each of them: columns of `Ranking`."""
    table_CP2 = np.stack([harm.numpy() for harm in harms])
    half = table_CP2.shape[1] // 2
    found: dict[str, float] = {}
    for name, column in (("_loss", 0), ("", 1)):
        score_C = -table_CP2[:, :, column].mean(axis=1)
        ranked = spearman(score_C, cells.truth)
        halves = np.corrcoef(*(part.mean(axis=1) for part in np.split(table_CP2[:, :, column], [half], axis=1)))[0, 1]
        found |= {
            f"spearman{name}": ranked.value,
            f"spearman{name}_error": ranked.error,
            f"reliability{name}": float(2 * halves / (1 + halves)),
        }
    table = cells.table
    for name, sizes in (("parameters", table.parameters), ("multiply_adds", table.multiply_adds)):
        found[name] = spearman(sizes[cells.numbers].astype(float), cells.truth).value
    return found


def in_top(name: str) -> str:
    """A column of all cells, of those of the best 500.

    >>> in_top("spearman_loss_error"), in_top("parameters")
    ('spearman_top_loss_error', 'parameters_top')
    """
    first, *rest = name.split("_") if not name.startswith("multiply") else [name]
    return "_".join([first, "top", *rest])


def rankings(method: str, config: SearchConfig, measured: set[int], batches: int) -> Iterator[Ranking]:
    """Train the supernet of a configuration, and rank after each of the `measured` epochs (counted from 1)."""
    state = build(config)
    validation = state.loaders.validation.first(batches)
    uniform, best = drawn(config.space, CELLS)
    mixings = {("uniform", cell): mixing for cell, mixing in uniform.mixings(config.space).items()}
    mixings |= {("best", cell): mixing for cell, mixing in best.mixings(config.space).items()}
    seconds = 0.0
    for epoch in range(config.epochs):
        seconds += _trained(state, config, epoch)
        if epoch + 1 not in measured:
            continue
        harms = _ended(paired.harms(state.bilevel, validation, mixings))
        of_uniform, of_best = ([harms[whose, cell] for cell in range(CELLS)] for whose in ("uniform", "best"))
        top1 = 1 - np.array([float(harm[:, 1].mean()) for harm in of_uniform])
        upper = uniform.truth > np.median(uniform.truth)
        numbers = {
            **agreement(uniform, of_uniform),
            **{in_top(name): value for name, value in agreement(best, of_best).items()},
            "spearman_upper": spearman(top1[upper], uniform.truth[upper]).value,
        }
        yield Ranking(
            method=method,
            data=config.dataset,
            channels=config.init_channels,
            cells_a_stage=config.layers,
            pictures=len(state.loaders.train.index),
            batch=config.batch_size,
            lr=state.rates.weights,
            lr_min=config.w_lr_min,
            seed=config.seed,
            epochs=config.epochs,
            epoch=epoch + 1,
            steps=(epoch + 1) * state.steps,
            seconds=round(seconds, 1),
            measured=len(validation.index),
            top1_mean=round(float(top1.mean()), 4),
            **{name: round(value, 3) for name, value in numbers.items()},
        )


def _ended(counted: Counted[Found]) -> Found:
    returning = Returning(counted)
    for _ in returning:
        pass
    return returning.value


def _trained(state: SearchState, config: SearchConfig, epoch: int) -> float:
    began = time.monotonic()
    progress = Progress(epoch, config.epochs)
    learning_rate = cosine(state.rates.weights, config.w_lr_min, progress)
    for step, batch in enumerate(state.loaders.train.epoch(epoch)):
        state.optimizers.step(batch, None, progress.at_step(config.seed, step), learning_rate)
    return time.monotonic() - began


def main() -> None:
    """Append the rankings of one supernet to a CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--method", default="random-ws", help="whose weight steps train it; alphas stay as drawn")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=1, help="cells a stage")
    parser.add_argument("--portion", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.025)
    parser.add_argument("--lr-min", type=float, default=0.001)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--at", default="", help="epochs after which cells are ranked, besides the last: 1,2,4")
    parser.add_argument("--pictures", type=int, default=2048, help="of the validation half, for each cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    config = SearchConfig(
        name="ranking",
        dataset=given.dataset,
        search_space="nas-bench-201",
        init_channels=given.channels,
        layers=given.cells,
        dataset_portion=given.portion,
        batch_size=given.batch,
        w_lr=given.lr,
        w_lr_min=given.lr_min,
        epochs=given.epochs,
        seed=given.seed,
        threads=1,
        method=replace(METHODS[given.method](), order="none"),
    )
    measured = {int(word) for word in given.at.split(",") if word} | {given.epochs}
    for ranking in rankings(given.method, config, measured, max(1, given.pictures // given.batch)):
        print(ranking, flush=True)
        begun = given.out.exists()
        if begun and given.out.read_text().split("\n", 1)[0].split(",") != list(vars(ranking)):
            raise SystemExit(f"{given.out} has other columns; give another --out")
        with given.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(vars(ranking)))
            if not begun:
                writer.writeheader()
            writer.writerow(vars(ranking))


if __name__ == "__main__":
    main()
