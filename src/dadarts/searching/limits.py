"""The limits of a search: of which network they are, and the space without the networks that cost more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dadarts import files
from dadarts.architecture.discretization import Limit, discretize, least
from dadarts.architecture.sizing import widest
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace, Size
from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.distributed import Processes
from dadarts.engines.profile import Profile, Scale, keep, kept, profiled
from dadarts.engines.profile.limits import MS, at_most_latency, at_most_multiply_adds, at_most_parameters
from dadarts.engines.profile.written import read_csv
from dadarts.errors import InputError, shortened
from dadarts.methods.alphas import Alphas
from dadarts.pacing import counted
from dadarts.rundir import contents
from dadarts.runs import fitting
from dadarts.runs.checkpoint import State
from dadarts.runs.setup import Foundation
from dadarts.runs.threads import by_size, computing_with
from dadarts.searching.bilevel import Bilevel


def target(config: SearchConfig, base: Foundation) -> Macro:
    """The size that limits are of, for the pictures of a search: as asked for, else as `dadarts train` has it."""
    size = config.space.train_size
    return Macro(
        config.target_channels or size.channels,
        config.target_layers or size.layers,
        base.data.train.shape,
        len(base.data.classes),
        config.stem_multiplier,
    )


def limited(config: SearchConfig, base: Foundation) -> SearchSpace:
    """The search's space without the networks that cost more than the configuration lets them.

    Raises:
        InputError: that are all of them; the smallest that one can cost is named, and a size at which one fits.
    """
    space, macro = config.space, target(config, base)
    limits = _of_counts(config, macro)
    if config.max_latency_ms is not None:
        limits.append(_of_latency(config, macro, config.max_latency_ms, base.processes))
    try:
        return keeping_to(space, tuple(limits))
    except InputError as error:
        smaller = None if config.max_latency_ms is not None else _smaller(config, macro)
        way = "-target_channels and -target_layers ask for another size"
        if smaller is not None:
            way = f"with -target_channels {smaller.channels} -target_layers {smaller.layers} one keeps to it"
        raise InputError(f"{error.marked} with {_sized(macro)}; {way}") from None


def _of_counts(config: SearchConfig, macro: Macro) -> list[Limit]:
    """Limits of parameters and multiply-adds, of networks of a size."""
    limits = []
    if config.max_parameters is not None:
        limits.append(at_most_parameters(config.space, macro, config.max_parameters))
    if config.max_multiply_adds is not None:
        limits.append(at_most_multiply_adds(config.space, macro, config.max_multiply_adds))
    return limits


def _of_latency(config: SearchConfig, macro: Macro, most_ms: float, processes: Processes) -> Limit:
    """The limit of the first process in all of them: no two measurements have the same nanoseconds."""
    space = config.space
    if processes.is_first:
        own = at_most_latency(space, macro, most_ms, latencies(space, macro, config.costs))
    else:
        present = space.stacked({kind: space.present(kind) for kind in space.kinds})
        own = Limit("ms", 0, 0, torch.zeros_like(present, dtype=torch.int64), per=MS)
    most, rest, costs = map(processes.summed, (torch.tensor(own.most), torch.tensor(own.rest), own.costs))
    return replace(own, most=int(most), rest=int(rest), costs=costs)


def _smaller(config: SearchConfig, macro: Macro) -> Macro | None:
    """The widest size at which a network keeps to the counts: as deep as was asked for, else of half the layers, ..."""

    def keeps(size: Macro) -> bool:
        try:
            keeping_to(config.space, tuple(_of_counts(config, size)))
        except InputError:
            return False
        return True

    layers = macro.layers
    while layers >= 1:
        found = widest(replace(macro, layers=layers), keeps, macro.channels)
        if found is not None:
            return found
        layers //= 2
    return None


def keeping_to(space: SearchSpace, limits: tuple[Limit, ...]) -> SearchSpace:
    """The space under limits.

    Raises:
        InputError: no network of the space keeps to them; the smallest that one can cost is named.
    """
    kept_to = replace(space, limits=limits)
    least(kept_to.rule, space.stacked({kind: space.present(kind) for kind in space.kinds}))
    return kept_to


def latencies(space: SearchSpace, macro: Macro, table: Path | None) -> Profile:
    """What operations take: as a table says, or as this machine was or is now measured, a picture at a time."""
    if table is not None:
        return read_csv(table, Size(macro.channels, macro.layers))
    _, height, width = macro.image_shape
    scale = Scale(space, macro, 1, by_size(height * width * macro.channels).count)
    found = kept(scale)
    if found is None:
        with computing_with(scale.threads):
            found = profiled(scale)
        # A cache that cannot be written costs the next search the time.
        with suppress(OSError):
            keep(scale, found)
    return found


@dataclass(frozen=True)
class Kept:
    """What a stopped search keeps of its limits.

    Args:
        limits: as they were measured, read or counted when it began.
        prices: as they were when it stopped.
    """

    limits: tuple[Limit, ...]
    prices: Tensor


def to_checkpoint(alphas: Alphas) -> list[State]:
    """What `read` takes back."""
    limits = alphas.candidates.rule.limits
    return [
        {"of": limit.of, "rest": limit.rest, "costs": limit.costs, "price": alphas.prices[number].clone()}
        for number, limit in enumerate(limits)
    ]


def read(saved: Any, alphas: Alphas) -> Kept:
    """The limits of a checkpoint; a search that began before there were any has none.

    Raises:
        MisfitError: they are not of this search.
    """
    own = alphas.candidates.rule.limits
    there = fitting.part("limits", [] if saved is None else saved, list)
    names = [fitting.part("limits", one, dict).get("of") for one in there]
    if names != [limit.of for limit in own]:
        raise fitting.MisfitError(f"limits are of {shortened(names, 80)}")
    limits = tuple(
        replace(
            limit,
            rest=fitting.number("limits.rest", one.get("rest"), whole=True),
            costs=fitting.tensor_like("limits.costs", one.get("costs"), limit.costs),
        )
        for one, limit in zip(there, own, strict=True)
    )
    prices = [fitting.tensor_like("limits.price", one.get("price"), alphas.prices[0]) for one in there]
    return Kept(limits, torch.stack(prices) if prices else alphas.prices)


def restore(kept: Kept, bilevel: Bilevel) -> None:
    """Go on with them."""
    bilevel.alphas.prices.copy_(kept.prices)
    bilevel.alphas.keep_to(kept.limits)
    bilevel.supernet.space = replace(bilevel.supernet.space, limits=kept.limits)


def as_json(limits: tuple[Limit, ...]) -> str:
    """What `saved` reads back."""
    return json.dumps([{**asdict(limit), "costs": limit.costs.tolist()} for limit in limits]) + "\n"


def saved(config: SearchConfig, folder: Path) -> SearchSpace:
    """The space of a search that has begun, with the limits that it has written.

    Raises:
        ValueError: they are damaged, or not there.
    """
    space = config.space
    if not config.limited:
        return space
    try:
        found = json.loads(files.read_text(contents.LIMITS.at(folder)))
        limits = tuple(Limit(**{**one, "costs": torch.tensor(one["costs"], dtype=torch.int64)}) for one in found)
        shape = space.stacked({kind: space.present(kind) for kind in space.kinds}).shape
        for limit in limits:
            limit.said(limit.most + limit.rest)
            if limit.costs.shape != shape:
                raise ValueError("costs of other choices")
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, RuntimeError):
        raise ValueError(f"{contents.LIMITS.name} is damaged") from None
    return keeping_to(space, limits)


def notes(space: SearchSpace, macro: Macro) -> Iterator[str]:
    """What is to be said of limits before a search."""
    present = space.stacked({kind: space.present(kind) for kind in space.kinds})
    for limit, smallest in zip(space.limits, least(space.rule, present), strict=True):
        yield (
            f"at most {limit.said(limit.most)} as {_sized(macro)}, where the smallest network of the space has "
            f"{limit.said(smallest)}"
        )


def kept_to(space: SearchSpace, scores: Mixing, macro: Macro) -> Iterator[str]:
    """What is to be said of limits when the genotype of these scores is found."""
    present = space.stacked({kind: space.present(kind) for kind in space.kinds})
    chosen = discretize(space.stacked(scores).cpu(), space.rule, present)
    for limit in space.limits:
        cost, most = limit.said(limit.cost(chosen)), limit.said(limit.most)
        yield f"{cost} as {_sized(macro)}, of at most {most}"


def _sized(macro: Macro) -> str:
    return f"{counted(macro.channels, 'channel')} and {counted(macro.layers, 'layer')}"
