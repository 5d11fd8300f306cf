"""A fit under the latencies of another device: `--costs` says what the sizes of its candidates take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import Path

import pytest

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.places import Place, places_of
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size, space
from dadarts.engines.profile.written import read_table
from dadarts.fitting import applying, candidates, limits, loop, plan, record, speed
from dadarts.fitting.candidates import FAMILIES
from tests import commands
from tests.commands import modern, refusal, succeed
from tests.engines.test_profile import recorded_places

WORDS = ["--dataset_portion", "0.1", "--threads", "1", "--workers", "0", "--device", "cpu", "--minutes", "0.005"]
RESNET, SEPARABLE = FAMILIES[0], FAMILIES[2]
HEAD = "operation,in_channels,height,width,out_channels,stride,ms\n"
SIZES = (Size(2, 1), Size(4, 1))


@pytest.fixture(autouse=True)
def two_small_families(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    two = [
        candidates.Family(own.name, own.title, own.why, own.genotype, (Size(2, layers), Size(4, layers)))
        for own, layers in ((RESNET, 1), (SEPARABLE, 3))
    ]
    monkeypatch.setattr(loop, "FAMILIES", two)
    monkeypatch.setattr(applying, "BENCH_SIZES", SIZES)
    monkeypatch.setattr(plan, "SHORTEST", 0.01)
    monkeypatch.setattr(speed, "SECONDS", 0.02)
    monkeypatch.chdir(tmp_path)
    commands.without_pictures(monkeypatch)


def macro(size: Size) -> Macro:
    return Macro(size.channels, size.layers, (1, 8, 8), 10)


def places(own: candidates.Family, size: Size) -> Mapping[Place, int]:
    """As a network of it computes them."""
    return recorded_places(Network(Genotype.parse(own.genotype), macro(size)))


def write(costs: Mapping[Place, float], rests: Mapping[str, float], without: Iterable[Place] = ()) -> None:
    rows = [
        f"{place.operation},{','.join(map(str, place.inputs))},{place.channels},{place.stride},{ms}"
        for place, ms in costs.items()
        if place not in without
    ]
    Path("phone.csv").write_text(HEAD + "\n".join([*rows, *(f"{name},,,,,,{ms}" for name, ms in rests.items())]) + "\n")


def resnets(each: float) -> dict[Place, float]:
    """Every operation of a ResNet of both sizes, in ms."""
    return {place: each * place.channels for size in SIZES for place in places(RESNET, size)}


def fit(*words: str) -> str:
    return succeed(modern, "fit", "digits", *WORDS, "--costs", "phone.csv", "--max_latency_ms", *words).err


def test_the_network_of_a_fit_keeps_to_the_latencies_of_another_device() -> None:
    write(resnets(0.5), {"(rest)": 1.0})
    small, large = (
        1 + sum(times * 0.5 * own.channels for own, times in places(RESNET, size).items()) for size in SIZES
    )
    assert small < large
    said = fit(str(small + 0.01))
    (entrant,) = record.read(Path("runs/fit/digits")).entrants or ()
    assert (entrant.family, Size(entrant.channels, entrant.layers)) == ("resnet", SIZES[0])
    # Of what it has no operations of, it says so; and this machine measures nothing.
    assert (
        "note: --costs has the operations of these sizes alone: 2 of 2 of a ResNet, 0 of 2 of a cell of separable"
    ) in said
    assert "measuring latencies" not in said
    line = refusal(modern, "fit", "digits", *WORDS, "--overwrite", "--costs", "phone.csv", "--max_latency_ms", "0.5")
    assert f"keeps to --max_latency_ms 0.5 (the smallest found has {small:,.6g})" in line


def test_a_latency_by_a_table_is_the_sum_of_its_rows() -> None:
    write(resnets(0.3), {"(rest)": 1.0, "(rest 4x1)": 2.5})
    table = read_table(Path("phone.csv"))
    for size, rest in zip(SIZES, (1.0, 2.5), strict=True):
        exact = rest + sum(
            times * ceil(1e6 * 0.3 * own.channels - 1e-3) / 1e6 for own, times in places(RESNET, size).items()
        )
        assert table.latency_ms(Genotype.parse(RESNET.genotype), macro(size)) == pytest.approx(exact, abs=1e-6)


def test_a_table_that_has_no_candidate_names_what_the_nearest_lacks() -> None:
    costs = resnets(0.5)
    *_, last = places(RESNET, SIZES[1])
    # The smaller size lacks all of its operations, the larger one a single one.
    write(costs, {"(rest)": 1.0}, [last, *places(RESNET, SIZES[0])])
    line = refusal(modern, "fit", "digits", *WORDS, "--costs", "phone.csv", "--max_latency_ms", "5")
    where = "x".join(map(str, last.inputs))
    assert f"--costs has no {last.operation} of {where} with stride 1, which a ResNet of 4 channels and 1 layer" in line
    assert "-search_space nas-bench-201 --image_shape 1x8x8 --init_channels 4 --layers 1 --batch_size 1 --csv`" in line
    write(costs, {"(rest 8x1)": 1.0})
    line = refusal(modern, "fit", "digits", *WORDS, "--costs", "phone.csv", "--max_latency_ms", "5")
    assert "--costs has no (rest) or (rest 2x1), which a ResNet of 2 channels and 1 layer needs" in line


def test_what_is_searched_must_be_in_the_table_too() -> None:
    write(resnets(0.5), {"(rest)": 1.0})
    asked = ["fit", "digits", *WORDS, "--searching", "always", "--costs", "phone.csv", "--max_latency_ms", "500"]
    asked[asked.index("0.005")] = "0.05"
    line = refusal(modern, *asked)
    assert "which what is searched in nas-bench-201 may need: add a row for it, or give --searching never" in line
    write({place: 1.0 for size in SIZES for place in places_of(space("nas-bench-201"), macro(size))}, {"(rest)": 1.0})
    limits.refuse_search(read_table(Path("phone.csv")), [macro(size) for size in SIZES])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--costs", "phone.csv"], "--costs says what operations take: it needs --max_latency_ms"),
        (["--costs", "none.csv", "--max_latency_ms", "5"], "--costs none.csv: No such file"),
    ],
)
def test_a_table_without_a_limit_or_that_is_not_there_is_refused(words: list[str], said: str) -> None:
    assert said in refusal(modern, "fit", "digits", *WORDS, *words)
