"""Several processes compute what one does: the same sums, files and refusals, whoever is stopped or killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dadarts.architecture.network import DropPath
from dadarts.architecture.norms import BatchNorm, synchronise
from dadarts.architecture.operations import Noise
from dadarts.architecture.places import walked_space
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace
from dadarts.config import SearchConfig
from dadarts.data import Augmentation, InMemory, Loader
from dadarts.distributed import ALONE, LAUNCHER, Processes, from_environment, joined
from dadarts.engines.choose import pick_engine
from dadarts.engines.profile import Cost, Profile
from dadarts.errors import InputError, RunError
from dadarts.runs import resuming, setup, threads
from dadarts.runs.device import pick_device, pick_threads
from dadarts.runs.evaluation import evaluate
from dadarts.runs.folder import RunFolder
from dadarts.searching import limits
from dadarts.seeds import generator
from tests.commands import (
    IMPORTED_BEFORE_FORKING,
    TINIEST,
    TINY_TRAINING,
    Outcome,
    Running,
    alphas,
    augment,
    call,
    check_refusal,
    column,
    history,
    modern,
    result_of_search,
    script,
    search,
    spawn,
    succeed,
    without_pictures,
)
from tests.nets import build_supernet, macro_of, tiny_space

DADARTS = ["-hd_on_weights", "-topk_on_alphas", "-dal_on_alphas", "-print_freq", "1"]


def of_one_epoch(portion: str) -> list[str]:
    """The tiniest DADARTS search, of one epoch over a portion of the digits."""
    changed = {"-epochs": "1", "-dataset_portion": portion}
    values = [changed.get(flag, word) for flag, word in zip(["", *TINIEST], TINIEST, strict=False)]
    return [*values, *DADARTS]


SHORT = of_one_epoch("0.1")
"""Four steps."""
LONG = [*of_one_epoch("0.46"), "-hessian_eigenvalue"]
"""Twenty steps."""
SEARCH_RUN = Path("runs/search/it")

RankOf = Callable[[Processes], Any]


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What ``torch.distributed.run`` tells a process."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def in_two(compute_part: RankOf, folder: Path) -> list[Any]:
    """What a function returns in each of two joined processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED_BEFORE_FORKING)
    port = free_port()
    ranks = [
        context.Process(target=_rank, args=(compute_part, environment(rank, 2, port), folder / f"{rank}.pt"))
        for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    assert [rank.exitcode for rank in ranks] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _rank(compute_part: RankOf, variables: dict[str, str], path: Path) -> None:
    torch.set_num_threads(1)
    os.environ.update(variables)
    with joined(from_environment()) as here:
        torch.save(compute_part(here), path)


def pair(entry: str, words: list[str], folder: Path) -> list[Running]:
    """A command in two processes, as the launcher starts them."""
    port = free_port()
    folders = [folder / f"rank{rank}" for rank in range(2)]
    for place in folders:
        place.mkdir(exist_ok=True)
    words = [*words, "-runs_dir", str(folder / "runs")]
    return [Running(entry, words, place, environment(rank, 2, port)) for rank, place in enumerate(folders)]


def is_silent(process: Running) -> bool:
    """Whether it said nothing; torch itself may log that the first process, which holds their store here, has gone."""
    words = ("search.py:", "augment.py:", "note:", "epoch", "search on", "saved")
    return not process.out and not any(word in process.err for word in words)


def finish(running: list[Running]) -> list[int]:
    return [process.end() for process in running]


def batch_norms() -> Iterator[tuple[str, BatchNorm, Tensor, Tensor]]:
    """Norms of every kind, a batch of six for each, far from mean 0, and the gradient of its output."""
    for channels in (3, 12):
        for affine in (False, True):
            for layout in (torch.contiguous_format, torch.channels_last):
                draw = generator(channels, "norm")
                norm = BatchNorm(channels, affine=affine, track_running_stats=affine).double()
                for parameter in norm.parameters():
                    nn.init.normal_(parameter, generator=draw)
                x, g = 5 + torch.randn((2, 6, channels, 5, 4), generator=draw, dtype=torch.float64)
                yield f"{channels} {affine} {layout}", norm, x.contiguous(memory_format=layout), g


def passed(norm: nn.Module, x: Tensor, g: Tensor) -> dict[str, Tensor]:
    """Output, gradients and buffers of a pass."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = norm(x)
    y.backward(g)
    found = {"y": y.detach(), "x": x.grad, **norm.state_dict()}
    found |= {f"{name} gradient": parameter.grad for name, parameter in norm.named_parameters()}
    return {name: tensor.clone() for name, tensor in found.items() if tensor is not None}


class _LikeCuda(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The sums of a batch norm's backward pass are computed only where it is given a weight."""

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if call is torch.ops.aten.native_batch_norm_backward.default and args[2] is None:
            return None, None, None
        return call(*args, **(kwargs or {}))


def passed_by_shares(here: Processes) -> dict[str, dict[str, Tensor]]:
    found = {}
    for name, norm, x, g in batch_norms():
        synchronise(norm, here)
        share = here.share(len(x))
        with _LikeCuda():  # type: ignore[no-untyped-call]
            found[name] = passed(norm, x[share], g[share])
    return found


def test_batch_norm_over_two_processes_is_that_of_the_joined_batch(tmp_path: Path) -> None:
    shares = in_two(passed_by_shares, tmp_path)
    for name, norm, x, g in batch_norms():
        oracle = nn.BatchNorm2d(norm.num_features, affine=norm.affine, track_running_stats=norm.affine).double()
        oracle.load_state_dict(norm.state_dict())
        for what, expected in passed(oracle, x, g).items():
            parts = [share[name][what] for share in shares]
            if what in ("x", "y"):
                found = torch.cat(parts)
                assert all(part.is_contiguous(memory_format=torch.channels_last) for part in parts) or (
                    "contiguous_format" in name
                )
            elif "gradient" in what:
                # Each process has the gradient of the sum of losses through its own pictures.
                found = parts[0] + parts[1]
            else:
                assert torch.equal(*parts)
                found = parts[0]
            torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11, msg=f"{name}: {what}")


