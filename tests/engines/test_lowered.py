"""bfloat16 passes: near the float32 ones, never where gradients are subtracted, and only where they are faster."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dadarts.engines.autocast import Lowered
from dadarts.methods.method import Method
from dadarts.methods.relaxations import Soft
from dadarts.runs import device
from dadarts.searching.bilevel import Bilevel, Inner
from tests.commands import BENCH_GENOTYPE, COMMON, augment, call, history, search, without_pictures
from tests.nets import MIDWAY, TinyBatch, build_alphas, build_batch, build_supernet, flat, macro_of, tiny_space

CPU = torch.device("cpu")


def problem(lowered: bool) -> tuple[Bilevel, TinyBatch, TinyBatch]:
    search_space, macro = tiny_space("darts"), macro_of(channels=4, image_shape=(3, 8, 8))
    supernet, alphas = build_supernet(search_space, macro).float(), build_alphas(search_space).float()
    forward = Lowered(supernet, CPU) if lowered else supernet
    train, valid = (build_batch(macro, seed) for seed in (0, 1))
    batches = [TinyBatch(batch.images.float(), batch.labels, batch.key) for batch in (train, valid)]
    return Bilevel(supernet, alphas, Method(), forward, exact=supernet), batches[0], batches[1]


def test_logits_come_in_float32_and_near_the_exact_ones() -> None:
    exact, train, _ = problem(lowered=False)
    lowered, _, _ = problem(lowered=True)
    mixing = exact.fixed_mixing(Soft(), MIDWAY)
    ours, theirs = (bilevel.forward(train.images, mixing, 0) for bilevel in (lowered, exact))
    assert ours.dtype == torch.float32
    assert not torch.equal(ours, theirs)
    # Eight bits of mantissa, rounded a few dozen times.
    assert (ours - theirs).norm() < 0.1 * theirs.norm()


def test_finite_differences_are_those_of_float32_bit_for_bit() -> None:
    found = []
    for lowered in (False, True):
        bilevel, train, _ = problem(lowered)
        draw = torch.Generator().manual_seed(0)
        v = [torch.randn(w.shape, generator=draw) for w in bilevel.w]
        before = bilevel.forward
        found.append([*bilevel.mixed_product(train, v, MIDWAY), *bilevel.hessian_product(train, v, MIDWAY)])
        assert bilevel.forward is before
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_an_architecture_step_stays_near_the_exact_one() -> None:
    found = []
    for lowered in (False, True):
        bilevel, train, valid = problem(lowered)
        inner = Inner(0.025, 0.9, 3e-4, [torch.zeros_like(w) for w in bilevel.w])
        found.append(flat(bilevel.architecture_gradient(train, valid, MIDWAY, inner)[0]))
    exact, ours = found
    assert 0 < (ours - exact).norm() < 0.5 * exact.norm()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_precision_for_cuda_is_refused_on_a_cpu_in_one_line(precision: str) -> None:
    done = call(search, "-name", "a", "-dataset", "digits", "-device", "cpu", "-precision", precision)
    assert done.code == 2
    assert done.out == ""
    assert f"-precision {precision} is for CUDA" in done.err
    assert len(done.err.splitlines()) == 1


TRAINED = [*COMMON, "-name", "a", "-genotype", BENCH_GENOTYPE, "-cutout_length", "0", "-precision", "bf16"]


def test_a_training_in_bf16_on_a_cpu_follows_the_one_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    # What the processor lacks torch computes by other instructions, to the same sums.
    monkeypatch.setattr(device, "lowers_well", lambda _: True)
    losses = []
    for words in (TRAINED, [*TRAINED[:-1], "float32", "-engine", "reference", "-overwrite"]):
        done = call(augment, *words)
        assert done.code == 0, done.err
        losses.append(float(history(Path("runs/augment/a"))[-1]["train_loss"]))
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


def test_native_kernels_are_refused_for_a_training_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "lowers_well", lambda _: True)
    done = call(augment, *TRAINED, "-engine", "native")
    assert done.code == 2
    assert "-engine native computes in float32; use -engine reference with -precision bf16" in done.err


def test_a_training_in_bf16_is_refused_where_the_processor_does_not_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "lowers_well", lambda _: False)
    done = call(augment, *TRAINED)
    assert done.code == 2
    assert "-precision bf16 is for CUDA, or a training on a CPU with AMX or AVX512-BF16" in done.err
