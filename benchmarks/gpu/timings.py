"""Times, launches and memory of search steps and training steps on a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from benchmarks.engine.contestants import Contestant, Run, Scale
from benchmarks.engine.training import GENOTYPE
from benchmarks.gpu.size import Size, drawn_pictures
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.skeletons import Macro
from dadarts.config import SearchConfig
from dadarts.engines.autocast import autocast
from dadarts.engines.choose import PrecisionName
from dadarts.rundir.history import Row
from dadarts.runs.device import placed, prepare
from dadarts.runs.events import EpochDone
from dadarts.searching.loop import search
from dadarts.seeds import generator, seeded

PASSES = ("soft", "first_order", "second_order", "dadarts_t1", "dadarts_t50", "dadarts_t200", "hard")
AS_OTHERS = "readable, NCHW"
PRECISIONS: Sequence[PrecisionName] = ("float32", "tf32", "bf16")


@dataclass(frozen=True)
class Timing:
    """A step's median seconds, what it launches on the device, and by how much it raises the peak of its memory.

    Args:
        launches: kernels and copies; None where none are counted.
        peak_bytes: None on a CPU.
    """

    step: str
    form: str
    precision: str
    seconds: float
    launches: int | None
    peak_bytes: int | None


def steps_timed(device: torch.device, size: Size, ends: float) -> Iterator[Timing]:
    """Search and training steps in every form and precision, the ones compared side by side, until a time.

    Args:
        ends: on `time.monotonic`'s clock; rows for which there is no time are left out.
    """
    for precision in PRECISIONS if device.type == "cuda" else PRECISIONS[:1]:
        forms = {"torch engine": Contestant("torch", size.timed, device, precision)}
        if precision == "float32":
            forms[AS_OTHERS] = Contestant("nchw", size.timed, device)
        prepare(device, torch.get_num_threads(), precision)
        for step in PASSES:
            runs = {form: getattr(contestant, step) for form, contestant in forms.items()}
            yield from _timed(step, runs, precision, device, size.rounds, ends)
        del forms
        trainings = {"channels_last": _training_step(size.timed, device, precision, torch.channels_last)}
        if precision == "float32":
            trainings["NCHW"] = _training_step(size.timed, device, precision, torch.contiguous_format)
        yield from _timed("training step", trainings, precision, device, size.rounds, ends)
    prepare(device, torch.get_num_threads(), "float32")


def whole_epoch(device: torch.device, size: Size, folder: Path) -> Row:
    """The history's row of a search's second epoch: its pictures a second, and the shares of its time."""
    data = folder / "epoch.npz"
    np.savez(data, **drawn_pictures(size.epoch_pictures, size.timed.side))  # type: ignore[arg-type]
    scale = size.timed
    config = SearchConfig(
        name="epoch", dataset=data, device=device.type, runs_dir=folder, epochs=2, batch_size=scale.batch,
        init_channels=scale.channels, layers=scale.cells, nodes=scale.nodes,
    )  # fmt: skip
    return [event.row for event in search(config) if isinstance(event, EpochDone)][-1]


def launches(run: Run) -> int:
    """Kernels and copies that a step launches on a CUDA device."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        run()
        torch.cuda.synchronize()
    return sum(event.device_type.name == "CUDA" for event in profiled.events() or ())


def _timed(
    step: str, runs: dict[str, Run], precision: str, device: torch.device, rounds: int, ends: float
) -> Iterator[Timing]:
    if time.monotonic() > ends:
        return
    seconds: dict[str, list[float]] = {form: [] for form in runs}
    # The first round is not counted: libraries choose their kernels, and the allocator fills its pools.
    for counted in range(-1, rounds):
        for form, run in runs.items():
            began = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if counted >= 0:
                seconds[form].append(time.perf_counter() - began)
    for form, run in runs.items():
        found = _launches_and_peak(run, device) if device.type == "cuda" else (None, None)
        yield Timing(step, form, precision, median(seconds[form]), *found)


def _launches_and_peak(run: Run, device: torch.device) -> tuple[int, int]:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    peak = torch.cuda.max_memory_allocated(device) - before
    return launches(run), peak


def _training_step(
    scale: Scale, device: torch.device, precision: PrecisionName, memory: torch.memory_format
) -> Callable[[], None]:
    with seeded(0, "weights"):
        network = Network(Genotype.parse(GENOTYPE), Macro(scale.channels, scale.cells, (3, scale.side, scale.side), 10))
    network.to(device)
    if memory == torch.channels_last:
        placed(network, device)
    images = torch.randn((scale.batch, 3, scale.side, scale.side), generator=generator(0, "images"))
    images = images.to(device).contiguous(memory_format=memory)
    labels = (torch.arange(scale.batch) % 10).to(device)
    sgd = torch.optim.SGD(network.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4, foreach=True)

    def run() -> None:
        with autocast(precision, device):
            logits = network(images, DropPath(0.1, generator(0, "drop-path")))
        sgd.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        sgd.step()

    return run