def test_in_evaluation_mode_a_process_normalises_its_own_batch() -> None:
    norm = BatchNorm(4, affine=False, track_running_stats=False)
    synchronise(norm, Processes(1, 2))
    x = torch.randn((4, 4, 3, 3), generator=generator("evaluated"))
    # No process is joined: whoever asked another for its statistics would fail.
    torch.testing.assert_close(norm.eval()(x), nn.BatchNorm2d(4, affine=False, track_running_stats=False)(x))


def shared(here: Processes) -> dict[str, Any]:
    """What the first process, and then what each, makes of tensors and numbers."""
    like = torch.arange(24.0).view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    averaged = here.averaged([like * (1 + here.rank), torch.tensor(float(here.rank))])
    assert averaged[0].stride() == like.stride()
    order = here.in_turn(lambda: here.rank)
    return {
        "averaged": averaged,
        "summed": here.summed(torch.tensor([1, here.rank])),
        "gathered": here.gathered(torch.tensor(here.rank)),
        "largest": here.largest(3 * here.rank),
        "order": order,
    }


def test_what_processes_exchange(tmp_path: Path) -> None:
    first, second = in_two(shared, tmp_path)
    for found in (first, second):
        assert torch.equal(found["averaged"][0], 1.5 * torch.arange(24.0).view(1, 2, 3, 4))
        assert found["averaged"][1] == 0.5
        assert found["summed"].tolist() == [2, 1]
        assert found["gathered"].tolist() == [0, 1]
        assert found["largest"] == 3
    assert (first["order"], second["order"]) == (0, 1)


