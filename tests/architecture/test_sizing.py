"""The widest network within limits, against a count of every width."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.sizing import Within, widest, widest_of_each_depth
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import space
from dadarts.errors import InputError

MACRO = Macro(5, 3, (3, 9, 8), 4)
GENOTYPE = random_genotype(space("darts", 1), 0)


@pytest.mark.parametrize("parameters", [900, 3000, 3001, 10_000])
def test_it_is_the_most_channels_whose_counted_costs_keep_to_the_limit(parameters: int) -> None:
    counts = {c: count_costs(GENOTYPE, replace(MACRO, channels=c)).parameters for c in range(1, 24)}
    assert counts[23] > parameters
    found = widest(MACRO, Within(GENOTYPE, parameters=parameters))
    assert found == replace(MACRO, channels=max(c for c, count in counts.items() if count <= parameters))


def test_the_widest_network_is_found_for_every_depth_that_has_one() -> None:
    keeps = Within(GENOTYPE, parameters=900, multiply_adds=40_000)
    sizes = widest_of_each_depth(MACRO, keeps, range(1, 41, 13))
    assert 0 < len(sizes) < 4
    for size in sizes:
        assert keeps(size)
        assert not keeps(replace(size, channels=size.channels + 1))
    beyond = set(range(1, 41, 13)) - {size.layers for size in sizes}
    assert not any(keeps(replace(MACRO, channels=1, layers=layers)) for layers in beyond)


def test_no_more_channels_than_asked_for_are_tried_and_what_never_fits_is_refused() -> None:
    assert widest(MACRO, Within(GENOTYPE), most=37) == replace(MACRO, channels=37)
    assert widest(MACRO, Within(GENOTYPE, parameters=1)) is None
    with pytest.raises(InputError, match="no network of 1 channel keeps to the limits"):
        widest_of_each_depth(MACRO, Within(GENOTYPE, parameters=1), [1, 2])
