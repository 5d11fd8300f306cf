"""Laws of draws that look at nothing or at sizes, against plain counting over the tables."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest
from scipy import stats

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.oracle import ORACLES, Table, controls, nas_bench_201, nas_bench_macro
from dadarts.oracle.controls import Law, largest_of, random_draw, spearman, with_parameters
from tests.commands import modern, succeed


@pytest.mark.parametrize("name", ORACLES)
def test_the_choices_of_a_network_are_those_of_its_text(name: str) -> None:
    table = ORACLES[name]()
    assert table.choices.shape[0] == len(table)
    for number in range(0, len(table), 997):
        names = [table.operations[choice] for choice in table.choices[number]]
        arch = table.arch(number)
        found = [part.split("~")[0] for part in arch.split("|") if "~" in part] if "|" in arch else None
        assert names == found if found else [str(table.operations.index(one)) for one in names] == list(arch)


@pytest.mark.parametrize("number", [0, 1, 77, 1234, 9876, 15_624])
def test_multiply_adds_are_those_of_the_network_itself(number: int) -> None:
    table = nas_bench_201()
    counted = count_costs(Genotype.parse(table.arch(number)), Macro(16, 5, (3, 32, 32), 10))
    assert (counted.parameters, counted.multiply_adds) == (table.parameters[number], table.multiply_adds[number])


def test_a_random_draw_is_every_network_alike() -> None:
    table = nas_bench_201()
    accuracies, law = table.accuracies("cifar100"), random_draw(table, "cifar100")
    assert (law.mean, law.sd) == pytest.approx((accuracies.mean(), accuracies.std()))
    for level in (0.0, 0.05, 0.5, 0.95, 1.0):
        assert law.quantile(level) == pytest.approx(np.quantile(accuracies, level, method="inverted_cdf"))
    assert law.better_than(70.0) == pytest.approx((accuracies > 70).mean())
    assert law.better_than(accuracies.max()) == 0


def test_a_draw_with_parameters_has_none_of_none_and_skip() -> None:
    table = nas_bench_201()
    texts = [arch for arch in table.architectures() if "none" not in arch and "skip" not in arch]
    law = with_parameters(table, "cifar10")
    assert len(law.accuracies) == len(texts) == 3**6
    assert law.mean == pytest.approx(np.mean([table.query(arch).scores["cifar10"].accuracy for arch in texts]))
    assert with_parameters(nas_bench_macro(), "cifar10").mean == pytest.approx(92.55, abs=0.01)


def test_the_largest_of_some_draws_has_the_law_of_its_order_statistic() -> None:
    table = nas_bench_macro()
    law, rng = largest_of(table, "cifar10", 10), np.random.default_rng(0)
    drawn = rng.integers(len(table), size=(20_000, 10))
    # Of equals a random one: a draw's place among its ten is random already.
    largest = drawn[np.arange(len(drawn)), table.parameters[drawn].argmax(axis=1)]
    simulated = table.accuracies("cifar10")[largest]
    assert law.weights.sum() == pytest.approx(1)
    assert law.mean == pytest.approx(simulated.mean(), abs=4 * simulated.std() / 20_000**0.5)
    assert law.sd == pytest.approx(simulated.std(), rel=0.1)
    best = largest_of(table, "cifar10", None)
    assert best.mean == table.query("22222222").scores["cifar10"].accuracy
    assert largest_of(table, "cifar10", 1).mean == pytest.approx(random_draw(table, "cifar10").mean)


@pytest.mark.parametrize(("table", "best"), [(nas_bench_201(), 90.20), (nas_bench_macro(), 92.95)])
def test_every_constant_network_is_told(table: Table, best: float) -> None:
    told = list(controls.constants(table, "cifar10"))
    assert len(told) == len(table.operations)
    assert max(one.law.mean for one in told) == pytest.approx(best, abs=0.005)
    assert all(one.networks == 1 for one in told)


def test_the_test_of_a_mean_against_a_law_is_the_exact_one() -> None:
    # A fair coin: the mean of 10 is binomial.
    coin = Law.uniform(np.array([0.0, 1.0]))
    for heads in (5, 7, 9, 10):
        upper = sum(comb(10, k) for k in range(heads, 11)) / 2**10
        assert coin.p_of_mean(heads / 10, 10) == pytest.approx(min(1, 2 * upper), abs=8 * (upper / 100_000) ** 0.5)
    assert coin.p_of_mean(0.1, 10) == pytest.approx(coin.p_of_mean(0.9, 10), rel=0.1)
    assert coin.p_of_mean(2.0, 3) == 2 / 100_000
    # Under the null hypothesis p is uniform.
    law = random_draw(nas_bench_macro(), "cifar10")
    means = np.random.default_rng(3).choice(law.accuracies, (60, 5)).mean(axis=1)
    ps = [law.p_of_mean(float(mean), 5) for mean in means]
    assert stats.kstest(ps, "uniform").pvalue > 0.01


def test_spearman_is_that_of_the_statistics_library_and_its_error_covers() -> None:
    rng = np.random.default_rng(5)
    first = rng.integers(8, size=400).astype(float)
    second = first + rng.normal(scale=4, size=400)
    found = spearman(first, second)
    assert found.value == pytest.approx(stats.spearmanr(first, second).statistic)
    # 1.06 / sqrt(n) * (1 - rho^2) is about the error under normality.
    assert found.error == pytest.approx((1 - found.value**2) / 400**0.5, rel=0.3)


def test_the_command_tells_the_controls_to_people_and_programs() -> None:
    said = succeed(modern, "oracle", "nas-bench-201", "controls").out
    rows = [line.split() for line in said.splitlines()]
    assert ["nor_conv_3x3", "everywhere", "1", "90.20", "0.00", "90.20", "90.20", "90.20", "4.4"] in rows
    assert "most parameters of 100 draws" in said
    assert "among the true top 500: parameters 0.52 +- 0.0" in said
    found = json.loads(succeed(modern, "oracle", "nas-bench-macro", "controls", "--json").out)
    (first, *_) = found["cifar10"]
    assert (first["control"], round(first["mean"], 2)) == ("random draw", 90.25)
