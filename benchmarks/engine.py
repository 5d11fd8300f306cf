"""Time and memory of the engines: ``python benchmarks/engine.py`` (or ``make bench``).

Every pass is timed in one interleaved process on the native engine, on the readable supernet in NCHW, as other
projects ship it, and on the readable supernet in channels_last; in `hard` the readable ones compute every operation, as
others do. Ratios of medians, with the lowest and highest of the rounds. Figures go to benchmarks/results/engine.json,
the table to engine.md beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts import compute
from dadarts.alphas import Alphas, Mixing
from dadarts.bilevel import Bilevel, Method, Objective
from dadarts.cells import Macro
from dadarts.engines import EngineName, Forward, pick_engine
from dadarts.optimizers import Optimizers
from dadarts.relax import Hard, Soft, TopK
from dadarts.schedules import Constant, Progress
from dadarts.seeds import generator, seeded
from dadarts.spaces import space
from dadarts.supernet import Supernet

RESULTS = Path(__file__).parent / "results"
HALFWAY = Progress(1, 2)
ENGINES = ("nchw", "channels_last", "native")


@dataclass(frozen=True)
class Batch:
    """Pictures of noise."""

    images: Tensor
    labels: Tensor
    key: int = 0


@dataclass(frozen=True)
class Row:
    """How many times as long a pass takes on another engine as on the native one."""

    step: str
    against: str
    batch: int
    ratio: float
    low: float
    high: float
    seconds: float


class Contestant:
    """One engine with weights, alphas and batches of its own, all drawn alike."""

    def __init__(self, engine: str, channels: int, layers: int, batch: int) -> None:
        darts = space("darts")
        with seeded(0, "weights"):
            self.supernet = Supernet(darts, Macro(channels, layers, (3, 32, 32), 10))
        images = torch.randn((2, batch, 3, 32, 32), generator=generator(0, "images"))
        labels = torch.arange(batch) % 10
        memory = torch.contiguous_format if engine == "nchw" else torch.channels_last
        if engine != "nchw":
            compute.placed(self.supernet, torch.device("cpu"))
        self.train, self.valid = (Batch(half.contiguous(memory_format=memory), labels) for half in images)
        self.alphas = Alphas(darts, generator(0, "alphas"))
        self.every = engine != "native"
        name: EngineName = "native" if engine == "native" else "reference"
        self.forward: Forward = pick_engine(name, self.supernet, torch.device("cpu")).forward

    def soft(self) -> None:
        """Forward and backward pass of plain DARTS, with gradients of w and alpha."""
        loss = self._loss(self.alphas.mix(Soft(), HALFWAY))
        torch.autograd.grad(loss, [*self.alphas.parameters(), *self.supernet.parameters()])

    def hard(self) -> None:
        """Forward and backward pass of the weight step under hard discretization."""
        with torch.no_grad():
            mixing = self.alphas.mix(Hard(), HALFWAY)
        if self.every:
            # What a mixing weight that needs a gradient is worth to others: every operation, times zero.
            mixing = {kind: tuple(node.requires_grad_() for node in nodes) for kind, nodes in mixing.items()}
        torch.autograd.grad(self._loss(mixing), list(self.supernet.parameters()), allow_unused=True)

    def validation(self) -> None:
        """Forward pass of the discretized supernet."""
        with torch.no_grad():
            self.forward(self.valid.images, self.alphas.mix(Hard(), HALFWAY), 0)

    def second_order(self) -> None:
        """A whole step of second-order DARTS."""
        self._step(Method())

    def dadarts_t1(self) -> None:
        """A whole step of DADARTS at temperature 1: top-k on alphas, hard weight step."""
        self._step(Method(Objective(Hard()), Objective(TopK(1, None, Constant(1.0), Constant(1.0)))))

    def _loss(self, mixing: Mixing) -> Tensor:
        return F.cross_entropy(self.forward(self.train.images, mixing, 0), self.train.labels)

    def _step(self, method: Method) -> None:
        optimizers = Optimizers(
            Bilevel(self.supernet, self.alphas, method, self.forward),
            momentum=0.9, weight_decay=3e-4, nesterov=False, grad_clip=5.0, alpha_lr=3e-4, alpha_weight_decay=1e-3,
        )  # fmt: skip
        optimizers.step(self.train, self.valid, HALFWAY, 0.025)

    def saved_bytes(self, run: Callable[[], None]) -> int:
        """What a pass keeps for its backward pass, weights apart."""
        kept: dict[int, int] = {}
        weights = {w.untyped_storage().data_ptr() for w in self.supernet.parameters()}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            run()
        return sum(kept.values())


STEPS = ("soft", "second_order", "dadarts_t1", "hard", "validation")


def ratios(step: str, contestants: Mapping[str, Contestant], batch: int, rounds: int) -> list[Row]:
    """Time a pass on all engines in turn, after one round that is not counted."""
    times: dict[str, list[float]] = {engine: [] for engine in contestants}
    for _ in range(rounds + 1):
        for engine, contestant in contestants.items():
            began = time.perf_counter()
            getattr(contestant, step)()
            times[engine].append(time.perf_counter() - began)
    native = times.pop("native")[1:]
    rows = []
    for engine, seconds in times.items():
        each = [theirs / ours for theirs, ours in zip(seconds[1:], native, strict=True)]
        rows.append(
            Row(step, engine, batch, median(seconds[1:]) / median(native), min(each), max(each), median(native))
        )
    return rows


def table(rows: list[Row], memory: list[dict[str, str | int]]) -> str:
    """Markdown: times as long as native, then bytes."""
    lines = ["| pass | batch | native (s) | NCHW / native | channels_last / native |", "|---|---|---|---|---|"]
    for row in (row for row in rows if row.against == "nchw"):
        other = next(r for r in rows if (r.step, r.batch, r.against) == (row.step, row.batch, "channels_last"))
        cells = [f"{r.ratio:.1f} ({r.low:.1f} to {r.high:.1f})" for r in (row, other)]
        lines.append(f"| {row.step} | {row.batch} | {row.seconds:.2f} | {' | '.join(cells)} |")
    lines += ["", "| saved for the backward pass | native (MB) | readable (MB) |", "|---|---|---|"]
    lines += [
        f"| {m['pass']} | {int(m['saved_bytes']) / 1e6:.0f} | {int(m['reference_bytes']) / 1e6:.0f} |" for m in memory
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    contestants = {engine: Contestant(engine, args.channels, args.layers, args.batch) for engine in ENGINES}
    rows: list[Row] = []
    for step in STEPS:
        rows += ratios(step, contestants, args.batch, args.rounds)
        print(*rows[-2:], sep="\n", flush=True)
    memory: list[dict[str, str | int]] = []
    for step in ("soft", "hard"):
        saved = {e: contestants[e].saved_bytes(getattr(contestants[e], step)) for e in ("native", "channels_last")}
        memory.append({"pass": step, "saved_bytes": saved["native"], "reference_bytes": saved["channels_last"]})
    found = {"machine": compute.versions(torch.device("cpu")) | {"threads": args.threads}, "settings": vars(args)}
    results = found | {"results": [asdict(row) for row in rows], "memory": memory}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "engine.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "engine.md").write_text(table(rows, memory))
    print(table(rows, memory))


if __name__ == "__main__":
    main()