def timed(here: Processes) -> Tensor:
    """Costs and rest of a limit of latency, where each process would measure other ones."""
    config = SearchConfig(name="it", dataset="digits", search_space="connect-nas-bench", nodes=2, max_latency_ms=1e3)

    def measured(space: SearchSpace, macro: Macro, _: object) -> Profile:
        own = Cost(0, 0, 1e-6 * (1 + here.rank))
        return Profile(dict.fromkeys(walked_space(space, macro).places, own), own)

    data = SimpleNamespace(train=SimpleNamespace(shape=(1, 8, 8)), classes="0123456789")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "latencies", measured)
        (limit,) = limits.limited(config, cast(setup.Foundation, SimpleNamespace(processes=here, data=data))).limits
    assert limit.most == 10**9
    return torch.cat([limit.costs.flatten(), torch.tensor([limit.rest])])


def test_a_latency_is_what_the_first_process_has_measured(tmp_path: Path) -> None:
    first, second = in_two(timed, tmp_path)
    assert torch.equal(first, second)
    assert first[-1] == 1000


def told(here: Processes) -> str:
    """What the second process refuses reaches the first, which only notices that it has gone."""
    if not here.is_first:
        here.tell(InputError("the picture is damaged"))
        return "told"
    with pytest.raises(InputError, match="the picture is damaged"):
        here.largest(0)
    return "heard"


def test_the_error_that_ended_another_process_is_heard(tmp_path: Path) -> None:
    assert in_two(told, tmp_path) == ["heard", "told"]


def test_alone_nothing_is_exchanged() -> None:
    tensor = torch.ones(2)
    assert ALONE.averaged([tensor])[0] is tensor
    assert ALONE.summed(tensor) is tensor
    assert ALONE.gathered(tensor).shape == (1, 2)
    assert ALONE.share(5) == slice(0, 5)
    assert from_environment({}) is ALONE
    assert from_environment({"RANK": "0", "WORLD_SIZE": "1"}) is ALONE


