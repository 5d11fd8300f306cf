"""Training steps of discrete networks: ``python -m benchmarks.engine.training`` (part of ``make bench``).

Native kernels, the readable network in two memory formats and, beside DARTS_V2, a ResNet-20 of as many multiply-adds
take turns in one process: a whole step each, with dropped paths, auxiliary head, clipping and SGD. The peak of memory
is that of a step in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.engine.memory import peak, resident
from benchmarks.engine.timing import interleaved
from dadarts.architecture.costs import count_multiply_adds
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.published import PUBLISHED
from dadarts.architecture.skeletons import Macro
from dadarts.engines.choose import TrainingEngineName, pick_training_engine
from dadarts.machine import keep_freed_memory
from dadarts.runs.device import placed
from dadarts.seeds import generator, seeded

GENOTYPE = PUBLISHED["DARTS_V2"]
POOLS = (
    "Genotype(normal=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], [('max_pool_3x3', 2), ('max_pool_3x3', 0)], "
    "[('max_pool_3x3', 3), ('max_pool_3x3', 0)], [('max_pool_3x3', 4), ('max_pool_3x3', 0)]], "
    "normal_concat=[2, 3, 4, 5], reduce=[[('dil_conv_3x3', 0), ('dil_conv_3x3', 1)], [('max_pool_3x3', 2), "
    "('sep_conv_3x3', 0)], [('max_pool_3x3', 2), ('max_pool_3x3', 3)], [('max_pool_3x3', 2), ('max_pool_3x3', 3)]], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""The genotype that the original trains in its example."""
_BENCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


@dataclass(frozen=True)
class Work:
    """A network, and how many pictures a step has."""

    genotype: str
    macro: Macro
    batch: int


WORKS: Mapping[str, Work] = {
    "DARTS_V2": Work(GENOTYPE, Macro(16, 8, (3, 32, 32), 10), 32),
    "all max pools": Work(POOLS, Macro(16, 8, (3, 32, 32), 10), 32),
    "NAS-Bench-201 of 3x3 convolutions": Work(_BENCH, Macro(16, 5, (3, 32, 32), 10), 64),
}
FORMS: Mapping[str, tuple[TrainingEngineName, bool]] = {
    "native": ("native", True),
    "channels_last": ("reference", True),
    "nchw": ("reference", False),
}
"""Engine, and whether pictures are channels_last."""
RESNET = "ResNet-20"
Row: TypeAlias = dict[str, str | int | float]


def training(threads: int, rounds: int, works: Mapping[str, Work] = WORKS) -> list[Row]:
    """For every work the seconds of a step, how many times as long the others take, and peaks of memory in bytes."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [_row(name, work, threads, rounds) for name, work in works.items()]
    finally:
        torch.set_num_threads(before)


def _row(name: str, work: Work, threads: int, rounds: int) -> Row:
    runs = {form: step(form, work) for form in FORMS}
    if work.genotype == GENOTYPE:
        runs[RESNET] = _resnet_step(work)
    seconds = interleaved(runs, rounds)
    ours = seconds["native"]
    row: Row = {"work": name, "batch": work.batch, "threads": threads, "seconds": median(ours)}
    for other in (other for other in runs if other != "native"):
        each = [theirs / own for theirs, own in zip(seconds[other], ours, strict=True)]
        row |= {other: median(each), f"{other}_low": min(each), f"{other}_high": max(each)}
    return row | {f"{form}_peak_bytes": measured_peak(form, name) for form in FORMS if name in WORKS}


def step(form: str, work: Work) -> Callable[[], None]:
    """A step of training, as `training/loop.py` takes it."""
    engine, is_channels_last = FORMS[form]
    with seeded(0, "weights"):
        network = Network(Genotype.parse(work.genotype), work.macro, True).train()
    images = torch.randn((work.batch, *work.macro.image_shape), generator=generator(0, "images"))
    if is_channels_last:
        placed(network, torch.device("cpu"))
        images = images.contiguous(memory_format=torch.channels_last)
    forward = pick_training_engine(engine, network, torch.device("cpu")).forward
    labels = torch.arange(work.batch) % work.macro.classes

    def loss() -> Tensor:
        logits, side = forward.forward_with_auxiliary(images, DropPath(0.1, generator(0, "drop-path")), 0)
        own = F.cross_entropy(logits, labels)
        return own if side is None else own + 0.4 * F.cross_entropy(side, labels)

    return _stepping(network, loss)


def _stepping(network: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    parameters = list(network.parameters())
    sgd = torch.optim.SGD(parameters, lr=0.025, momentum=0.9, weight_decay=3e-4, foreach=True)

    def run() -> None:
        found = loss()
        sgd.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        sgd.step()

    return run


class _Block(nn.Module):
    """A residual block of CIFAR's ResNets (arXiv 1512.03385, section 4.2), its shortcut without weights."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.stride = c_out // c_in
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, self.stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        near = x[:, :, :: self.stride, :: self.stride]
        return F.relu(y + F.pad(near, (0, 0, 0, 0, 0, y.shape[1] - near.shape[1])))


def _resnet(width: int, classes: int) -> nn.Module:
    widths = [width, *(width << stage for stage in range(3) for _ in range(3))]
    blocks = [_Block(c_in, c_out) for c_in, c_out in pairwise(widths)]
    stem = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def _resnet_step(work: Work) -> Callable[[], None]:
    """A step of the ResNet-20 of as many multiply-adds, whatever its width, in channels_last."""
    images = torch.randn((work.batch, *work.macro.image_shape), generator=generator(0, "images"))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(work.batch) % work.macro.classes
    usual = 16
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        _resnet(usual, work.macro.classes)(torch.empty((1, *work.macro.image_shape)))
    wanted = count_multiply_adds(Genotype.parse(work.genotype), work.macro)
    width = round(usual * math.sqrt(2 * wanted / counter.get_total_flops()))
    with seeded(0, "weights"):
        network = placed(_resnet(width, work.macro.classes).train(), torch.device("cpu"))
    return _stepping(network, lambda: F.cross_entropy(network(images), labels))


def measured_peak(form: str, work: str) -> int:
    """By how many bytes a step raises the peak of a process of its own."""
    words = [sys.executable, "-m", "benchmarks.engine.training", "--peak", form, work]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| training step | batch | threads | native (s) | NCHW / native | channels_last / native | "
        "ResNet-20 / native | peak: native, channels_last, NCHW (MB) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratios = [
            f"{row[other]:.2f} ({row[f'{other}_low']:.2f} to {row[f'{other}_high']:.2f})" if other in row else ""
            for other in ("nchw", "channels_last", RESNET)
        ]
        peaks = ", ".join(f"{int(row.get(f'{form}_peak_bytes', 0)) / 1e6:,.0f}" for form in FORMS)
        begin = f"| {row['work']} | {row['batch']} | {row['threads']} | {row['seconds']:.3f} |"
        lines.append(f"{begin} {' | '.join(ratios)} | {peaks} |")
    return "\n".join(lines) + "\n"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", nargs=2, metavar=("FORM", "WORK"))
    parser.add_argument("--out", type=Path, help="where the table is written, and the rows as JSON beside it")
    args = parser.parse_args()
    if args.peak is not None:
        torch.set_num_threads(1)
        form, work = args.peak
        run, before = step(form, WORKS[work]), resident()
        run()
        print(peak() - before)
        return
    rows = [row for threads in args.threads for row in training(threads, args.rounds)]
    print(table(rows))
    if args.out is not None:
        args.out.write_text(f"`python -m benchmarks.engine.training {' '.join(sys.argv[1:])}`\n\n{table(rows)}")
        args.out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    _main()
