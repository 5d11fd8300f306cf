"""Which sizes of a candidate keep to what a network may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dadarts.architecture.costs import Costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.places import places_of
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size, space
from dadarts.config.limits import Limited
from dadarts.engines.profile.cost import prediction_of
from dadarts.engines.profile.written import Table, read_table, said
from dadarts.errors import InputError
from dadarts.fitting.candidates import SPACE
from dadarts.pacing import counted
from dadarts.runs.threads import by_size, computing_with


def refusal(costs: Sequence[Costs], latencies: Sequence[float], limits: Limited) -> InputError:
    """Why there is no candidate: what the smallest network of any of them has, by each limit for itself."""
    least = (
        ("max_parameters", limits.max_parameters, [each.parameters for each in costs]),
        ("max_multiply_adds", limits.max_multiply_adds, [each.multiply_adds for each in costs]),
        ("max_latency_ms", limits.max_latency_ms, latencies),
    )
    each_limit = [
        f"-{name} {most:,}" + (f" (the smallest found has {min(own):,.6g})" if own else "")
        for name, most, own in least
        if most is not None
    ]
    return InputError(f"no network that is tried keeps to {' and '.join(each_limit)}")


def tabled_latencies(limits: Limited) -> Table | None:
    """The latencies of another device, where they are given.

    Raises:
        InputError: the table cannot be read, or is damaged.
    """
    return None if limits.costs is None else read_table(limits.costs)


def refuse_search(table: Table, sizes: Sequence[Macro]) -> None:
    """Refuse a table by which what is searched could have no size.

    Args:
        sizes: that it may have.

    Raises:
        InputError: it lacks an operation of the space at every size.
    """
    own = space(SPACE)
    lacking = [[said(place) for place in places_of(own, size) if place not in table.operations] for size in sizes]
    missing = min(lacking, key=len)
    if not missing:
        return
    raise InputError(
        f"-costs has no {missing[0]}, which what is searched in {SPACE} may need: add a row for it, or give -searching "
        "never"
    )


def refusal_of_table(lacking: Sequence[tuple[str, Genotype, Macro, list[str]]]) -> InputError:
    """Why a table has the operations of no candidate at any size: what the nearest one lacks.

    Args:
        lacking: the title of each candidate, its genotype, a size of it, and which rows it lacks.
    """
    title, genotype, macro, missing = min(lacking, key=lambda each: len(each[-1]))
    shape = "x".join(map(str, macro.image_shape))
    return InputError(
        f"-costs has no {missing[0]}, which {title} of {counted(macro.channels, 'channel')} and "
        f"{counted(macro.layers, 'layer')} needs, and the operations of no candidate at any size: `dadarts profile "
        f"-search_space {genotype.space.name} -image_shape {shape} -init_channels {macro.channels} -layers "
        f"{macro.layers} -batch_size 1 -csv` writes such rows"
    )


def latency_ms(genotype: Genotype, macro: Macro) -> float:
    """Milliseconds of a lone picture's prediction, measured on this machine."""
    _, height, width = macro.image_shape
    with computing_with(by_size(height * width * macro.channels).count):
        return 1e3 * prediction_of(Network(genotype, macro))


def fast_enough(size: Size, costs: Mapping[Size, Costs], latency: Callable[[Size], float], most_ms: float) -> Size:
    """The size, or else the largest found below it that is predicted in so many ms; the cheapest where none is.

    What is measured next follows from the multiply-adds.
    """

    def multiply_adds(size: Size) -> int:
        return costs[size].multiply_adds

    while (own := latency(size)) > most_ms:
        smaller = sorted((each for each in costs if multiply_adds(each) < multiply_adds(size)), key=multiply_adds)
        if not smaller:
            return size
        afford = multiply_adds(size) * most_ms / own
        size = max((each for each in smaller if multiply_adds(each) <= afford), key=multiply_adds, default=smaller[0])
    return size
