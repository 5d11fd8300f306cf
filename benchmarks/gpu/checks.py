"""What must hold on a GPU, each check by the public functions that a user calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from benchmarks.engine.training import GENOTYPE
from benchmarks.gpu.size import Size, drawn_pictures
from dadarts.config import SearchConfig, TrainConfig
from dadarts.rundir.history import Row
from dadarts.runs.events import EpochDone, Event, RunStarted, StepDone
from dadarts.searching.loop import search
from dadarts.training.export import load
from dadarts.training.loop import train

TIMES = ("second", "share_")
"""Beginnings of the names of columns that no two runs have alike."""


@dataclass(frozen=True)
class Outcome:
    """What became of a check, and the figures that say so."""

    check: str
    verdict: Literal["held", "failed", "not applicable"]
    figures: str


@dataclass(frozen=True)
class Ran:
    """A search that has ended: its first line, its history, and where it is."""

    summary: str
    history: Sequence[Row]
    folder: Path

    @cached_property
    def genotype(self) -> str:
        return (self.folder / "genotype.txt").read_text()

    @cached_property
    def alphas(self) -> Mapping[str, np.ndarray]:
        with np.load(self.folder / "alphas.npz") as arrays:
            return {name: arrays[name] for name in arrays.files}

    def figures(self) -> list[Mapping[str, Any]]:
        """The history without times."""
        return [
            {name: value for name, value in row.items() if not any(word in name for word in TIMES)}
            for row in self.history
        ]


class Site:
    """Where checks are carried out, and the search that most of them compare with.

    Args:
        device: cpu or cuda.
        size: of their runs.
        folder: for data and runs; empty.
    """

    def __init__(self, device: torch.device, size: Size, folder: Path) -> None:
        self.device = device
        self.size = size
        self.folder = folder
        self.data = folder / "drawn.npz"
        np.savez(self.data, **drawn_pictures(size.pictures, size.checked.side))  # type: ignore[arg-type]

    @cached_property
    def first(self) -> Ran:
        """A search of two epochs."""
        return self.searched("first")

    def searched(self, name: str, *, stopped_at: int = 0, **settings: Any) -> Ran:
        """A search; with `stopped_at` it is left at that step of its second epoch and gone on with."""
        scale = self.size.checked
        config = SearchConfig(
            name=name, dataset=self.data, device=self.device.type, runs_dir=self.folder, print_freq=1,
            **{
                "init_channels": scale.channels, "layers": scale.cells, "nodes": scale.nodes,
                "batch_size": scale.batch, "epochs": 2, **settings,
            },
        )  # fmt: skip
        before = list(_until(search(config), stopped_at)) if stopped_at else []
        events = before + list(search(config, resume=bool(before)))
        started = [event.summary for event in events if isinstance(event, RunStarted)]
        rows = [event.row for event in events if isinstance(event, EpochDone)]
        return Ran(started[0], rows, self.folder / "search" / name)

    def trained(self, name: str, *, stopped_at: int = 0, **settings: Any) -> Path:
        """The folder of a training of DARTS_V2; with `stopped_at` as `searched`."""
        config = TrainConfig(
            name=name, dataset=self.data, device=self.device.type, runs_dir=self.folder, print_freq=1, epochs=2,
            init_channels=self.size.checked.channels, layers=self.size.checked.cells,
            batch_size=self.size.checked.batch, genotype=GENOTYPE, **settings,
        )  # fmt: skip
        before = list(_until(train(config), stopped_at)) if stopped_at else []
        list(train(config, resume=bool(before)))
        return self.folder / "augment" / name


def _until(events: Iterator[Event], step: int) -> Iterator[Event]:
    """Events up to a step of the second epoch, where the run is left and saves itself."""
    with closing(events):  # type: ignore[type-var]
        for event in events:
            yield event
            if isinstance(event, StepDone) and event.epoch == 1 and event.step == step:
                return


class NotApplicableError(Exception):
    """A check needs what this machine does not have."""


Check: TypeAlias = Callable[[Site], tuple[bool, str]]
"""Whether what it checks holds, and the figures."""


def names_its_device(site: Site) -> tuple[bool, str]:
    """A search ends, and its first line names device and engine."""
    engine = "torch engine" if site.device.type == "cuda" else "engine"
    summary = site.first.summary
    return f"on {site.device.type}" in summary and engine in summary, summary


def same_seed_same_bits(site: Site) -> tuple[bool, str]:
    """A second search with the same seed has the same alphas and genotype, bit for bit."""
    return _alike(site.first, site.searched("again"))


def engines_agree(site: Site) -> tuple[bool, str]:
    """The readable supernet, which leaves out nothing, has the same training loss after an epoch, within 1e-4."""
    reference = site.searched("reference", engine="reference", sparse_tolerance=0, epochs=1)
    alone = site.searched("alone", epochs=1)
    losses = [float(ran.history[0]["train_loss"] or 0) for ran in (alone, reference)]
    return abs(losses[0] - losses[1]) < 1e-4, f"{losses[0]:.6f}, readable {losses[1]:.6f}"


def resumes_bit_for_bit(site: Site) -> tuple[bool, str]:
    """A search that is left in mid-epoch and gone on with ends as an unbroken one."""
    stopped = site.searched("stopped", stopped_at=1)
    alike, figures = _alike(site.first, stopped)
    return alike and stopped.figures()[-1] == site.first.figures()[-1], figures


def precision_ends(precision: str) -> Check:
    """A search in a precision ends with finite alphas."""

    def check(site: Site) -> tuple[bool, str]:
        _needs_cuda(site)
        ran = site.searched(precision, precision=precision)
        finite = all(np.isfinite(alpha).all() for alpha in ran.alphas.values())
        return (
            finite,
            f"train loss {ran.history[-1]['train_loss']:.4f}, float32 {site.first.history[-1]['train_loss']:.4f}",
        )

    return check


def checkpointing_saves_memory(site: Site) -> tuple[bool, str]:
    """Activations computed again need a lower peak of memory, and give the same training loss within 1e-4."""
    _needs_cuda(site)
    peaks, losses = [], []
    for name, saving in (("kept", False), ("computed-again", True)):
        torch.cuda.reset_peak_memory_stats(site.device)
        ran = site.searched(name, checkpoint_activations=saving, epochs=1)
        peaks.append(torch.cuda.max_memory_allocated(site.device) / 1e6)
        losses.append(float(ran.history[0]["train_loss"] or 0))
    holds = peaks[1] < peaks[0] and abs(losses[0] - losses[1]) < 1e-4
    return holds, f"{peaks[1]:,.0f} MB against {peaks[0]:,.0f} MB"


def training_is_deterministic(site: Site) -> tuple[bool, str]:
    """Two trainings have the same network, bit for bit, one of them left in mid-epoch and gone on with."""
    one, other = site.trained("one"), site.trained("other", stopped_at=1)
    return _weights(one) == _weights(other), f"{len(_weights(one)):,} bytes compared"


def predicts_on_the_cpu(site: Site) -> tuple[bool, str]:
    """The trained network is read on a CPU, with the test accuracy that it had on the device."""
    folder = site.trained("predicted")
    measured = json.loads((folder / "metrics.json").read_text())["test_top1"]
    network = load(folder)
    with np.load(site.data) as arrays:
        found = network.predict(arrays["x_test"].transpose(0, 3, 1, 2))
        right = float(np.mean([str(label) == each for label, each in zip(arrays["y_test"], found, strict=True)]))
    return abs(right - measured) <= 2 / len(found), f"{right:.2%}, on the device {measured:.2%}"


def two_devices_agree(site: Site) -> tuple[bool, str]:
    """Two processes with a device each find the alphas that one finds, within float32 rounding."""
    if site.device.type != "cuda" or torch.cuda.device_count() < 2:
        raise NotApplicableError("needs two CUDA devices")
    scale = site.size.checked
    words = [
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "dadarts", "search"),
        *("--name", "two", "--dataset", site.data, "--runs_dir", site.folder, "--gpus", "0,1", "--epochs", "2"),
        *("--init_channels", scale.channels, "--layers", scale.cells, "--nodes", scale.nodes),
        *("--batch_size", scale.batch, "--w_lr", "0.025", "--alpha_lr", "3e-4"),
    ]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)  # noqa: S603
    with np.load(site.folder / "search" / "two" / "alphas.npz") as arrays:
        apart = max(float(np.abs(arrays[name] - alpha).max()) for name, alpha in site.first.alphas.items())
    return apart < 1e-4, f"alphas differ by {apart:.1e}"


CHECKS: Mapping[str, Check] = {
    "a search names its device": names_its_device,
    "same seed, same bits": same_seed_same_bits,
    "the torch engine and the readable supernet agree": engines_agree,
    "a search resumes bit for bit": resumes_bit_for_bit,
    "tf32": precision_ends("tf32"),
    "bf16": precision_ends("bf16"),
    "computing activations again saves memory": checkpointing_saves_memory,
    "a training is deterministic and resumes bit for bit": training_is_deterministic,
    "a network predicts on a CPU as on the device": predicts_on_the_cpu,
    "two devices agree": two_devices_agree,
}


def carried_out(site: Site, checks: Mapping[str, Check] = CHECKS) -> Iterator[Outcome]:
    """Every check's outcome; one that ends in an error has failed, and the others go on."""
    for name, check in checks.items():
        try:
            holds, figures = check(site)
        except NotApplicableError as reason:
            yield Outcome(name, "not applicable", str(reason))
        except Exception as error:
            yield Outcome(
                name, "failed", f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
            )
        else:
            yield Outcome(name, "held" if holds else "failed", figures)


def _needs_cuda(site: Site) -> None:
    if site.device.type != "cuda":
        raise NotApplicableError("needs CUDA")


def _alike(one: Ran, other: Ran) -> tuple[bool, str]:
    apart = max(float(np.abs(one.alphas[name] - other.alphas[name]).max()) for name in one.alphas)
    return apart == 0 and one.genotype == other.genotype, f"alphas differ by {apart:.1e}"


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()
