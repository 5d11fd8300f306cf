"""Genotypes go to other codebases and come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.architecture.dialects import COMPACT, DIALECTS
from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.spaces import space
from dadarts.errors import InputError

FLAT = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
"""DARTS_V2 (arXiv 1806.09055) as quark0/darts prints it."""
NESTED = (
    "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], "
    "[('sep_conv_3x3', 1), ('skip_connect', 0)], [('skip_connect', 0), ('dil_conv_3x3', 2)]], "
    "normal_concat=range(2, 6), "
    "reduce=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], [('skip_connect', 2), ('max_pool_3x3', 1)], "
    "[('max_pool_3x3', 0), ('skip_connect', 2)], [('skip_connect', 2), ('max_pool_3x3', 1)]], "
    "reduce_concat=range(2, 6))"
)
"""The same as pt.darts prints it."""
PAIRS = (
    "(((0, 3), (1, 3), (0, 3), (1, 3), (1, 3), (0, 2), (0, 2), (2, 5)), "
    "((0, 0), (1, 0), (2, 2), (1, 0), (0, 0), (2, 2), (2, 2), (1, 0)))"
)
"""The same in NASLib's compact form."""
BENCH = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
INDICES = "[2, 3, 0, 4, 1, 2]"
"""The cell of the benchmark in NASLib's order: edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3."""


@pytest.mark.parametrize(
    ("dialect", "text", "other"),
    [
        ("quark0/darts", FLAT, NESTED),
        ("pt.darts", NESTED, PAIRS),
        ("naslib", PAIRS, FLAT),
        ("naslib", INDICES, BENCH),
        ("nas-bench-201", BENCH, INDICES),
    ],
)
def test_what_one_codebase_prints_another_reads(dialect: str, text: str, other: str) -> None:
    assert Genotype.parse(other).written(dialect) == text
    assert Genotype.parse(text) == Genotype.parse(other)
    assert Genotype.parse(f"best = {text}") == Genotype.parse(text)


@given(seed=st.integers(0, 10**6), name=st.sampled_from(["darts", "nas-bench-201", "S2", "S3"]))
def test_every_genotype_that_can_be_written_is_read_as_it_was(seed: int, name: str) -> None:
    genotype = random_genotype(space(name), seed)
    forms = [dialect for dialect, syntaxes in DIALECTS.items() if genotype.syntax in syntaxes]
    assert len(forms) >= 2
    for dialect in forms:
        assert Genotype.parse(genotype.written(dialect)) == genotype


SMALL = "Genotype(normal=[[('skip_connect', 0), ('skip_connect', 1)]], normal_concat=[2], {}, reduce_concat=[2])"


@pytest.mark.parametrize(
    ("text", "dialect", "said"),
    [
        (BENCH, "darts", "unknown dialect 'darts'; known: quark0/darts, pt.darts, naslib, nas-bench-201"),
        (BENCH, "quark0/darts", "quark0/darts has no words for a nas-bench-201 genotype; it writes darts"),
        ("01201201", "naslib", "naslib has no words for a nas-bench-macro genotype"),
        ("|none~0|", "naslib", "naslib has cells of 3 nodes; this one has 1"),
        (SMALL.format("reduce=[[('noise', 0), ('nor_conv_3x3', 1)]]"), "pt.darts", "no operation noise, nor_conv_3x3"),
        (SMALL.format("reduce=[[('skip_connect', 0)]]"), "quark0/darts", "nodes of 2 edges each"),
        (SMALL.format("reduce=[[('skip_connect', 0), ('sep_conv_7x7', 1)]]"), "naslib", "no operation sep_conv_7x7"),
        (SMALL.format("reduce=[[('skip_connect', 0), ('skip_connect', 0)]]"), "naslib", "cells of 4 nodes"),
    ],
)
def test_what_a_codebase_has_no_words_for_is_refused(text: str, dialect: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        Genotype.parse(text).written(dialect)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PAIRS.replace("(2, 5)", "(2, 7)"), "normal has (2, 7); NASLib's compact form has (input, operation)"),
        (PAIRS.replace("(2, 5)", "(5, 5)"), "normal node 5 reads 5"),
        (PAIRS.replace(", (2, 5)", ""), "the normal cell of NASLib's compact form has 8 pairs"),
        (f"{PAIRS.partition(')), ')[0]})),)", "a normal cell and a reduction cell"),
        ("(((0, 3", "not a genotype"),
    ],
)
def test_a_damaged_compact_form_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        Genotype.parse(text)
    assert said in str(refused.value)


def test_the_compact_form_has_the_operations_of_the_darts_space() -> None:
    (edge, *_), *_ = space("darts").candidates["normal"]
    assert set(COMPACT) == set(edge) - {"none"}
