"""Every draw is a pure function of what it is for."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.seeds import derive, generator, seeded

KEY = st.lists(st.integers(-(2**63), 2**63) | st.text(max_size=8), max_size=4).map(tuple)


@settings(deadline=None, max_examples=30)
@given(key=KEY)
def test_a_seed_is_a_pure_function_of_its_key_that_torch_takes(key: tuple[int | str, ...]) -> None:
    seed = derive(*key)
    assert seed == derive(*key)
    assert 0 <= seed < 2**63
    torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=30)
@given(keys=st.lists(KEY, min_size=2, max_size=2, unique=True))
def test_different_keys_give_different_seeds(keys: list[tuple[int | str, ...]]) -> None:
    assert derive(*keys[0]) != derive(*keys[1])


def test_a_number_and_its_spelling_are_different_keys() -> None:
    assert derive(1, "2") != derive("1", 2) != derive(12) != derive("12")


def test_seeds_are_the_same_in_every_process_and_version() -> None:
    # blake2b of the key's repr, so that a resumed or repeated run draws what the first one drew.
    assert derive(42, "split") == 199082319040068583


def test_generators_of_one_key_draw_the_same_and_of_two_keys_do_not() -> None:
    one, two, other = (torch.randn(8, generator=generator(*key)) for key in ((1, "a"), (1, "a"), (2, "a")))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_a_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    torch.randn(3, generator=generator(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_construction_repeats_and_puts_the_global_generator_back() -> None:
    before = torch.get_rng_state()
    with seeded(3, "net"):
        first = torch.nn.Linear(2, 2).weight
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    with seeded(3, "net"):
        second = torch.nn.Linear(2, 2).weight
    assert torch.equal(first, second)