def test_processes_on_several_machines_are_refused() -> None:
    with pytest.raises(InputError, match="several machines"):
        from_environment({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"})


def loader(here: Processes, augment: Augmentation | None, workers: int = 0) -> Loader:
    draw = generator("pictures")
    pictures = InMemory(torch.randint(256, (21, 1, 8, 8), dtype=torch.uint8, generator=draw), torch.arange(21) % 3)
    return Loader(pictures, torch.arange(21), 4, (0.5,), (0.2,), 7, "train", augment, workers=workers, processes=here)


@pytest.mark.parametrize("workers", [0, 1])
def test_shares_of_augmented_batches_are_the_batch_of_one_process(workers: int) -> None:
    augment = Augmentation.standard((1, 8, 8), flip="both", cutout=3)
    whole = list(loader(ALONE, augment).epoch(1, start=2))
    shares = [list(loader(Processes(rank, 2), augment, workers).epoch(1, start=2)) for rank in range(2)]
    assert len(whole) == len(shares[0]) == 3
    for expected, *parts in zip(whole, *shares, strict=True):
        assert torch.equal(torch.cat([part.images for part in parts]), expected.images)
        assert torch.equal(torch.cat([part.labels for part in parts]), expected.labels)
        assert {part.key for part in parts} == {expected.key}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("count", [1, 2, 4, 7])
@pytest.mark.parametrize("mixes_classes", [False, True])
def test_every_whole_batch_is_dealt_once_in_equally_many_rounds(count: int, workers: int, mixes_classes: bool) -> None:
    def of(here: Processes) -> Loader:
        return replace(loader(here, None, workers), mixes_classes=mixes_classes)

    whole = list(of(ALONE).epoch(0))
    dealt = [list(of(Processes(rank, count)).dealt()) for rank in range(count)]
    assert {len(rounds) for rounds in dealt} == {-(-len(whole) // count)}
    found = {step: batch for rounds in dealt for step, batch in rounds if batch is not None}
    assert sorted(found) == list(range(len(whole)))
    for step, batch in found.items():
        assert torch.equal(batch.images, whole[step].images)
        assert batch.key == whole[step].key


@pytest.mark.parametrize(("count", "expected"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (4, [4, 6]), (7, [6])])
def test_every_process_counts_the_batches_that_all_have_measured(count: int, expected: list[int]) -> None:
    for rank in range(count):
        passes = {"even": lambda batch: torch.zeros(len(batch.labels), 3)}
        evaluation = evaluate(nn.Identity(), loader(Processes(rank, count), None), passes)
        # Behind the last round the scores would be summed, and no process is joined.
        assert list(islice(evaluation, len(expected))) == [(measured, 6) for measured in expected]


def test_noise_and_drop_path_are_shares_of_one_draw() -> None:
    x = torch.ones((6, 2, 4, 4))
    noise = Noise(2)
    whole, dropped = noise(x), DropPath(0.5, generator("drop"))(x)
    for rank in range(3):
        here = Processes(rank, 3)
        synchronise(noise, here)
        part = here.share(6)
        assert torch.equal(noise(x[part]), whole[part])
        assert torch.equal(DropPath(0.5, generator("drop"), here)(x[part]), dropped[part])
    assert torch.equal(noise.eval()(x), whole)


def test_engines_threads_and_devices_of_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    two, cpu = Processes(1, 2), torch.device("cpu")
    supernet = build_supernet(tiny_space("darts"), macro_of())
    engine = pick_engine("auto", supernet, cpu, processes=two)
    assert engine.name == "torch"
    assert engine.why == "native kernels are for one process"
    with pytest.raises(InputError, match="engine torch"):
        pick_engine("native", supernet, cpu, processes=two)
    config = SearchConfig(name="it", dataset="digits", device="auto", gpus="2,5")
    monkeypatch.setattr(threads, "cores", lambda: 8)
    assert pick_threads(config, 1024, 16, 64).count == 8
    assert pick_threads(config, 1024, 16, 64, two).count == 4
    assert pick_threads(config, 1024, 16, 16, two).count == 1
    with pytest.raises(InputError, match=r"run `python -m torch\.distributed\.run --nproc_per_node 2 search\.py"):
        pick_device(config.device, config.gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 6)
    assert pick_device(config.device, config.gpus, two) == torch.device("cuda", 5)
    assert pick_device(config.device, None, two) == torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="this machine has 1"):
        pick_device(config.device, None, Processes(0, 2))


def test_a_batch_without_equal_shares_is_refused_before_data_is_read() -> None:
    config = SearchConfig(name="it", dataset="nowhere", batch_size=15)
    with pytest.raises(InputError, match=r"^batch_size 15 .* give a multiple of 2"):
        setup.lay(config, Processes(0, 2))


def test_two_processes_under_the_launcher_search_as_one_does() -> None:
    outcome = spawn(sys.executable, *LAUNCHER[1:], "2", *script("search.py")[1:], "-name", "it", *LONG)
    assert outcome.code == 0, outcome.err
    assert outcome.out == (SEARCH_RUN / "genotype.txt").read_text(), "one process prints, once"
    assert outcome.err.count("epoch 1/1  loss") == 1
    succeed(search, "-name", "one", *LONG, "-engine", "reference")
    one = SEARCH_RUN.with_name("one")
    assert (one / "genotype.txt").read_text() == outcome.out
    assert files(SEARCH_RUN) == files(one)
    versions = json.loads((SEARCH_RUN / "config.json").read_text())["versions"]
    assert versions["processes"] == 2
    # 20 steps of Adam, whose updates are alpha_lr (3e-4) in size whatever the gradient's is: a wrong gradient moves an
    # alpha by 1e-4 and more. Float32 gives relative errors of about 1e-6 in a gradient, of which a step makes 3e-10.
    for name, expected in alphas(one).items():
        np.testing.assert_allclose(alphas(SEARCH_RUN)[name], expected, rtol=0, atol=1e-6)
    for name in ("train_loss", "valid_loss", "hessian_eigenvalue"):
        assert column(SEARCH_RUN, name) == pytest.approx(column(one, name), rel=1e-3)
    assert column(SEARCH_RUN, "train_top1") == pytest.approx(column(one, "train_top1"), abs=0.01)


def test_two_processes_weigh_draws_and_restart_as_one_does(tmp_path: Path) -> None:
    words = ["search", *TINIEST, "-method", "dadarts-plus", "-restarts", "2", "-print_freq", "1", "-alpha_lr", "3e-4"]
    words[words.index("-epochs") + 1] = "6"
    running = pair("dadarts", [*words, "-name", "it"], tmp_path)
    assert finish(running) == [0, 0], running[0].err
    succeed(modern, *words, "-name", "one", "-engine", "reference")
    one = alphas(SEARCH_RUN.with_name("one"))
    # Warm-up is two thirds of the three epochs of each restart, so alphas have moved: by steps of up to 3e-4.
    assert np.abs(one["normal_0"][5] - one["initial_normal_0"]).max() > 1e-4
    for name, expected in one.items():
        # The gradient is made of differences between losses, in which float32 leaves fewer digits, and Adam enlarges
        # what is left of small ones; a gradient of half the batch differs by more than a step.
        np.testing.assert_allclose(alphas(SEARCH_RUN)[name], expected, rtol=0, atol=5e-5)


def test_two_processes_decide_on_edges_as_one_does(tmp_path: Path) -> None:
    words = ["search", *of_one_epoch("0.1")[: -len(DADARTS)], "-method", "fixed-alpha", "-selection_epochs", "1"]
    running = pair("dadarts", [*words, "-name", "it"], tmp_path)
    assert finish(running) == [0, 0], running[0].err
    succeed(modern, *words, "-name", "one", "-engine", "reference")
    two, one = decided(SEARCH_RUN), decided(SEARCH_RUN.with_name("one"))
    assert len(two) == 12
    assert [decision for decision, _ in two] == [decision for decision, _ in one]
    # Losses of a picture differ as much as those weights that two processes have trained.
    assert [sure for _, sure in two] == pytest.approx([sure for _, sure in one], abs=0.11)
    assert running[0].out == (SEARCH_RUN.with_name("one") / "genotype.txt").read_text()
    assert is_silent(running[1])


def decided(run: Path) -> list[tuple[str, float]]:
    """What a perturbation has kept, in its order, and how many standard errors before the next."""
    notes = re.findall(r"selection \d+/12: (.*?keeps [a-z0-9_ ]+\w).*?([\d.]+) standard", (run / "log.txt").read_text())
    return [(decision, float(sure)) for decision, sure in notes]


def test_two_processes_race_forks_as_one_does(tmp_path: Path) -> None:
    words = ["search", *of_one_epoch("0.1")[: -len(DADARTS)], "-method", "dadarts-lookahead"]
    words[words.index("-nodes") + 1] = "1"
    words += ["-selection_steps", "2", "-selection_looks", "0", "-selection_pictures", "20"]
    running = pair("dadarts", [*words, "-name", "it"], tmp_path)
    assert finish(running) == [0, 0], running[0].err
    succeed(modern, *words, "-name", "one", "-engine", "reference")
    two, one = races(SEARCH_RUN), races(SEARCH_RUN.with_name("one"))
    assert [edge for edge, _ in two] == [edge for edge, _ in one]
    for (_, losses), (_, expected) in zip(two, one, strict=True):
        assert losses == pytest.approx(expected, abs=2e-3)
    assert is_silent(running[1])


def races(run: Path) -> list[tuple[str, list[float]]]:
    """What races have kept, let wait and removed, in their order, and the losses of their forks."""
    notes = re.findall(r"note: (\w+ node .*?)[:;] (.*)", (run / "log.txt").read_text())
    assert len(notes) >= 4
    return [(edge, [float(loss) for loss in re.findall(r"\d\.\d{4}", losses)]) for edge, losses in notes]


def files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "tensorboard" not in path.parts}


def test_stopped_killed_and_resumed_two_processes_come_to_the_same_bits(tmp_path: Path) -> None:
    words = ["-name", "it", *SHORT, "-checkpoint_minutes", "0"]
    assert finish(pair("search", ["-name", "whole", *SHORT], tmp_path)) == [0, 0]
    running = pair("search", words, tmp_path)
    running[0].wait_for("  step 1/")
    assert running[1].stop(signal.SIGTERM) == 143, running[1].err
    assert running[0].end() == 143, "all stop after the same step, whichever is asked"
    assert is_silent(running[1])
    advice = shlex.split(running[0].err.splitlines()[-1].split("go on with: ")[1])
    assert advice == [*LAUNCHER, "2", "search.py", *words, "-runs_dir", str(tmp_path / "runs"), "-resume"]
    outcome = call(search, "-name", "it", "-resume")
    check_refusal(outcome)
    assert "2 in the run and 1 here; start it with `python -m torch.distributed.run --nproc_per_node 2`" in outcome.err
    running = pair("search", [*words, "-resume"], tmp_path)
    running[0].wait_for("  step 3/")
    assert running[1].stop(signal.SIGKILL) == -signal.SIGKILL
    assert running[0].end() == 1
    assert "another process of this run has ended; the last checkpoint is kept" in running[0].err
    running = pair("search", [*words, "-resume"], tmp_path)
    assert finish(running) == [0, 0], running[0].err
    assert is_silent(running[1])
    assert result_of_search(SEARCH_RUN) == result_of_search(SEARCH_RUN.with_name("whole"))


def test_a_search_in_one_process_is_not_resumed_in_two() -> None:
    folder = RunFolder(SEARCH_RUN)
    SEARCH_RUN.mkdir(parents=True)
    folder.write_config({"name": "it", "dataset": "digits", "epochs": 1}, {"threads": 1})
    resuming.refuse_other_processes(folder, ALONE)
    with pytest.raises(InputError, match="1 in the run and 2 here; start it as one process"):
        resuming.refuse_other_processes(folder, Processes(0, 2))


def test_a_refusal_is_said_by_the_first_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = pair("search", ["-name", "it", *TINIEST[:-2], "-search_space", "darts", "-engine", "native"], tmp_path)
    assert running[0].end() == 2
    # The other one leaves the first to speak, and is ended by the launcher meanwhile.
    assert running[1].stop(signal.SIGKILL) == -signal.SIGKILL
    check_refusal(Outcome(2, running[0].out, running[0].err))
    assert "-engine native" in running[0].err
    assert is_silent(running[1])
    assert not SEARCH_RUN.exists()


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    words = [*TINY_TRAINING, "-drop_path_prob", "0.3", "-valid_fraction", "0.2", "-class_weights", "balanced"]
    words += ["-mixup", "0.4", "-label_smoothing", "0.1", "-ema", "0.2", "-schedule", "one_cycle", "-nesterov"]
    running = pair("augment", ["-name", "it", *words], tmp_path)
    assert finish(running) == [0, 0], running[0].err
    succeed(augment, "-name", "one", *words)
    two, one = Path("runs/augment/it"), Path("runs/augment/one")
    assert files(two) == files(one)
    assert is_silent(running[1])
    found = json.loads((two / "metrics.json").read_text())
    assert float(running[0].out) == found["test_top1"]
    # Every picture is answered once, by one of them.
    assert found["log_loss"] == pytest.approx(found["test_loss"], rel=1e-5)
    assert sum(found["confusion"][number][number] for number in range(10)) / 359 == found["test_top1"]
    assert sum(map(sum, found["confusion"])) == found["test_pictures"] == 359
    alone = json.loads((one / "metrics.json").read_text())
    for name in ("test_top1", "balanced_accuracy", "log_loss"):
        assert found[name] == pytest.approx(alone[name], abs=0.01)
    for name in ("train_loss", "valid_loss"):
        assert column(two, name) == pytest.approx(column(one, name), rel=1e-4)
    assert len(history(two)) == 2


def test_without_the_process_that_held_their_store_the_loss_is_still_one_line() -> None:
    class Gone:
        def check(self, keys: list[str]) -> bool:
            raise RuntimeError("connection refused")

        def compare_set(self, *words: str) -> None:
            raise RuntimeError("connection refused")

    here = Processes(1, 2, Gone())
    here.tell(RunError("it is full"))
    with pytest.raises(RunError, match="another process of this run has ended"), here._connected():
        raise RuntimeError("Connection closed by peer")
