"""The search spaces against published numbers and tables."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dadarts.architecture.counting import count_parameters
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.operations import NAS_BENCH_201_OPS, NONE
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SPACES, Size, for_syntax, space
from dadarts.errors import InputError
from tests.nets import ragged_space

SHARED = Path(__file__).parents[3] / "shared"
BENCHES = {"nas-bench-201", "nas-bench-macro"}

DARTS_V2 = """Genotype(
    normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
            ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],
    normal_concat=[2, 3, 4, 5],
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
            ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],
    reduce_concat=[2, 3, 4, 5])"""


def reference(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the reference table {name} is not here")
    return path


def test_darts_v2_has_its_published_number_of_parameters() -> None:
    genotype = Genotype.parse(DARTS_V2)
    with torch.device("meta"):
        plain = Network(genotype, Macro(36, 20, (3, 32, 32), 10))
        with_head = Network(genotype, Macro(36, 20, (3, 32, 32), 10), auxiliary=True)
    assert count_parameters(plain) == 3_349_342
    assert count_parameters(with_head) == 3_349_342
    assert sum(p.numel() for p in with_head.parameters()) > 3_349_342


def trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def bench_network(text: str) -> Network:
    with torch.device("meta"):
        return Network(Genotype.parse(text), Macro(16, 5, (3, 32, 32), 10))


def bench_costs() -> tuple[int, dict[str, int]]:
    """Parameters of the skeleton, and of each operation over the 15 cells of a network, on the meta device."""
    nothing = bench_network("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    with torch.device("meta"):
        per_operation = {
            name: 5 * sum(trainable(operation.build(channels, 1, True)) for channels in (16, 32, 64))
            for name, operation in NAS_BENCH_201_OPS.items()
        }
    return trainable(nothing), per_operation


def test_all_cells_of_nas_bench_201_have_their_published_number_of_parameters() -> None:
    with reference("data/nasbench201.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["arch"] for row in rows}) == 15_625
    skeleton, per_operation = bench_costs()
    wrong = [
        row["arch"]
        for row in rows
        if skeleton + sum(per_operation[op] for op in Genotype.parse(row["arch"]).operations()) != int(row["params"])
    ]
    assert wrong == []


def test_whole_nas_bench_201_networks_have_the_parameters_of_their_parts() -> None:
    skeleton, per_operation = bench_costs()
    draw = random.Random(201)
    for _ in range(20):
        ops = draw.choices(list(NAS_BENCH_201_OPS), k=6)
        text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops)
        assert count_parameters(bench_network(text)) == skeleton + sum(per_operation[op] for op in ops)


def test_s1_equals_its_table_edge_by_edge() -> None:
    table: dict[str, Any] = json.loads(reference("s1.json").read_text())
    for kind in ("normal", "reduce"):
        edges = [list(edge) for node in space("S1").candidates[kind] for edge in node]
        assert edges == table[kind]


@pytest.mark.parametrize("name", SPACES)
def test_every_space_is_well_formed(name: str) -> None:
    it = space(name)
    assert it.name == name
    for kind in it.kinds:
        assert len(it.candidates[kind]) == it.nodes
        for number, node in enumerate(it.candidates[kind]):
            assert len(node) == (1 if it.syntax == "nas-bench-macro" else it.inputs + number)
            assert list(it.reads(kind, number)) == list(range(it.inputs + number))[-len(node) :]
            assert it.edges is None or it.edges <= len(node)
            for edge in node:
                assert len(set(edge)) == len(edge) > 0
                assert set(edge) <= set(it.ops)
                assert NONE not in edge[:-1]
    banned = {row[column] for kind in it.kinds for n in it.table(kind) for row in n for column in it.rule.banned}
    assert banned <= {NONE}
    assert it.none_everywhere == (it.bans_none and all(NONE in e for c in it.candidates.values() for n in c for e in n))


def test_the_spaces_offer_the_published_operations() -> None:
    offers = {name: space(name).candidates["normal"][0][0] for name in SPACES}
    assert len(offers["darts"]) == 8
    assert offers["nas-bench-201"] == ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none")
    assert offers["connect-nas-bench"] == ("nor_conv_3x3", "skip_connect", "none")
    assert offers["S2"] == ("sep_conv_3x3", "skip_connect")
    assert set(offers["S3"]) == {"none", "sep_conv_3x3", "skip_connect"}
    assert offers["S4"] == ("sep_conv_3x3", "noise")
    assert offers["nas-bench-macro"] == ("identity", "mb3_k3", "mb6_k5")
    assert {name for name in SPACES if space(name).none_everywhere} == {"darts", "connect-nas-bench", "S3"}
    assert {name for name in SPACES if space(name).edges == 2} == set(SPACES) - BENCHES
    assert all(space(name).rule.banned == () for name in BENCHES)


def test_sizes_and_numbers_of_nodes_have_the_published_defaults() -> None:
    assert {name: space(name).nodes for name in SPACES} == {
        **dict.fromkeys(SPACES, 4),
        "nas-bench-201": 3,
        "nas-bench-macro": 8,
    }
    for name in set(SPACES) - BENCHES:
        assert (space(name).search_size, space(name).train_size) == (Size(16, 8), Size(36, 20))
    assert (space("nas-bench-201").search_size, space("nas-bench-201").train_size) == (Size(16, 5), Size(16, 5))
    assert (space("nas-bench-macro").search_size, space("nas-bench-macro").train_size) == (Size(32, 1), Size(32, 1))
    assert space("darts", 2).nodes == 2
    assert for_syntax("darts", 3).nodes == 3


def test_a_darts_cell_has_112_choices_and_keeps_8() -> None:
    it = space("darts")
    assert sum(len(edge) for node in it.candidates["normal"] for edge in node) == 112
    assert it.rule.edges is not None
    assert it.nodes * it.rule.edges == 8


def test_padding_stands_before_none_and_else_at_the_end() -> None:
    normal = ragged_space().table("normal")
    assert normal[0] == (("sep_conv_3x3", "skip_connect", "none"), ("avg_pool_3x3", None, None))
    assert normal[1][0] == ("skip_connect", None, "none")


@pytest.mark.parametrize(
    ("given", "meant"), [("dart", "darts"), ("s1", "S1"), ("nas-bench-21", "nas-bench-201"), ("DARTS", "darts")]
)
def test_an_unknown_name_is_refused_with_the_nearest_one(given: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"unknown search space '{given}'.*Did you mean '{meant}'"):
        space(given)


def test_nas_bench_macro_with_another_number_of_layers_is_refused() -> None:
    with pytest.raises(InputError, match="has 8 layers, its nodes, not 4"):
        space("nas-bench-macro", 4)


def test_s1_with_another_number_of_nodes_is_refused() -> None:
    with pytest.raises(InputError, match="S1 is defined for 4 nodes, not 3"):
        space("S1", 3)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("nodes", [0, -1])
def test_a_cell_without_nodes_is_refused(name: str, nodes: int) -> None:
    with pytest.raises(InputError):
        space(name, nodes)
