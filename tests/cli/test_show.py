"""A genotype is shown with its size and cost, to a person or a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.spaces import SPACES, space
from dadarts.training.export import load
from tests.commands import (
    BENCH_GENOTYPE,
    DARTS_GENOTYPE,
    QUICKEST,
    augment,
    call,
    modern,
    refusal,
    search,
    succeed,
    without_pictures,
)

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def shown(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(modern, "show", *words, "--json").out)
    return found


def test_darts_v2_has_its_published_size() -> None:
    found = shown(DARTS_V2)
    assert {"genotype", "space", "dataset", "init_channels", "layers", "parameters", "multiply_adds"} <= set(found)
    assert (found["space"], found["dataset"], found["init_channels"], found["layers"]) == ("darts", "cifar10", 36, 20)
    assert found["parameters"] == 3_349_342
    assert 5.2e8 < found["multiply_adds"] < 5.6e8


def test_a_nas_bench_201_string_has_its_own_default_size() -> None:
    found = shown(BENCH_GENOTYPE)
    assert (found["genotype"], found["space"]) == (BENCH_GENOTYPE, "nas-bench-201")
    assert (found["init_channels"], found["layers"]) == (16, 5)


def test_sizes_follow_the_flags_and_the_data_set() -> None:
    small = shown(DARTS_GENOTYPE, "--init_channels", "8", "--layers", "3")
    assert (small["init_channels"], small["layers"]) == (8, 3)
    larger = shown(DARTS_GENOTYPE, "--init_channels=16", "-n_layers", "3")
    assert larger["parameters"] > 2 * small["parameters"]
    many = shown(DARTS_GENOTYPE, "--init_channels", "8", "--layers", "3", "--dataset", "cifar100")
    assert many["parameters"] > small["parameters"]
    assert many["multiply_adds"] > small["multiply_adds"]
    assert shown(DARTS_GENOTYPE, "--init_channels", "8", "--layers", "3", "--dataset", "mnist")["dataset"] == "mnist"


def test_it_is_printed_for_people_and_its_cells_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    said = succeed(modern, "show", DARTS_V2, "--runs_dir", "r").out
    assert "3,349,342" in said
    assert "init_channels  36" in said
    drawn = [word for word in said.split() if word.endswith(".svg")]
    assert [Path(path).name for path in drawn] == ["normal.svg", "reduce.svg"]
    assert all("<svg" in Path(path).read_text() and path.startswith("r/show/") for path in drawn)


def test_a_genotype_comes_from_text_a_file_or_a_search() -> None:
    Path("runs/search/it").mkdir(parents=True)
    Path("runs/search/it/genotype.txt").write_text(DARTS_GENOTYPE)
    small = ["--init_channels", "4", "--layers", "2"]
    expected = shown(DARTS_GENOTYPE, *small)
    assert shown("@it", *small) == shown("runs/search/it/genotype.txt", *small) == expected
    for folder in ("runs/search/it", "runs/search/it/"):
        assert shown(folder, *small) == expected
    Path("runs/search/it/genotype.txt").rename("runs/search/it/genotype.json")
    assert shown("runs/search/it", *small) == expected
    assert call(modern, "show", *small, "--json", "@it").out == call(modern, "show", "@it", "-json", *small).out


@pytest.mark.parametrize("name", SPACES)
def test_a_genotype_of_any_space_is_shown_and_belongs_to_it(name: str) -> None:
    genotype = str(random_genotype(space(name), 0))
    small = ["--init_channels", "2", "--layers", "1"]
    assert shown(genotype, "--space", name, *small)["space"] == name
    everything = "darts" if name in ("S1", "S2", "S3") else name
    assert shown(genotype, *small)["space"] == everything
    mixed = DARTS_GENOTYPE.replace("sep_conv_3x3", "noise")
    assert shown(mixed, *small)["space"] == "darts"


def test_a_genotype_is_refused_by_a_space_that_has_its_operation_on_other_edges_only() -> None:
    genotype = str(random_genotype(space("S1"), 0))
    normal, reduce = genotype.split(", reduce=")
    wrong = normal.replace("('dil_conv_3x3', 0)", "('dil_conv_5x5', 0)", 1)
    assert wrong != normal
    assert refusal(modern, "show", f"{wrong}, reduce={reduce}", "--space", "S1") == (
        "dadarts: search space S1 has no dil_conv_5x5 from state 0 to normal node 2; the candidates there are "
        "skip_connect, dil_conv_3x3"
    )
    wrong = reduce.replace("('dil_conv_5x5', 4)", "('max_pool_3x3', 4)")
    said = refusal(modern, "show", f"{normal}, reduce={wrong}", "--space", "S1")
    assert "has no max_pool_3x3 from state 4 to reduce node 5; the candidates there are skip_connect, dil" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "begin with dadarts show GENOTYPE"),
        (["@nothing"], "there is no genotype"),
        (["."], ".: there is no genotype at genotype.txt; see `dadarts runs`"),
        (["runs/augment/nobody"], "there is no file or folder runs/augment/nobody"),
        ([""], "not a genotype"),
        ([DARTS_GENOTYPE, "--space", "nas-bench-201"], "syntax"),
        ([BENCH_GENOTYPE, "--space", "darts"], "syntax"),
        ([DARTS_GENOTYPE, "--space", "S2"], "search space S2 has no"),
        ([DARTS_GENOTYPE.replace("sep_", "dil_"), "--space", "S1"], "1 in the genotype, 4 in search space S1"),
        ([DARTS_GENOTYPE, "--space", "dart"], "Did you mean 'darts'"),
        ([DARTS_GENOTYPE, "--dataset", "cifar"], "Did you mean 'cifar10"),
        ([DARTS_GENOTYPE, "--layers", "0"], "-layers 0"),
        ([DARTS_GENOTYPE, "--layers", "-3"], "-layers -3"),
        ([DARTS_GENOTYPE, "--init_channels", "many"], "-init_channels many"),
        ([DARTS_GENOTYPE, "--layers", "²"], "-layers ²"),
        ([DARTS_GENOTYPE, "--init_channels", "9" * 400], "-init_channels 999"),
        ([DARTS_GENOTYPE, DARTS_GENOTYPE], "takes one GENOTYPE; put quotes around a path with spaces"),
    ],
)
def test_what_cannot_be_shown_is_refused(words: list[str], said: str) -> None:
    assert said in refusal(modern, "show", *words)


def test_a_run_is_shown_with_its_data_set_and_a_training_with_its_size_and_accuracy() -> None:
    small = ("-dataset", "digits", "-init_channels", "4", "-layers", "2")
    succeed(search, "-name", "it", *QUICKEST)
    short = ("-epochs", "1", "-dataset_portion", "0.1", "-aux_weight", "0", "-device", "cpu")
    succeed(augment, "-name", "it", *small, *short, "-genotype", "@it")
    text = Path("runs/search/it/genotype.txt").read_text().strip()
    trained = shown("runs/augment/it")
    measured = json.loads(Path("runs/augment/it/metrics.json").read_text())
    assert trained["search"][0].startswith("undecided: ")
    assert trained["test_top1"] == measured["test_top1"]
    assert "test_top1      0." in succeed(modern, "show", "runs/augment/it").out
    assert {**trained, "search": [], "test_top1": None} == shown(text, *small)
    found = Path("runs/search/it/genotype.json").read_text()
    assert {**shown("runs/augment/it", "-layers", "3"), "test_top1": None} == shown(found, *small[:4], "-layers", "3")
    assert shown("@it") == shown(found, "--dataset", "digits")
    assert shown("@it", "-dataset", "cifar100") == shown(found, "-dataset", "cifar100")


def without_facts(run: str) -> None:
    """Make a run one of those that were begun before runs wrote what their pictures are like."""
    config = Path(run) / "config.json"
    saved = json.loads(config.read_text())
    del saved["versions"]["image_shape"], saved["versions"]["classes"]
    config.write_text(json.dumps(saved))


def test_a_run_of_own_pictures_is_shown_with_their_size_and_an_old_one_says_where_it_cannot() -> None:
    draw = np.random.default_rng(0)
    np.savez("own.npz", x=draw.integers(0, 255, (48, 12, 10, 1), np.uint8), y=np.arange(48) % 4)
    own = {"digits": "own.npz", "0.1": "1", "64": "16"}
    succeed(search, "-name", "it", *(own.get(word, word) for word in QUICKEST))
    sizes = ("-dataset", "own.npz", "-init_channels", "4", "-layers", "2", "-aux_weight", "0", "-batch_size", "8")
    succeed(augment, "-name", "it", *sizes, "-epochs", "1", "-genotype", "@it", "-device", "cpu")
    measured = json.loads(Path("runs/augment/it/metrics.json").read_text())
    trained = shown("runs/augment/it")
    for name in ("parameters", "multiply_adds", "test_top1"):
        assert trained[name] == measured[name]
    assert (trained["dataset"], trained["image_shape"], trained["classes"]) == ("own.npz", [1, 12, 10], 4)
    without_facts("runs/augment/it")
    assert shown("runs/augment/it") == trained
    found = shown("@it", "-init_channels", "4", "-layers", "2")
    assert found["parameters"] == trained["parameters"]
    assert found["image_shape"] == [1, 12, 10]
    without_facts("runs/search/it")
    old = succeed(modern, "show", "@it")
    assert "dataset        cifar10" in old.out
    assert "runs/search/it does not say what its pictures are like: the numbers are of cifar10's" in old.err
    assert succeed(modern, "show", "@it", "-dataset", "mnist").err == (
        "the numbers are of a network of 36 channels and 20 layers, since a search leaves that to its training: "
        "-init_channels and -layers say another\n"
    )
    assert succeed(modern, "show", "@it", "--dataset", "mnist", "--init_channels", "4", "--layers", "2").err == ""
    said = refusal(modern, "show", DARTS_GENOTYPE, "-dataset", "own.npz")
    assert "A run on own pictures is shown with their size" in said


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("settings", "init_channels", "4"),
        ("settings", "layers", -1),
        ("settings", "dataset", ["digits"]),
        ("versions", "image_shape", [1, 8]),
        ("versions", "image_shape", [1, 10**9, 8]),
        ("versions", "classes", None),
    ],
)
def test_a_tampered_run_is_shown_by_what_is_whole_in_it_or_refused(part: str, name: str, value: object) -> None:
    folder = Path("runs/augment/it")
    folder.mkdir(parents=True)
    (folder / "genotype.txt").write_text(DARTS_GENOTYPE)
    every = {"name": "it", "epochs": 1, "genotype": DARTS_GENOTYPE}
    settings = {**every, "dataset": "digits", "init_channels": 4, "layers": 2}
    saved = {"settings": settings, "versions": {"image_shape": [1, 8, 8], "classes": 10}}
    (folder / "config.json").write_text(json.dumps(saved))
    expected = shown("runs/augment/it")
    saved[part][name] = value
    (folder / "config.json").write_text(json.dumps(saved))
    if part == "settings":
        assert f"config.json is damaged: {name} is {value}" in refusal(modern, "show", "runs/augment/it")
    else:
        assert shown("runs/augment/it") == expected


def test_a_run_whose_network_is_larger_than_memory_is_shown_by_what_it_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    def more_than_there_is(*_: object) -> None:
        raise MemoryError

    folder = Path("runs/augment/it")
    folder.mkdir(parents=True)
    (folder / "genotype.txt").write_text(DARTS_GENOTYPE)
    settings = {"name": "it", "epochs": 1, "genotype": DARTS_GENOTYPE, "dataset": "digits"}
    versions = {"image_shape": [1, 8, 8], "classes": 10}
    (folder / "config.json").write_text(json.dumps({"settings": settings, "versions": versions}))
    expected = shown("runs/augment/it")
    (folder / "model.safetensors").write_bytes(b"it is so large")
    monkeypatch.setattr("dadarts.cli.shown_run.safe_open", more_than_there_is)
    assert shown("runs/augment/it") == expected


NASNET = """NASNet = Genotype(
  normal = [('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0), ('avg_pool_3x3', 1),
    ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 1)],
  normal_concat = [2, 3, 4, 5, 6],
  reduce = [('sep_conv_5x5', 1), ('sep_conv_7x7', 0), ('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('avg_pool_3x3', 1),
    ('sep_conv_5x5', 0), ('skip_connect', 3), ('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)],
  reduce_concat = [4, 5, 6],
)
"""
"""The published cell, and one more of AmoebaNet's operations in it."""


def test_cells_of_other_spaces_are_trained_loaded_and_shown() -> None:
    Path("genotypes.py").write_text(NASNET)
    succeed(augment, "-name", "nas", *TINY_SIZES, "-genotype", "genotypes.py#NASNet")
    trained = shown("runs/augment/nas")
    assert trained["space"] == "darts"
    assert trained["genotype"].count("('avg_pool_3x3', 0), ('avg_pool_3x3', 0)") == 1
    assert trained["parameters"] == json.loads(Path("runs/augment/nas/metrics.json").read_text())["parameters"]
    network = load("runs/augment/nas")
    assert str(network.genotype) == trained["genotype"]
    assert len(network.predict(np.zeros((2, *network.image_shape), np.uint8))) == 2
    assert "search space darts has no sep_conv_7x7" in refusal(modern, "show", "genotypes.py", "--space", "darts")


TINY_SIZES = ["-dataset", "digits", "-init_channels", "4", "-layers", "1", "-epochs", "1", "-device", "cpu",
              "-dataset_portion", "0.1"]  # fmt: skip
INDICES = "(4, 0, 3, 1, 4, 3)"
OF_INDICES = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def test_pasted_genotypes_are_shown_and_a_reading_that_is_not_the_only_one_is_said() -> None:
    small = ("--init_channels", "4", "--layers", "2")
    expected = shown(DARTS_GENOTYPE, *small)
    for text in (f"genotype = {DARTS_GENOTYPE}", f"2018-06-27 13:25:46,379 genotype = {DARTS_GENOTYPE}",
                 f"genotypes.{DARTS_GENOTYPE},"):  # fmt: skip
        assert shown(text, *small) == expected
        assert succeed(modern, "show", text, *small).err == ""
    outcome = succeed(modern, "show", INDICES, "--json")
    assert json.loads(outcome.out)["genotype"] == OF_INDICES
    assert outcome.err.count("\n") == 1
    assert f"{INDICES} is read as NASLib's op_indices, {OF_INDICES}; for |" in outcome.err
    assert succeed(modern, "show", f"op_indices={INDICES}").err == ""
    assert "read as NASLib's op_indices" in succeed(modern, "oracle", "nas-bench-201", INDICES).err


def test_one_of_several_in_a_file_is_shown_by_its_name_or_line() -> None:
    small = ("--init_channels", "4", "--layers", "2")
    other = DARTS_GENOTYPE.replace("sep_", "dil_")
    Path("cells").mkdir()
    Path("cells/genotypes.py").write_text(
        f"import os\nA = {DARTS_GENOTYPE}\n\nB = {other}\nC = B\nLONE = {BENCH_GENOTYPE!r}\n"
    )
    for word in ("cells/genotypes.py#A", "cells/genotypes.py:A", "cells/genotypes.py#2"):
        assert shown(word, *small) == shown(DARTS_GENOTYPE, *small)
    assert shown("cells/genotypes.py#C", *small) == shown(other, *small)
    assert shown("cells/genotypes.py:LONE")["genotype"] == BENCH_GENOTYPE
    assert refusal(modern, "show", "cells/genotypes.py") == (
        "dadarts: cells/genotypes.py holds 3 genotypes (names A, B, LONE); name one, as cells/genotypes.py#A"
    )
    assert "cells/genotypes.py has no genotype D; " in refusal(modern, "show", "cells/genotypes.py#D")
    assert "no file or folder cells/none.py#A" in refusal(modern, "show", "cells/none.py#A")
    Path("cells/log.txt").write_text(f"2018-06-27 epoch 1\n2018-06-27 genotype = {other}\n2018-06-27 valid_acc 9\n")
    assert shown("cells/log.txt", *small) == shown(other, *small)
    Path("cells/empty.txt").write_text("nothing\n")
    assert "not a genotype: 'nothing'" in refusal(modern, "show", "cells/empty.txt")
    trained = succeed(augment, "-name", "it", *TINY_SIZES, "-genotype", "cells/genotypes.py#B")
    assert Path("runs/augment/it/genotype.txt").read_text().strip() == other
    assert trained.err.count("op_indices") == 0
    told = succeed(augment, "-name", "bench", *TINY_SIZES, "-genotype", INDICES)
    assert told.err.count("is read as NASLib's op_indices") == 1
    assert Path("runs/augment/bench/genotype.txt").read_text().strip() == OF_INDICES
