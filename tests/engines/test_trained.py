"""The native form of a discrete network against the readable one: logits, gradients and running statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.engine.training import GENOTYPE, Work, table, training
from dadarts.architecture.genotype import Genotype, read_off
from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.norms import averaging
from dadarts.architecture.operations import OPS, ReLUConvBN
from dadarts.architecture.skeletons import Macro
from dadarts.engines.choose import Trainable
from dadarts.engines.native.network import FusedNetwork
from dadarts.methods.relaxations import Hard
from dadarts.seeds import generator
from tests.nets import MIDWAY, build_alphas, chosen, every_space, native_kernels, tiny_space

SHAPES = [(3, 12, 12), (3, 9, 13)]
CELL = (
    "Genotype(normal=[[('sep_conv_3x3', 0), ('max_pool_3x3', 1)], [('dil_conv_3x3', 2), ('skip_connect', 0)]], "
    "normal_concat=[2, 3], reduce=[[('max_pool_3x3', 0), ('sep_conv_3x3', 1)], [('skip_connect', 0), "
    "('max_pool_3x3', 0)]], reduce_concat=[2, 3])"
)
"""A genotype of ours: a state that is pooled twice, chains of one and two units, and identities."""


def network_of(genotype: Genotype, shape: tuple[int, int, int] = (3, 12, 12), channels: int = 4) -> Network:
    """A network of three layers whose norms are as after some training."""
    layers = 1 if genotype.syntax != "darts" else 3
    torch.manual_seed(0)
    network = Network(genotype, Macro(channels, layers, shape, 3, stem_multiplier=2), auxiliary=True).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def batch_of(shape: tuple[int, int, int] = (3, 12, 12), seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = generator(seed, "batch")
    images = torch.randn((6, *shape), generator=draw, dtype=torch.float64)
    return images.contiguous(memory_format=torch.channels_last), torch.arange(6) % 3


def native(network: Network) -> FusedNetwork:
    return FusedNetwork(network, native_kernels())


def loss_of(form: Trainable, images: Tensor, labels: Tensor, probability: float | None = 0.3, key: int = 1) -> Tensor:
    drop_path = None if probability is None else DropPath(probability, generator(key, "drop-path"))
    logits, side = form.forward_with_auxiliary(images, drop_path, key)
    loss = F.cross_entropy(logits, labels)
    return loss if side is None else loss + 0.4 * F.cross_entropy(side, labels)


def check(
    network: Network,
    shape: tuple[int, int, int] = (3, 12, 12),
    probability: float | None = 0.3,
    tolerance: float = 1e-10,
) -> None:
    """One pass forward and back, of pictures whose gradient is asked for too."""
    other = copy.deepcopy(network)
    images, labels = batch_of(shape)
    losses: list[Tensor] = []
    inputs: list[Tensor | None] = []
    for form in (network, native(other)):
        own = images.clone().requires_grad_()
        loss = loss_of(form, own, labels, probability)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        inputs.append(own.grad)
    torch.testing.assert_close(losses[1], losses[0], rtol=tolerance, atol=tolerance)
    close([*network.parameters()], [*other.parameters()], tolerance, inputs)
    for theirs, ours in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def close(theirs: list[nn.Parameter], ours: list[nn.Parameter], tolerance: float, more: list[Tensor | None]) -> None:
    """Every gradient within the tolerance of itself or, where it is all but zero, of the largest."""
    pairs = [(one.grad, other.grad) for one, other in zip(theirs, ours, strict=True)]
    scale = max(float(one.norm()) for one, _ in pairs if one is not None)
    for one, other in [*pairs, (more[0], more[1])]:
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one - other).norm() <= tolerance * max(float(one.norm()), 1e-2 * scale)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", every_space())
def test_a_pass_equals_the_readable_one_in_every_space(name: str, shape: tuple[int, int, int]) -> None:
    space = tiny_space(name)
    for seed in range(2):
        genotype = read_off(space, chosen(build_alphas(space, seed).mix(Hard(), MIDWAY)))
        check(network_of(genotype, shape), shape)


@pytest.mark.parametrize("name", [name for name in OPS if name != "none"])
def test_every_operation_equals_the_readable_one_at_both_strides(name: str) -> None:
    cell = f"[[('{name}', 0), ('{name}', 1)], [('{name}', 2), ('{name}', 0)]]"
    genotype = Genotype.parse(f"Genotype(normal={cell}, normal_concat=[2, 3], reduce={cell}, reduce_concat=[2, 3])")
    check(network_of(genotype, (3, 9, 13)), (3, 9, 13))


@pytest.mark.parametrize("channels", [3, 8, 16])
@pytest.mark.parametrize("probability", [None, 0.0])
def test_a_pass_equals_the_readable_one_where_no_path_drops(channels: int, probability: float | None) -> None:
    check(network_of(Genotype.parse(CELL), channels=channels), probability=probability)


@pytest.mark.parametrize("size", [(3, 5, 7), (5, 12, 12), (16, 16, 16), (24, 9, 18), (40, 4, 11)], ids=str)
def test_dense_convolutions_of_any_width_equal_the_readable_ones(size: tuple[int, int, int]) -> None:
    channels, *sides = size
    genotype = Genotype.parse("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|")
    shape = (3, sides[0], sides[1])
    check(network_of(genotype, shape, channels), shape)


def test_large_pictures_have_a_stem_of_their_own() -> None:
    check(network_of(Genotype.parse(CELL), (3, 97, 100)), (3, 97, 100))


@pytest.mark.parametrize("concat", ["[3]", "[3, 2]", "[2]"])
def test_a_cell_may_leave_nodes_out_and_order_them_otherwise(concat: str) -> None:
    check(network_of(Genotype.parse(CELL.replace("concat=[2, 3]", f"concat={concat}"))))


@pytest.mark.parametrize("change", ["softplus", "bias", "subclass", "instance", "frozen", "momentum"])
def test_layers_that_are_not_as_expected_are_computed_as_they_are(change: str) -> None:
    class Doubled(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    changes: dict[str, tuple[type[nn.Module], Callable[[nn.Module], nn.Module]]] = {
        "softplus": (nn.ReLU, lambda relu: nn.Softplus()),
        "bias": (nn.Conv2d, _with_bias),
        "subclass": (nn.BatchNorm2d, lambda norm: Doubled(norm.num_features)),  # type: ignore[arg-type]
        "instance": (nn.BatchNorm2d, lambda norm: nn.GroupNorm(1, norm.num_features)),  # type: ignore[arg-type]
        "frozen": (nn.Conv2d, lambda layer: layer.requires_grad_(False)),
        "momentum": (nn.BatchNorm2d, lambda norm: nn.BatchNorm2d(norm.num_features, momentum=None)),  # type: ignore[arg-type]
    }
    kind, changed = changes[change]
    network = network_of(Genotype.parse(CELL))
    for module in list(network.backbone.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, kind):
                setattr(module, name, changed(child).double())
    check(network)


def _with_bias(convolution: nn.Module) -> nn.Module:
    assert isinstance(convolution, nn.Conv2d)
    convolution.bias = nn.Parameter(torch.linspace(-1, 1, convolution.out_channels))
    return convolution


def test_fifty_steps_end_with_the_same_weights_and_statistics() -> None:
    network = network_of(Genotype.parse(CELL), (3, 8, 8), channels=2)
    other = copy.deepcopy(network)
    for own, form in ((network, network), (other, native(other))):
        sgd = torch.optim.SGD(own.parameters(), lr=0.01, momentum=0.9, weight_decay=3e-4)
        for step in range(50):
            images, labels = batch_of((3, 8, 8), seed=step)
            sgd.zero_grad()
            loss_of(form, images, labels, key=step).backward()  # type: ignore[no-untyped-call]
            sgd.step()
    for name, theirs in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], theirs, rtol=1e-10, atol=1e-10)
    assert not torch.equal(
        network.backbone.classifier.weight,
        network_of(Genotype.parse(CELL), (3, 8, 8), channels=2).backbone.classifier.weight,
    )


def test_statistics_are_gathered_anew_without_gradients() -> None:
    network = network_of(Genotype.parse(CELL))
    other = copy.deepcopy(network)
    for own, form in ((network, network), (other, native(other))):
        with averaging(own), torch.no_grad():
            for seed in range(3):
                assert not form(batch_of(seed=seed)[0]).requires_grad
    for theirs, ours in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_in_evaluation_mode_the_network_itself_computes() -> None:
    network = network_of(Genotype.parse(CELL)).eval()
    images, _ = batch_of()
    assert torch.equal(native(network)(images), network(images))
    assert torch.equal(native(network).forward_with_auxiliary(images, None, 0)[0], network(images))


def test_float32_is_as_near_to_float64_as_the_readable_form() -> None:
    images, labels = batch_of()
    gradients = []
    for dtype, wrap in ((torch.float64, None), (torch.float32, None), (torch.float32, native)):
        network = network_of(Genotype.parse(CELL), channels=8).to(dtype)
        loss_of(wrap(network) if wrap else network, images.to(dtype), labels).backward()  # type: ignore[no-untyped-call]
        gradients.append(torch.cat([p.grad.flatten().double() for p in network.parameters() if p.grad is not None]))
    exact, readable, ours = gradients
    assert (ours - exact).norm() <= 2 * (readable - exact).norm()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_threads_give_the_same_bits_of_a_step(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = []
        for _ in range(2):
            network = network_of(Genotype.parse(CELL), channels=8).float()
            images, labels = batch_of()
            loss_of(native(network), images.float(), labels).backward()  # type: ignore[no-untyped-call]
            found.append([p.grad for p in network.parameters()] + list(network.buffers()))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    finally:
        torch.set_num_threads(before)


def test_several_threads_compute_what_one_does() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        check(network_of(Genotype.parse(CELL)))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("genotype", [CELL, "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|none~1|none~2|"])
def test_nan_is_never_rectified_or_dropped_away(genotype: str) -> None:
    network = network_of(Genotype.parse(genotype))
    images, _ = batch_of()
    images[0, 0, 0, 0] = float("nan")
    assert native(network)(images).isnan().all()
    assert network(images).isnan().all()


def test_a_pass_is_gone_back_once_and_leaves_nothing_behind() -> None:
    network = network_of(Genotype.parse(CELL))
    loss = loss_of(native(network), *batch_of())
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="can be gone back once"):
        loss.backward()  # type: ignore[no-untyped-call]


def test_frozen_norms_are_the_network_s_own() -> None:
    network = network_of(Genotype.parse(CELL))
    images, _ = batch_of()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    torch.testing.assert_close(native(network)(images), network(images), rtol=0, atol=0)


def test_weights_that_change_between_a_pass_and_the_way_back_are_refused_as_by_torch() -> None:
    network = network_of(Genotype.parse(CELL))
    loss = loss_of(native(network), *batch_of())
    with torch.no_grad():
        next(network.backbone.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # type: ignore[no-untyped-call]


def test_a_convolution_whose_input_has_one_value_a_channel_is_refused() -> None:
    network = network_of(Genotype.parse(CELL), (3, 4, 4))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        native(network)(torch.randn((1, 3, 4, 4), dtype=torch.float64))


def test_a_module_beside_the_cells_may_be_anybody_s() -> None:
    network = network_of(Genotype.parse(CELL))
    stem = network.backbone.get_submodule("stem0")
    network.backbone.stem0 = nn.Sequential(stem, ReLUConvBN(8, 8, 3, 1, affine=True).double(), nn.Tanh())
    check(network)


def test_the_benchmark_lets_every_form_take_a_step() -> None:
    native_kernels()
    work = Work(GENOTYPE, Macro(2, 1, (3, 8, 8), 3), 4)
    (row,) = training(1, 1, {"tiny": work})
    assert all(float(row[other]) > 0 for other in ("seconds", "nchw", "channels_last"))
    assert table([row]).splitlines()[2].startswith("| tiny | 4 | 1 |")
