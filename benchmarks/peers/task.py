"""What every contestant does, and how they take turns; runs in a peer's environment too, so nothing of dadarts here."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

CLASSES = 10


@dataclass(frozen=True)
class Task:
    """An epoch of first-order DARTS: a step takes a batch of each of the two halves of the pictures."""

    batch: int = 16
    steps: int = 10
    threads: int = 1
    channels: int = 16
    cells: int = 8

    def words(self) -> list[str]:
        """The task for the command line of a contestant."""
        return [str(self.batch), str(self.steps), str(self.threads)]

    @staticmethod
    def parse() -> Task:
        """The task that the command line gives; torch computes with its threads from here on."""
        parser = argparse.ArgumentParser()
        for name in ("batch", "steps", "threads"):
            parser.add_argument(name, type=int)
        task = Task(**vars(parser.parse_args()))
        torch.set_num_threads(task.threads)
        return task

    def pictures(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pictures of noise, uint8 (N, 3, 32, 32), and labels (N,): as many as both halves of an epoch need."""
        count = 2 * self.steps * self.batch
        images = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), np.uint8)
        return images, np.arange(count) % CLASSES


def counted(supernet: nn.Module, alphas: int) -> dict[str, int]:
    """Parameters of a supernet: of convolutions and the classifier, of batch norm, and alphas.

    Args:
        alphas: how many of the supernet's parameters are alphas.
    """
    norms = [module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)]
    in_norms = sum(parameter.numel() for norm in norms for parameter in norm.parameters())
    parameters = sum(parameter.numel() for parameter in supernet.parameters())
    return {"weights": parameters - in_norms - alphas, "norm_parameters": in_norms, "norms": len(norms)}


@dataclass(frozen=True)
class Step:
    """What a step took: seconds of the clock, and seconds of the processor, which other processes stretch less."""

    seconds: float
    cpu_seconds: float


class Turns:
    """A contestant's side of the benchmark: every step waits for its turn and is timed with the loading before it.

    Where no turn will come any more, it raises SystemExit. Whatever else the process prints goes to stderr.
    """

    def __init__(self) -> None:
        self._replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._began = Step(0.0, 0.0)

    def begin(self, facts: Mapping[str, object]) -> None:
        """Say what is ready to begin, and wait for the first turn."""
        self._reply(facts)
        self._wait()

    def step_done(self) -> None:
        """Tell what went by since this turn came, and wait for the next one."""
        now = _now()
        taken = Step(now.seconds - self._began.seconds, now.cpu_seconds - self._began.cpu_seconds)
        self._reply(asdict(taken))
        self._wait()

    def _reply(self, facts: Mapping[str, object]) -> None:
        print(json.dumps(facts), file=self._replies, flush=True)

    def _wait(self) -> None:
        if not sys.stdin.readline():
            raise SystemExit
        self._began = _now()


def _now() -> Step:
    return Step(time.perf_counter(), time.process_time())
