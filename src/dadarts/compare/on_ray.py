"""Jobs on a Ray cluster: each in a process of its own on the node that Ray picks, in a folder that all nodes share.

What Ray itself is told is little: an actor of so many CPUs and GPUs that starts a job's process and says how it ended.
Ray restarts nothing; a lost actor is a failed try, and the schedule's three tries are the only ones.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from dadarts.compare.executors import PLUGIN_VARIABLE, Running, spawn
from dadarts.errors import InputError

_PATIENCE = 5.0
"""Seconds that an address has to answer; Ray itself waits for minutes."""
_FOUND_BY_RAY = ("", "auto", "local")


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster.

    Args:
        address: as ``ray.init`` takes it; None: ``RAY_ADDRESS``, or what runs on this machine, or a new one here.
        threads: CPUs of a job.
        gpus: GPUs of a job, or a share of one; None: one where the cluster has any.
        most: how many jobs are submitted at a time; None: as many as the nodes that there are have room for.
    """

    address: str | None
    threads: int
    gpus: float | None
    most: int | None
    plugin: str = ""
    elsewhere = True

    @contextmanager
    def opened(self, folder: Path) -> Iterator[RayExecutor]:
        name = self.address or os.environ.get("RAY_ADDRESS", "")
        _refuse_silent(name)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(self.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _unreachable(name, str(error).partition("\n")[0]) from error
        finally:
            signal.signal(signal.SIGTERM, handler)
        try:
            executor = RayExecutor(self.threads, self._gpus(), self.most, self.plugin)
            if executor.slots == 0:
                raise InputError(
                    f"no node of the Ray cluster has {executor.share}, as a job asks for: give fewer -threads or "
                    "-ray_gpus, or -jobs N to wait for nodes that are still to come"
                )
            folder.mkdir(parents=True, exist_ok=True)
            # Whatever Ray has to say of its nodes it prints, and stdout is for results.
            with (folder / "ray.log").open("a", encoding="utf-8") as log, redirect_stdout(log):
                yield executor
        finally:
            ray.shutdown()

    def _gpus(self) -> float:
        if self.gpus is not None:
            return self.gpus
        return 1.0 if any(resources.get("GPU") for resources in _nodes()) else 0.0


@dataclass(frozen=True)
class RayExecutor:
    """A cluster that this process is connected to."""

    threads: int
    gpus: float
    most: int | None
    plugin: str = ""

    @property
    def slots(self) -> int:
        return self.most or sum(self._jobs_on(resources) for resources in _nodes())

    def _jobs_on(self, resources: dict[str, float]) -> int:
        """How many jobs a node runs at a time."""
        by_cpus = int(resources.get("CPU", 0) / self.threads)
        return min(by_cpus, int(resources.get("GPU", 0) / self.gpus + 1e-9)) if self.gpus else by_cpus

    @property
    def share(self) -> str:
        """What a job asks for, in words."""
        cpus = f"{self.threads} CPU{'s' * (self.threads > 1)}"
        return f"{cpus} and {self.gpus:g} GPU{'s' * (self.gpus > 1)}" if self.gpus else cpus

    def start(self, folder: Path, log: Path) -> Running:
        environment = {"OMP_NUM_THREADS": str(self.threads), PLUGIN_VARIABLE: self.plugin}
        if not self.gpus:
            # Whoever asked for no GPU must not find the one that Ray has given to somebody else.
            environment["CUDA_VISIBLE_DEVICES"] = ""
        actor = (
            ray.remote(_JobProcess)
            # One call waits for the end of the job; another may stop it meanwhile.
            .options(num_cpus=self.threads, num_gpus=self.gpus, max_restarts=0, max_concurrency=2)
            .remote(folder.absolute(), log.absolute(), environment, Path.cwd())
        )
        return _RayJob(actor, actor.begun.remote(), actor.ended.remote(), log)


class _JobProcess:
    """What an actor is: the process of a job, on the actor's node."""

    def __init__(self, folder: Path, log: Path, environment: dict[str, str], cwd: Path) -> None:
        self._process = spawn(folder, log, environment, cwd)

    def begun(self) -> bool:
        return True

    def ended(self) -> int:
        return self._process.wait()

    def stop(self) -> None:
        self._process.terminate()


@dataclass
class _RayJob:
    """A job as this process sees it: its actor, and the answers that are awaited from it."""

    actor: Any
    begun: Any
    ended: Any
    log: Path
    code: int | None = None

    def poll(self) -> int | None:
        if self.code is None and _is_there(self.ended):
            self.code = self._outcome()
            # An actor that has ended gives back what it held; one that Ray has lost sight of must not go on.
            self.kill()
        return self.code

    def _outcome(self) -> int:
        try:
            return int(ray.get(self.ended))
        except ray.exceptions.RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"Ray: {lines[-1].partition('. ')[0]}\n")
            return 1

    def stop(self) -> None:
        if _is_there(self.begun):
            self.actor.stop.remote()
        else:
            self.kill()

    def kill(self) -> None:
        # Ray kills the processes that an actor has started with it.
        ray.kill(self.actor)


def _is_there(answer: Any) -> bool:
    return bool(ray.wait([answer], timeout=0)[0])


def _nodes() -> list[dict[str, float]]:
    """Resources of the nodes that are alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _refuse_silent(address: str) -> None:
    if address in _FOUND_BY_RAY:
        return
    match = re.fullmatch(r"(?:ray://)?\[?([^/\s]+?)\]?:([0-9]{1,5})", address)
    if match is None:
        raise _unreachable(address, "give HOST:PORT, ray://HOST:PORT, auto or local")
    try:
        socket.create_connection((match[1], int(match[2])), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, getattr(error, "strerror", None) or str(error)) from error


def _unreachable(address: str, why: str) -> InputError:
    return InputError(f"no Ray cluster at {address[:80] or 'this machine'}: {why[:300]}; see -ray_address")
