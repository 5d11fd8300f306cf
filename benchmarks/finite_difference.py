"""Error of the second-order correction's finite difference: ``python benchmarks/finite_difference.py``.

Compares ``Bilevel.mixed_product`` with exact automatic differentiation on a small darts supernet (real operations, ReLU
and max-pooling kinks included) and on the same supernet without kinks, for several constants c. The table goes to
benchmarks/results/finite_difference.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import space
from dadarts.architecture.supernet import Supernet
from dadarts.data import Batch
from dadarts.methods.alphas import Alphas
from dadarts.methods.method import Method
from dadarts.methods.schedules import Progress
from dadarts.searching.bilevel import Bilevel
from dadarts.seeds import generator, seeded

HALFWAY = Progress(1, 2)
CONSTANTS = (1e-1, 1e-2, 1e-3, 1e-4)


def problem(dtype: torch.dtype, epsilon: float, seed: int, smooth: bool) -> tuple[Bilevel, Batch, list[Tensor]]:
    """A supernet, a batch of 32 pictures, and v, the gradient in w on another batch, as in the architecture step."""
    darts = space("darts", 2)
    with seeded(seed, "weights"):
        supernet = Supernet(darts, Macro(4, 3, (3, 16, 16), 10)).to(dtype)
    if smooth:
        supernet = smoothed(supernet)
    alphas = Alphas(darts, generator(seed, "alphas")).to(dtype)
    draw = generator(seed, "data")
    train, valid = (
        Batch(
            torch.randn((32, 3, 16, 16), generator=draw, dtype=torch.float64).to(dtype),
            torch.randint(10, (32,), generator=draw),
            key,
        )
        for key in range(2)
    )
    bilevel = Bilevel(supernet, alphas, replace(Method(), epsilon=epsilon))
    direction, _, _ = bilevel.weight_gradient(valid, bilevel.fixed_mixing(bilevel.method.look_ahead, HALFWAY))
    return bilevel, train, direction


def exact(bilevel: Bilevel, batch: Batch, v: list[Tensor]) -> Tensor:
    """``grad_alpha <grad_w L, v>`` by differentiating twice."""
    loss, _ = bilevel.loss(batch, bilevel.alphas.mix(bilevel.method.look_ahead, HALFWAY))
    gradient = torch.autograd.grad(loss, bilevel.w, create_graph=True)
    product = sum((g * d).sum() for g, d in zip(gradient, v, strict=True))
    assert isinstance(product, Tensor)  # noqa: S101 -- sum() of an empty list would be 0
    return flat(torch.autograd.grad(product, bilevel.alpha))


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """One float64 vector of all entries."""
    return torch.cat([tensor.detach().flatten().double() for tensor in tensors])


def smoothed(supernet: Supernet) -> Supernet:
    """The same network without kinks: softplus for ReLU, average pools for max pools."""
    for module in list(supernet.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Softplus())
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(3, child.stride, 1, count_include_pad=False))
    return supernet


def worst_error(dtype: torch.dtype, c: float, truths: list[Tensor], smooth: bool) -> float:
    """Largest relative error over the seeds."""
    errors = []
    for seed, truth in enumerate(truths):
        bilevel, batch, v = problem(dtype, c, seed, smooth)
        errors.append(float((flat(bilevel.mixed_product(batch, v, HALFWAY)) - truth).norm() / truth.norm()))
    return max(errors)


def main() -> None:
    """Measure and write the table."""
    torch.set_num_threads(1)
    lines = [
        "| c | smooth network, float64 | real operations, float64 | real operations, float32 |",
        "|---|---|---|---|",
    ]
    truths = {
        smooth: [exact(*problem(torch.float64, 1.0, seed, smooth)) for seed in range(3)] for smooth in (True, False)
    }
    for c in CONSTANTS:
        cells = [
            worst_error(dtype, c, truths[smooth], smooth)
            for dtype, smooth in ((torch.float64, True), (torch.float64, False), (torch.float32, False))
        ]
        lines.append(f"| {c:g} | " + " | ".join(f"{cell:.1e}" for cell in cells) + " |")
    text = "\n".join(lines) + "\n"
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "finite_difference.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
