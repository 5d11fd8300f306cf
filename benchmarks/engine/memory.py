"""Memory of a pass, in a process of its own: ``python -m benchmarks.engine.memory ENGINE PASS BATCH``."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.engine.contestants import Contestant, Scale

PASSES = ("soft", "hard")


@dataclass(frozen=True)
class Memory:
    """Bytes that a pass keeps for its backward pass, weights apart, and by how much it raises the process' peak."""

    saved: int
    peak: int


def measured(engine: str, name: str, batch: int) -> Memory:
    """Measure a pass in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.engine.memory", engine, name, str(batch)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603
    return Memory(**json.loads(done.stdout))


def _saved_bytes(contestant: Contestant, name: str) -> int:
    kept: dict[int, int] = {}
    weights = {w.untyped_storage().data_ptr() for w in contestant.w}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        getattr(contestant, name)()
    return sum(kept.values())


def resident() -> int:
    """Bytes of this process that are in memory."""
    return _status("VmRSS")


def peak() -> int:
    """The most that ever were."""
    # Not getrusage: its peak begins with that of the process that started this one.
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def _main() -> None:
    engine, name, batch = sys.argv[1:]
    contestant = Contestant(engine, Scale(int(batch)))
    before = resident()
    saved = _saved_bytes(contestant, name)
    print(json.dumps({"saved": saved, "peak": peak() - before}))


if __name__ == "__main__":
    _main()
