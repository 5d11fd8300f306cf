"""The fast form against the readable supernet: the same function, the same gradients, whatever is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Forward, Idle, Mixing, Supernet
from dadarts.engines.native.engine import FusedSupernet
from dadarts.engines.torch_engine import SharedSupernet
from dadarts.methods.alphas import Alphas
from dadarts.methods.method import Method, Objective
from dadarts.methods.relaxations import Hard, Relaxation, Soft, TopK
from dadarts.methods.schedules import Constant, Progress
from dadarts.searching.bilevel import Bilevel, frozen
from tests.nets import (
    MIDWAY,
    RELAXATIONS,
    TinyBatch,
    build_alphas,
    build_supernet,
    colourful_space,
    every_space,
    macro_of,
    native_kernels,
    ragged_space,
    tiny_space,
    usual_optimizers,
)

SHAPES = [(3, 8, 8), (1, 9, 13)]
"""Even and odd, colour and grey."""


Form: TypeAlias = Callable[[Supernet], Forward]


FORMS = ("torch", "native")
"""In this order: where there is no compiler the first is tested all the same."""


def form_named(name: str) -> Form:
    """Makes a fast form of a supernet."""
    if name == "torch":
        return SharedSupernet
    kernels = native_kernels()
    return lambda supernet: FusedSupernet(supernet, kernels)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return form_named(request.param)


def batch_of(shape: tuple[int, int, int], seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn((4, *shape), generator=draw, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    return images, torch.tensor([0, 1, 2, 0])


def both(
    form: Form, search_space: SearchSpace, shape: tuple[int, int, int], layers: int | None = None
) -> tuple[Supernet, Forward]:
    supernet = of_four_channels(search_space, shape, layers)
    return supernet, form(supernet)


def of_four_channels(search_space: SearchSpace, shape: tuple[int, int, int], layers: int | None = None) -> Supernet:
    # The eight layers of a chain are deep enough: in 24, batch norms over the 4 values of a map of one pixel make a
    # rounding error of 1e-16 one of 1e-10, in either form.
    layers = layers or (1 if search_space.syntax == "nas-bench-macro" else 3)
    supernet = build_supernet(search_space, macro_of(channels=4, layers=layers, image_shape=shape))
    supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return supernet


def gradients(
    forward: Forward, mixing: Mixing, inputs: Sequence[Tensor], shape: tuple[int, int, int]
) -> tuple[Tensor, list[Tensor]]:
    images, labels = batch_of(shape)
    logits = forward(images, mixing, 3)
    loss = F.cross_entropy(logits, labels)
    return logits.detach(), list(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))


def cast(forward: Forward, dtype: torch.dtype) -> Forward:
    """The pass in another precision, from and to float64."""

    def run(x: Tensor, mixing: Mixing, key: int = 0, idle: Idle | None = None, /) -> Tensor:
        return forward(x.to(dtype), mixing, key, idle).double()

    return run


def assert_close(ours: Tensor, theirs: Tensor, scale: float) -> None:
    """Within 1e-12 of the tensor, or, where it is all but zero, of the whole gradient."""
    assert (ours - theirs).norm() <= 1e-12 * max(theirs.norm().item(), 1e-3 * scale)


Forms: TypeAlias = Callable[[str], Forward]
"""name -> form, made when it is asked for: a missing compiler must not keep the other form from being tested"""


def every_form(supernet: Supernet) -> Forms:
    return cache(lambda name: form_named(name)(supernet))


@cache
def standing(name: str, shape: tuple[int, int, int]) -> tuple[Supernet, Forms]:
    """A supernet of a space of that name and its forms, which no test changes."""
    supernet = of_four_channels(space_named(name), shape)
    return supernet, every_form(supernet)


def space_named(name: str) -> SearchSpace:
    return ragged_space() if name == "ragged" else tiny_space(name)


def check_every_form(search_space: SearchSpace, shape: tuple[int, int, int], relaxation: Relaxation) -> None:
    """Logits and gradients, of alphas too, are those of the readable supernet, whose passes serve all forms."""
    supernet = of_four_channels(search_space, shape)
    check_passes(supernet, every_form(supernet), shape, build_alphas(search_space), relaxation)


def check_every_form_of_a_hard_pass(search_space: SearchSpace, shape: tuple[int, int, int]) -> None:
    supernet = of_four_channels(search_space, shape)
    check_a_hard_pass(supernet, every_form(supernet), shape)


def check_passes(
    supernet: Supernet, forms: Forms, shape: tuple[int, int, int], alphas: Alphas, relaxation: Relaxation
) -> None:
    compare(supernet, forms, shape, lambda: alphas.mix(relaxation, MIDWAY), list(alphas.parameters()))


def check_a_hard_pass(supernet: Supernet, forms: Forms, shape: tuple[int, int, int]) -> None:
    """The same without gradients of alphas, with which zeros may be skipped."""
    with torch.no_grad():
        mixing = build_alphas(supernet.space).mix(Hard(), MIDWAY)
    for theirs, ours in compare(supernet, forms, shape, lambda: mixing, []):
        for one, other in zip(ours, theirs, strict=True):
            assert bool((one == 0).all()) == bool((other == 0).all())


def compare(
    supernet: Supernet,
    forms: Forms,
    shape: tuple[int, int, int],
    mixing: Callable[[], Mixing],
    alphas: list[Tensor],
) -> list[tuple[list[Tensor], list[Tensor]]]:
    """The gradients of the readable supernet, and those of each form."""
    inputs = [*alphas, *supernet.parameters()]
    expected, theirs = gradients(supernet, mixing(), inputs, shape)
    scale = torch.nn.utils.get_total_norm(theirs).item()
    found = []
    for name in FORMS:
        logits, ours = gradients(forms(name), mixing(), inputs, shape)
        torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12, msg=f"{name}: {{}}".format)
        for one, other in zip(ours, theirs, strict=True):
            assert_close(one, other, scale)
        found.append((theirs, ours))
    return found


CASES = [
    pytest.param(name, relaxation, shape, id=f"{relaxation}-{name}-{shape}")
    for place, name in enumerate([*every_space(), "ragged"])
    for number, relaxation in enumerate(RELAXATIONS)
    for turn, shape in enumerate(SHAPES)
    if relaxation in (Soft(), Hard()) or (place + number + turn) % 2 == 0
]
"""Every space under every relaxation; under a dense and a sparse one in both shapes, else in either by turns."""


@pytest.mark.parametrize(("name", "relaxation", "shape"), CASES)
def test_logits_and_gradients_equal_the_reference_s(
    name: str, relaxation: Relaxation, shape: tuple[int, int, int]
) -> None:
    check_passes(*standing(name, shape), shape, build_alphas(space_named(name)), relaxation)


@pytest.mark.parametrize("name", every_space())
def test_a_hard_pass_without_alphas_equals_the_reference_s_and_leaves_zeros(name: str) -> None:
    check_a_hard_pass(*standing(name, SHAPES[0]), SHAPES[0])


@pytest.mark.parametrize("name", every_space())
def test_gradients_of_alpha_alone_equal_the_reference_s(form: Form, name: str) -> None:
    search_space = tiny_space(name)
    supernet, fused = both(form, search_space, SHAPES[0])
    alphas = build_alphas(search_space)
    inputs = list(alphas.parameters())
    with frozen(list(supernet.parameters())):
        _, theirs = gradients(supernet, alphas.mix(Soft(), MIDWAY), inputs, SHAPES[0])
        _, ours = gradients(fused, alphas.mix(Soft(), MIDWAY), inputs, SHAPES[0])
    scale = torch.nn.utils.get_total_norm(theirs).item()
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, scale)


def test_single_precision_is_as_exact_as_the_reference_s(form: Form) -> None:
    search_space, shape = tiny_space("darts"), (3, 16, 16)
    errors = []
    exact: list[Tensor] = []
    for dtype in (torch.float64, torch.float32):
        supernet, fused = both(form, search_space, shape)
        supernet.to(dtype)
        alphas = build_alphas(search_space).to(dtype)
        inputs = [*alphas.parameters(), *supernet.parameters()]
        for forward in (supernet, fused):
            _, found = gradients(cast(forward, dtype), alphas.mix(Soft(), MIDWAY), inputs, shape)
            flat = torch.cat([gradient.double().flatten() for gradient in found])
            exact.append(flat)
            errors.append((flat - exact[0]).norm().item())
    reference, ours = errors[2:]
    assert 0 < ours <= 3 * reference


def search(forward: Forward | None, supernet: Supernet, alphas: Alphas, method: Method, steps: int) -> None:
    bilevel = Bilevel(supernet, alphas, method, forward)
    optimizers = usual_optimizers(bilevel, alpha_lr=3e-2)
    for step in range(steps):
        train, valid = (TinyBatch(*batch_of(SHAPES[0], 2 * step + half), 7 * step) for half in (0, 1))
        optimizers.step(train, valid, Progress(step * 4 // steps, 4), 0.025)


DADARTS = Method(
    weights=Objective(Hard()),
    alphas=Objective(TopK(temperature_edge=Constant(20), temperature_node=Constant(20))),
)


@pytest.mark.parametrize("method", [Method(), DADARTS], ids=["darts", "dadarts"])
def test_ten_steps_of_search_side_by_side_give_the_same_alphas(method: Method) -> None:
    # Three layers have cells of both kinds.
    readable = alphas_after(None, method, steps=10)
    assert (readable - readable.mean()).abs().max() > 1e-1
    for name in FORMS:
        assert (alphas_after(form_named(name), method, steps=10) - readable).abs().max() < 1e-11, name


def alphas_after(form: Form | None, method: Method, steps: int) -> Tensor:
    search_space = colourful_space()
    supernet = of_four_channels(search_space, SHAPES[0], layers=3)
    alphas = build_alphas(search_space, scale=1e-3)
    search(None if form is None else form(supernet), supernet, alphas, method, steps)
    return torch.cat([alpha.detach().flatten() for alpha in alphas.parameters()])


def test_two_searches_are_equal_bit_for_bit(form: Form) -> None:
    found = []
    for _ in range(2):
        supernet, fused = both(form, colourful_space(), SHAPES[0])
        supernet.float()
        alphas = build_alphas(colourful_space(), scale=1e-3).float()
        search(cast(fused, torch.float32), supernet, alphas, DADARTS, steps=4)
        found.append([*alphas.parameters(), *supernet.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def saved_bytes(forward: Forward, mixing: Mixing) -> int:
    """What a forward pass keeps for its backward pass, weights apart."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    images, labels = batch_of((3, 16, 16))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # Held until it is counted: memory that is given back may be kept a second time.
        logits = forward(images, mixing, 0)
        F.cross_entropy(logits, labels)
    return sum(kept.values())


