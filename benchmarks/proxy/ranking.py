"""Experiment 0: does a small supernet rank the cells of NAS-Bench-201? ``python -m benchmarks.proxy.ranking --help``.

A supernet is trained on single paths, each drawn uniformly (the weights of `random-ws`), by a cosine over all its
steps; now and then 200 cells, drawn uniformly with seed 0, are measured by their hard pass on the validation half. How
their accuracies rank the cells is compared with how the benchmark's CIFAR-10 validation accuracies do (Spearman).
Every measurement is a row of a CSV file.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from scipy.stats import spearmanr

from dadarts import oracle
from dadarts.architecture.genotype import derive, draw_scores
from dadarts.config import SearchConfig
from dadarts.methods.catalogue import METHODS
from dadarts.methods.schedules import Progress, cosine
from dadarts.runs import evaluation
from dadarts.searching import diagnostics
from dadarts.searching.state import SearchState, build
from dadarts.seeds import generator

CELLS = 200


@dataclass(frozen=True)
class Ranking:
    """How a supernet ranks cells after so many steps; the seconds are of training alone, on one thread.

    Each cell is measured on `measured` pictures. `spearman` is over all cells, `spearman_upper` over those whose true
    accuracy is above their median.
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


def rankings(method: str, config: SearchConfig, measured: set[int], batches: int) -> Iterator[Ranking]:
    """Train the supernet of a configuration, and rank after each of the `measured` epochs (counted from 1)."""
    state = build(config)
    validation = state.loaders.validation.first(batches)
    cells = {number: draw_scores(config.space, generator("ranked-cells", number)) for number in range(CELLS)}
    table = oracle.nas_bench_201()
    truth = torch.tensor(
        [table.query(derive(config.space, scores)).scores["cifar10"].accuracy for scores in cells.values()]
    )
    upper = truth > truth.median()
    seconds = 0.0
    for epoch in range(config.epochs):
        seconds += _trained(state, config, epoch)
        if epoch + 1 not in measured:
            continue
        scores = evaluation.scores_of(diagnostics.evaluate_mixings(state.bilevel, validation, cells))
        top1 = torch.tensor([score.top1 for score in scores.values()], dtype=torch.float64)
        yield Ranking(
            method,
            config.dataset,
            config.init_channels,
            config.layers,
            len(state.loaders.train.index),
            config.batch_size,
            state.rates.weights,
            config.w_lr_min,
            config.seed,
            config.epochs,
            epoch + 1,
            (epoch + 1) * state.steps,
            round(seconds, 1),
            len(validation.index),
            round(float(top1.mean()), 4),
            round(float(spearmanr(top1, truth).statistic), 3),
            round(float(spearmanr(top1[upper], truth[upper]).statistic), 3),
        )


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
        with given.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(vars(ranking)))
            if not begun:
                writer.writeheader()
            writer.writerow(vars(ranking))


if __name__ == "__main__":
    main()
