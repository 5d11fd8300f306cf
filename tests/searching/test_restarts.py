"""A search of several restarts is so many searches, and its genotype is that of their mean."""

from __future__ import annotations

import json
import signal
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from dadarts.architecture.spaces import space
from dadarts.config import SearchConfig
from dadarts.methods.schedules import Progress
from dadarts.searching.state import build
from dadarts.searching.trajectory import trajectory
from tests.commands import (
    COMMON,
    TINIEST,
    Running,
    alphas,
    history,
    modern,
    result_of_search,
    succeed,
    without_pictures,
)
from tests.nets import flat

TWO_STEPS = ["32" if word == "16" else word for word in COMMON]
SEARCH = ["search", *TWO_STEPS, "-search_space", "nas-bench-201", "-method", "dadarts-late", "-alpha_lr", "0.05"]
RUNS = Path("runs/search")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def lasting(epochs: int) -> list[str]:
    words = list(SEARCH)
    words[words.index("-epochs") + 1] = str(epochs)
    return words


def test_the_genotype_is_that_of_the_mean_of_all_restarts() -> None:
    found = succeed(modern, *lasting(6), "-name", "it", "-restarts", "3").last_line
    nodes = [alphas(RUNS / "it")[f"normal_{node}"][1::2] for node in range(3)]
    assert [node.shape for node in nodes] == [(3, edges, 5) for edges in (1, 2, 3)]
    means = [softmax(node.astype(np.float64), axis=-1).mean(axis=0) for node in nodes]
    # D of NAS-Bench-201 keeps every edge, and may choose `none`.
    tables = space("nas-bench-201").table("normal")
    chosen = [
        [names[weights.argmax()] for names, weights in zip(table, node, strict=True)]
        for table, node in zip(tables, means, strict=True)
    ]
    assert found == "+".join(f"|{'|'.join(f'{name}~{edge}' for edge, name in enumerate(node))}|" for node in chosen)


def test_the_first_restart_is_the_search_without_others_and_all_begin_anew() -> None:
    succeed(modern, *lasting(2), "-name", "one", "-w_lr", "0.025")
    succeed(modern, *lasting(4), "-name", "two", "-w_lr", "0.025", "-restarts", "2")
    one, two = alphas(RUNS / "one"), alphas(RUNS / "two")
    rows = history(RUNS / "two")
    for name in ("normal_0", "normal_1", "normal_2"):
        assert (one[name] == two[name][:2]).all()
        # Adam moves every alpha by a bounded step, so the second begins within reach of its own draw alone.
        far = len(rows) * 0.05 * 8
        assert np.abs(two[name][2] - two[f"initial_{name}"]).max() < far
        assert (two[f"initial_{name}"] != one[f"initial_{name}"]).all()
        assert np.abs(two[f"initial_{name}"]).max() < 0.01
    columns = ("epoch", "weight_lr", "temperature", "dal_factor")
    assert [[round(float(row[name]), 9) for name in columns] for row in rows] == [
        [0, 0.025, 0, 0],
        [1, 0.013, 100, 0.5],
        [2, 0.025, 0, 0],
        [3, 0.013, 100, 0.5],
    ]


def test_a_search_killed_where_a_restart_begins_and_within_it_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    words = ["search", *TINIEST, "-method", "dadarts-late", "-restarts", "2", "-print_freq", "1"]
    words = [*words, "-checkpoint_minutes", "0"]
    words[words.index("-epochs") + 1] = "4"
    succeed(modern, *words, "-name", "whole")
    for moment in ("epoch 2/4  loss", "epoch 3/4  step 2/"):
        resumed = ["-resume"] if (RUNS / "it").exists() else []
        running = Running("dadarts", [*words, "-name", "it", *resumed], tmp_path)
        running.wait_for(moment)
        assert running.stop(signal.SIGKILL) == -signal.SIGKILL, running.err
    succeed(modern, *words, "-name", "it", "-resume")
    assert result_of_search(RUNS / "it") == result_of_search(RUNS / "whole")


def test_a_comparison_reads_off_what_each_epoch_would_have_returned() -> None:
    one = succeed(modern, *lasting(2), "-name", "one").last_line
    two = succeed(modern, *lasting(4), "-name", "two", "-restarts", "2").last_line
    config = SearchConfig(**json.loads((RUNS / "two" / "config.json").read_text())["settings"])
    course = trajectory(config, RUNS / "two" / "alphas.npz")
    assert course is not None
    assert str(course.genotypes[1]) == one
    assert str(course.genotypes[-1]) == two
    # Choices are compared within the last restart, which began with another draw.
    arrays = alphas(RUNS / "two")
    ends, firsts, draws = ([name for node in range(3) for name in choices_of(arrays, node, at)] for at in (3, 2, None))
    assert course.kept_from_first_epoch == pytest.approx(np.mean([a == b for a, b in zip(ends, firsts, strict=True)]))
    assert course.kept_from_draw == pytest.approx(np.mean([a == b for a, b in zip(ends, draws, strict=True)]))


def choices_of(arrays: dict[str, NDArray[np.float32]], node: int, epoch: int | None) -> list[int]:
    """The operation that each edge of a node has after an epoch, or (None) in the draw."""
    values = arrays[f"initial_normal_{node}"] if epoch is None else arrays[f"normal_{node}"][epoch]
    operations: list[int] = values.argmax(axis=-1).tolist()
    return operations


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "nas-bench-macro", "connect-nas-bench", "S4"])
def test_a_restart_forgets_all_that_was_before(name: str) -> None:
    config = SearchConfig(
        name="it", dataset="digits", search_space=name, init_channels=2, layers=1, threads=1, batch_size=16
    )
    states = [build(config) for _ in range(2)]
    trained = states[0]
    batches = zip(trained.loaders.train.epoch(0), trained.loaders.architecture.epoch(0), strict=True)
    for train, valid in islice(batches, 2):
        trained.optimizers.step(train, valid, Progress(0, 2), 0.1)
    before = flat(trained.bilevel.w)
    for state in states:
        state.restart(config.seed, 1)
    own, other = (state.to_checkpoint() for state in states)
    for part in ("weights", "alphas"):
        assert own[part].keys() == other[part].keys()
        assert all(torch.equal(own[part][name], other[part][name]) for name in own[part])
    assert not own["sgd"]["state"]
    assert not own["adam"]["state"]
    assert torch.equal(torch.stack(own["initial"][:1]), torch.stack(other["initial"][:1]))
    assert not torch.equal(flat(trained.bilevel.w), before)


def test_parts_of_a_run_begin_at_0() -> None:
    places = [Progress(epoch, 12, key=7).within(3) for epoch in range(12)]
    assert places == [Progress(epoch, 4, key=7) for _ in range(3) for epoch in range(4)]
