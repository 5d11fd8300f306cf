"""The costs of all operations of a space at a size on this machine, measured once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch

from dadarts import files
from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.network import Network
from dadarts.architecture.places import Place, places_of, places_of_genotype
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace
from dadarts.engines.inference import SOURCE
from dadarts.engines.native.build import NoCompilerError, called
from dadarts.engines.profile.cost import NOTHING, Cost, cost_of, cost_of_network


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
        return _sum(self.operations, places_of_genotype(genotype, macro), self.rest)


def _sum(operations: Mapping[Place, Cost], places: Mapping[Place, int], begin: Cost = NOTHING) -> Cost:
    total = begin
    for place, times in places.items():
        total = total.plus(operations[place], times)
    return total


def profiled(scale: Scale) -> Profile:
    """The profile, measured and then kept; torch is to compute with as many threads as the scale says."""
    operations = {place: cost_of(scale.space, place, scale.batch) for place in places_of(scale.space, scale.macro)}
    genotype = random_genotype(scale.space, 0)
    own = _sum(operations, places_of_genotype(genotype, scale.macro))
    whole = cost_of_network(Network(genotype, scale.macro), scale.batch)
    rest = whole.plus(own, -1)
    profile = Profile(operations, Cost(*(max(0.0, seconds) for seconds in asdict(rest).values())))
    path = _file(scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(_as_json(profile)))
    return profile


def kept(scale: Scale) -> Profile | None:
    """The profile of this machine that was measured before; None where there is none, or it cannot be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return _of_json(json.loads(_file(scale).read_text(encoding="utf-8")))
    return None


def _file(scale: Scale) -> Path:
    """A name that says what was measured, and by what: other kernels or another processor have another one."""
    try:
        kernels = [called(), called(SOURCE)]
    except NoCompilerError:
        kernels = ["torch", platform.machine(), platform.processor()]
    about = [scale.space.name, scale.space.nodes, *scale.space.ops, scale.macro, scale.batch, scale.threads]
    digest = hashlib.sha256(" ".join(map(str, [*kernels, torch.__version__, *about])).encode()).hexdigest()[:16]
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
