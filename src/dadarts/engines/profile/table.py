"""The costs of all operations of a space at a size on this machine, measured once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch

from dadarts import files
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.places import Place, places_of, places_of_genotype
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace
from dadarts.engines.inference import SOURCE
from dadarts.engines.native.build import NoCompilerError, called
from dadarts.engines.profile.cost import Cost, cost_of, costs_of_networks, turns
from dadarts.engines.profile.fit import fitted
from dadarts.engines.profile.probe import probes
from dadarts.machine import keep_freed_memory

_WAY = "alone and together"
"""How costs are measured: those of another way are not kept for this one."""


@dataclass(frozen=True)
class Scale:
    """What is measured.

    Args:
        space: whose operations.
        macro: the size of its networks.
        batch: pictures computed at once.
        threads: of the processor.
    """

    space: SearchSpace
    macro: Macro
    batch: int
    threads: int


@dataclass(frozen=True)
class Profile:
    """Costs on this machine.

    Args:
        operations: of each operation at every place that it has in the networks.
        rest: of a network beside them: its stem, what prepares the inputs of cells, and its classifier.
    """

    operations: Mapping[Place, Cost]
    rest: Cost

    def of(self, genotype: Genotype, macro: Macro) -> Cost:
        """The cost of a genotype's network: the rest, and the sum over its operations.

        Raises:
            KeyError: an operation at a place that has not been measured.
        """
        total = self.rest
        for place, times in places_of_genotype(genotype, macro).items():
            total = total.plus(self.operations[place], times)
        return total


def profiled(scale: Scale, progress: Callable[[int, int], None] = lambda done, of: None) -> Profile:
    """The profile, measured; torch is to compute with as many threads as the scale says.

    Operations are measured alone, and then networks of them, which correct what they cost together (`fitted`).

    Args:
        progress: is told how much has been done, and of how much.
    """
    # As trainings do: else the zeros of fresh memory are measured, too.
    keep_freed_memory()
    places, networks = places_of(scale.space, scale.macro), probes(scale.space, scale.macro)
    of, done = len(places) + turns(len(networks)), 0

    def turn() -> None:
        nonlocal done
        done += 1
        progress(done, of)

    alone = {}
    for place in places:
        alone[place] = cost_of(scale.space, place, scale.batch)
        turn()
    measured = costs_of_networks([probe.network for probe in networks], scale.batch, turn)
    operations, rests = fitted(alone, networks, measured)
    return Profile(operations, rests[scale.macro])


def keep(scale: Scale, profile: Profile) -> None:
    """Keep a profile for `kept`.

    Raises:
        OSError: the cache cannot be written.
    """
    path = _file(scale)
    # Not `files.write_text`, whose error ends a command: what was measured is of use without the cache.
    with files.replacing(path) as temporary:
        temporary.write_text(json.dumps({**_as_json(profile), "of": _about(scale)}), encoding="utf-8")


def kept(scale: Scale) -> Profile | None:
    """The profile of this machine that was measured before; None where there is none, or it cannot be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return _of_json(json.loads(_file(scale).read_text(encoding="utf-8")))
    return None


def kept_like(scale: Scale) -> tuple[Profile, int, int] | None:
    """The kept profile of networks of this size whose batch and threads, which are given too, are nearest.

    How many classes there were does not count: a classifier is a small part of a network.
    """
    wanted, found = _about(scale), []
    for path in sorted(_folder().glob(f"{scale.space.name}-*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            saved = json.loads(path.read_text(encoding="utf-8"))
            batch, threads = int(saved["of"].pop("batch")), int(saved["of"].pop("threads"))
            if all(wanted[name] == value for name, value in saved["of"].items()):
                found.append((abs(batch - scale.batch), abs(threads - scale.threads), batch, threads, saved))
    if not found:
        return None
    *_, batch, threads, saved = min(found, key=lambda one: one[:4])
    return _of_json(saved), batch, threads


def _about(scale: Scale) -> dict[str, Any]:
    """What a kept profile is of, its batch and threads among it."""
    macro = scale.macro
    return {
        "by": hashlib.sha256(" ".join(map(str, [*_measured_by(), *scale.space.ops])).encode()).hexdigest()[:16],
        "nodes": scale.space.nodes,
        "size": [macro.channels, macro.layers, *macro.image_shape, macro.stem_multiplier],
        "batch": scale.batch,
        "threads": scale.threads,
    }


def _measured_by() -> list[str]:
    """The kernels, the processor and the version of torch on which costs depend, and how they are measured."""
    try:
        kernels = [called(), called(SOURCE)]
    except NoCompilerError:
        kernels = ["torch", platform.machine(), platform.processor()]
    return [*map(str, kernels), torch.__version__, _WAY]


def _file(scale: Scale) -> Path:
    """A name that says what was measured, and by what: other kernels or another processor have another one."""
    about = [scale.space.name, scale.space.nodes, *scale.space.ops, scale.macro, scale.batch, scale.threads]
    digest = hashlib.sha256(" ".join(map(str, [*_measured_by(), *about])).encode()).hexdigest()[:16]
    return _folder() / f"{scale.space.name}-{digest}.json"


def _folder() -> Path:
    return Path(platformdirs.user_cache_dir("dadarts")) / "costs"


def _as_json(profile: Profile) -> dict[str, Any]:
    return {
        "operations": [{**asdict(place), **asdict(cost)} for place, cost in profile.operations.items()],
        "rest": asdict(profile.rest),
    }


def _of_json(saved: Any) -> Profile:
    operations = {
        Place(str(row["operation"]), (c, h, w), int(row["channels"]), int(row["stride"])): _cost(row)
        for row in saved["operations"]
        for c, h, w in [map(int, row["inputs"])]
    }
    return Profile(operations, _cost(saved["rest"]))


def _cost(saved: Mapping[str, Any]) -> Cost:
    return Cost(float(saved["forward"]), float(saved["backward"]), float(saved["prediction"]))