@pytest.mark.parametrize(
    ("form", "soft_part", "hard_part"), [("native", 1 / 2, 1 / 6), ("torch", 4 / 5, 1 / 4)], indirect=["form"]
)
def test_passes_save_a_fraction_of_the_activations(form: Form, soft_part: float, hard_part: float) -> None:
    supernet, fused = both(form, tiny_space("darts"), (3, 16, 16))
    alphas = build_alphas(tiny_space("darts"))
    soft = alphas.mix(Soft(), MIDWAY)
    with torch.no_grad():
        hard = alphas.mix(Hard(), MIDWAY)
    reference = saved_bytes(supernet, soft)
    assert saved_bytes(fused, soft) <= soft_part * reference
    assert saved_bytes(fused, hard) <= hard_part * reference


@pytest.mark.parametrize("fast", [False, True], ids=["readable", "fast"])
@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "S4"])
def test_computing_cells_again_saves_memory_and_changes_no_bit(form: Form, name: str, fast: bool) -> None:
    search_space, shape = tiny_space(name), (3, 16, 16)
    alphas = build_alphas(search_space)
    found, kept = [], []
    for again in (False, True):
        supernet, fused = both(form, search_space, shape)
        supernet.recomputes_cells = again
        inputs = [*alphas.parameters(), *supernet.parameters()]
        forward: Forward = fused if fast else supernet
        kept.append(saved_bytes(forward, alphas.mix(Soft(), MIDWAY)))
        logits, all_gradients = gradients(forward, alphas.mix(Soft(), MIDWAY), inputs, shape)
        found.append([logits, *all_gradients])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert kept[1] < kept[0] / 2
