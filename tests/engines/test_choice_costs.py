"""What choices cost, in sums, against the count of whole networks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import draw_scores, random_genotype, read_off
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SPACES, space
from dadarts.engines.profile.limits import at_most_multiply_adds, at_most_parameters
from dadarts.seeds import generator


@given(
    name=st.sampled_from([*SPACES]),
    channels=st.integers(1, 6),
    layers=st.integers(1, 5),
    sides=st.tuples(st.sampled_from([8, 9, 13, 100]), st.sampled_from([8, 11, 100])),
    seed=st.integers(0, 100),
)
@settings(deadline=None, max_examples=5)
def test_costs_of_choices_add_up_to_those_of_the_network(
    name: str, channels: int, layers: int, sides: tuple[int, int], seed: int
) -> None:
    own, macro = space(name), Macro(channels, layers if name != "nas-bench-macro" else 1, (3, *sides), 5, 2)
    scores = draw_scores(own, generator(seed))
    chosen = own.stacked(scores) > 0
    counted = count_costs(read_off(own, own.split(chosen)), macro)
    assert at_most_parameters(own, macro, 0).cost(chosen) == counted.parameters
    assert at_most_multiply_adds(own, macro, 0).cost(chosen) == counted.multiply_adds


def test_they_do_so_in_deep_networks() -> None:
    own, macro = space("S2", 1), Macro(2, 26, (1, 8, 8), 3)
    genotype = random_genotype(own, 5)
    chosen = own.stacked(draw_scores(own, generator(5, "random-genotype"))) > 0
    assert at_most_parameters(own, macro, 0).cost(chosen) == count_costs(genotype, macro).parameters
