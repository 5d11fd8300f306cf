"""Compiled predictions against the readable network."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.engine.prediction import prediction, table
from dadarts.architecture.costs import count_multiply_adds
from dadarts.architecture.genotype import Genotype, read_off
from dadarts.architecture.network import Network
from dadarts.architecture.operations import NONE, OPS, DilatedDepthwise, FactorizedReduce, InvertedResidual, Noise
from dadarts.architecture.skeletons import Macro
from dadarts.engines.inference import SOURCE, Inference, Library, Predictor, choose
from dadarts.engines.native import NoCompilerError, library
from dadarts.engines.native.build import is_compiled
from dadarts.methods.relaxations import Hard
from tests.nets import MIDWAY, build_alphas, chosen, every_space, forget_libraries, macro_of, tiny_space


@pytest.fixture(scope="module")
def compiled() -> Library:
    try:
        return Library(library(SOURCE))
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def lived_in(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in evaluation mode, float64, its norms as if it had been trained."""
    draw = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None:
            norm.running_mean.copy_(0.3 * torch.randn(norm.num_features, generator=draw))
            norm.running_var.copy_(0.5 + torch.rand(norm.num_features, generator=draw))
            if norm.affine:
                norm.weight.copy_(torch.randn(norm.num_features, generator=draw))
                norm.bias.copy_(0.3 * torch.randn(norm.num_features, generator=draw))
    return module.double().eval()


def drawn_genotype(space_name: str, seed: int) -> Genotype:
    search_space = tiny_space(space_name)
    return read_off(search_space, chosen(build_alphas(search_space, seed).mix(Hard(), MIDWAY)))


def network_of(space_name: str, seed: int, macro: Macro) -> Network:
    torch.manual_seed(seed)
    network = Network(drawn_genotype(space_name, seed), macro)
    lived_in(network, seed)
    return network


def pictures(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_same(compiled: Library, module: nn.Module, x: Tensor) -> None:
    ours, theirs = Predictor(module, compiled)(x), module(x)
    torch.testing.assert_close(ours.view_as(theirs), theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("space_name", every_space())
def test_every_space_s_networks_answer_as_the_readable_ones(compiled: Library, space_name: str, seed: int) -> None:
    layers = 1 if space_name in ("nas-bench-201", "nas-bench-macro") else 3
    size = [(8, 8), (9, 12), (7, 5)][seed]
    network = network_of(space_name, seed, macro_of((3, 5, 9)[seed], layers, (3, *size)))
    for batch in (1, 7):
        assert_same(compiled, network, pictures(batch, 3, *size))


@pytest.mark.parametrize("channels", [16, 36])
def test_states_of_several_vectors_are_computed_whole(compiled: Library, channels: int) -> None:
    network = network_of("darts", 3, Macro(channels, 3, (3, 10, 10), 5))
    assert_same(compiled, network, pictures(2, 3, 10, 10))


def test_large_pictures_have_the_imagenet_stem(compiled: Library) -> None:
    network = network_of("S4", 0, macro_of(4, 2, (3, 104, 100)))
    assert_same(compiled, network, pictures(1, 3, 104, 100))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", [name for name in OPS if name != NONE])
def test_every_operation_is_computed_exactly(compiled: Library, name: str, stride: int) -> None:
    for channels, height, width in ((3, 7, 4), (20, 5, 6)):
        operation = lived_in(nn.Sequential(nn.Identity(), OPS[name].build(channels, stride, True), nn.ReLU()))
        assert_same(compiled, operation, pictures(2, channels, height, width))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_blocks_of_nas_bench_macro_are_computed_exactly(compiled: Library, stride: int) -> None:
    assert_same(compiled, lived_in(InvertedResidual(6, stride, 5, 6, True)), pictures(2, 6 // stride, 9, 5))


def test_nodes_without_edges_are_zeros(compiled: Library) -> None:
    text = "|none~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|none~2|"
    network = Network(Genotype.parse(text), macro_of(3, 1))
    assert_same(compiled, lived_in(network), pictures(2, 3, 8, 8))
    nothing = Network(Genotype.parse(text.replace("nor_conv_1x1", "none").replace("skip_connect", "none")), macro_of())
    assert_same(compiled, lived_in(nothing), pictures(2, 3, 8, 8))


SIZES = st.integers(1, 11)


@given(
    st.sampled_from([1, 2, 3, 5, 7]), st.sampled_from([1, 2, 3, 7]), st.integers(1, 2), st.integers(1, 3),
    st.integers(0, 3), st.integers(0, 3), st.sampled_from([1, 5, 8, 17]), st.sampled_from([1, 4, 24, 33]),
    SIZES, SIZES, st.booleans(), st.booleans(),
)  # fmt: skip
@settings(max_examples=60)
def test_any_window_of_a_dense_convolution_equals_torch_s(
    compiled: Library, high: int, wide: int, stride: int, dilation: int, above: int, beside: int, c_in: int,
    c_out: int, height: int, width: int, bias: bool, rectified: bool,
) -> None:  # fmt: skip
    if height + 2 * above <= dilation * (high - 1) or width + 2 * beside <= dilation * (wide - 1):
        return
    layer = nn.Conv2d(c_in, c_out, (high, wide), stride, (above, beside), dilation, bias=bias)
    chain = [nn.ReLU(), layer] if rectified else [layer, nn.ReLU()]
    assert_same(compiled, nn.Sequential(*chain).double(), pictures(2, c_in, height, width))


@given(
    st.integers(1, 7), st.integers(1, 2), st.integers(1, 2), st.integers(0, 6), st.sampled_from([2, 8, 17]),
    st.sampled_from([3, 16, 25]), st.integers(1, 20), st.integers(1, 20), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
@settings(max_examples=60)
def test_any_window_of_a_separable_convolution_equals_torch_s(
    compiled: Library, kernel: int, stride: int, dilation: int, padding: int, c_in: int, c_out: int, height: int,
    width: int, before: bool, between: bool, alone: bool,
) -> None:  # fmt: skip
    if min(height, width) + 2 * padding <= dilation * (kernel - 1):
        return
    layers: list[nn.Module] = [nn.ReLU()] if before else []
    layers.append(nn.Conv2d(c_in, c_in, kernel, stride, padding, dilation, groups=c_in))
    layers.append(nn.BatchNorm2d(c_in))
    layers += [nn.ReLU()] if between else []
    layers += [] if alone else [nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)]
    assert_same(compiled, lived_in(nn.Sequential(*layers)), pictures(2, c_in, height, width))


@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.booleans(), st.booleans(), st.sampled_from([2, 9, 18]),
    st.integers(1, 9), st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=60)
def test_any_window_of_a_pool_equals_torch_s(
    compiled: Library, kernel: int, stride: int, padding: int, ceil: bool, maximum: bool, channels: int, height: int,
    width: int,
) -> None:  # fmt: skip
    if padding > kernel // 2 or min(height, width) + 2 * padding < kernel:
        return
    pool = (
        nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
        if maximum
        else nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil, count_include_pad=False)
    )
    chain = nn.Sequential(pool, nn.BatchNorm2d(channels, affine=False))
    assert_same(compiled, lived_in(chain), pictures(2, channels, height, width))


class Squared(nn.Module):
    """A user's operation."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.by * x * x + 0.01 * torch.randn(1).to(x.dtype) * 0


def changed(network: nn.Module, change: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """The network with another layer wherever the change names one."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if (other := change(child)) is not None:
                setattr(module, name, other)
    return network


class OneMore(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + 1


def one_more(layer: nn.Module) -> nn.Module | None:
    if type(layer) is not nn.Conv2d or layer.kernel_size != (1, 1):
        return None
    other = OneMore(layer.in_channels, layer.out_channels, 1, bias=False)
    other.weight = layer.weight
    return other


CHANGES: dict[str, Callable[[nn.Module], nn.Module | None]] = {
    "a user's layer": lambda layer: Squared() if type(layer) is nn.ReLU else None,
    "another activation": lambda layer: nn.SiLU() if type(layer) is nn.ReLU else None,
    "a subclass": one_more,
    "a pool that counts its padding": lambda layer: (
        nn.AvgPool2d(3, layer.stride, 1) if isinstance(layer, nn.MaxPool2d) else None
    ),
    "a norm by groups": lambda layer: (
        nn.GroupNorm(1, layer.num_features) if isinstance(layer, nn.BatchNorm2d) else None
    ),
    "a norm without statistics": lambda layer: (
        nn.BatchNorm2d(layer.num_features, track_running_stats=False) if isinstance(layer, nn.BatchNorm2d) else None
    ),
    "a stride of three": lambda layer: (
        nn.Conv2d(3, layer.out_channels, 3, 3, 3) if isinstance(layer, nn.Conv2d) and layer.in_channels == 3 else None
    ),
    "a whole operation": lambda layer: nn.Hardswish() if isinstance(layer, FactorizedReduce | Noise) else None,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_is_not_known_is_torch_s(compiled: Library, change: Callable[[nn.Module], nn.Module | None]) -> None:
    network = changed(network_of("darts", 1, macro_of(4, 3, (3, 9, 9))), change).double().eval()
    if any(isinstance(module, nn.Hardswish) for module in network.modules()):
        network = nn.Sequential(nn.Hardswish(), nn.Conv2d(3, 4, 3), nn.Hardswish(), nn.Hardswish()).double()
    before = torch.get_rng_state()
    Predictor(network, compiled)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(compiled, network, pictures(3, 3, 9, 9))


def test_a_layer_s_hooks_are_called(compiled: Library) -> None:
    network = network_of("darts", 1, macro_of(4, 1))
    for name in ("classifier", "stem0", "cells.0.preprocess.0.1"):
        network.get_submodule(f"backbone.{name}").register_forward_hook(lambda _, __, out: 2 * out)
        assert_same(compiled, network, pictures(2, 3, 8, 8))


class Particular(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if not x.any():
            raise RuntimeError("nothing to see")
        return x


def test_passes_that_cannot_be_compiled_are_the_network_s(compiled: Library) -> None:
    hooked, particular = (network_of("darts", 1, macro_of(4, 1)) for _ in range(2))
    hooked.get_submodule("backbone.cells.0").register_forward_hook(lambda _, __, out: 2 * out)
    changed(particular, lambda layer: Particular() if isinstance(layer, nn.ReLU) else None)
    for network in (hooked, particular):
        with pytest.raises(NotImplementedError):
            assert_same(compiled, network, pictures(2, 3, 8, 8))
        inference = Inference(network)
        for _ in range(2):
            assert torch.equal(inference(pictures(2, 3, 8, 8)), network(pictures(2, 3, 8, 8)))


def test_inplace_relus_are_torch_s(compiled: Library) -> None:
    chain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1)).double()
    assert_same(compiled, chain, pictures(2, 3, 4, 4))


def test_dilated_depthwise_convolutions_need_no_pointwise_one(compiled: Library) -> None:
    assert_same(compiled, DilatedDepthwise(5, 3, 2).double(), pictures(2, 5, 7, 8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_picture_has_the_same_bits_in_every_batch_and_on_every_number_of_threads(
    compiled: Library, dtype: torch.dtype
) -> None:
    network = network_of("darts", 2, macro_of(6, 3)).to(dtype)
    x = pictures(7, 3, 8, 8).to(dtype)
    predictor, before = Predictor(network, compiled), torch.get_num_threads()
    whole = predictor(x)
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for memory in (torch.contiguous_format, torch.channels_last):
                given = x.contiguous(memory_format=memory)
                assert torch.equal(predictor(given), whole)
                assert torch.equal(torch.cat([predictor(each) for each in torch.split(given, 2)]), whole)
        assert torch.equal(predictor(x, threads=1), whole)
    finally:
        torch.set_num_threads(before)


def test_calls_at_the_same_time_do_not_meet(compiled: Library) -> None:
    predictor = Predictor(network_of("darts", 2, macro_of(6, 3)), compiled)
    batches = [pictures(1 + seed % 3, 3, 8, 8, seed=seed) for seed in range(24)]
    alone = [predictor(batch) for batch in batches]

    def predicted(batch: Tensor) -> Tensor:
        with torch.no_grad():
            return predictor(batch, threads=2)

    with ThreadPoolExecutor(4) as pool:
        assert all(map(torch.equal, pool.map(predicted, batches), alone))


def test_in_float32_answers_differ_by_rounding(compiled: Library) -> None:
    network = network_of("darts", 4, macro_of(8, 3)).float()
    x = pictures(4, 3, 8, 8).float()
    torch.testing.assert_close(Predictor(network, compiled)(x).flatten(1), network(x), rtol=1e-4, atol=1e-5)


def recalibrated(network: nn.Module) -> None:
    network.train()
    network(pictures(4, 3, 8, 8, seed=1))
    network.eval()


def fitted(network: nn.Module) -> None:
    parameters = list(network.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD(parameters, lr=0.01, fused=True).step()


def averaged(network: nn.Module) -> None:
    for parameter in network.parameters():
        parameter.data.mul_(0.9)


def written_through_numpy(network: nn.Module) -> None:
    network.get_buffer("backbone.stem0.1.running_var").numpy()[0] += 1


def assigned(network: nn.Module) -> None:
    network.load_state_dict({name: 0.9 * tensor for name, tensor in network.state_dict().items()}, assign=True)


def loaded(network: nn.Module) -> None:
    network.load_state_dict({name: 0.9 * tensor for name, tensor in network.state_dict().items()})


def stored_otherwise(network: nn.Module) -> None:
    weight = network.get_parameter("backbone.stem0.0.weight")
    weight.data = torch.cat((weight.data, weight.data), dim=1)[:, ::2]


def with_another_bias(network: nn.Module) -> None:
    classifier = network.get_submodule("backbone.classifier")
    classifier.bias = nn.Parameter(torch.arange(3, dtype=torch.float64))


@pytest.mark.parametrize(
    "change",
    [recalibrated, fitted, averaged, written_through_numpy, assigned, loaded, stored_otherwise, with_another_bias],
)
def test_weights_that_change_are_seen_whoever_changes_them(
    compiled: Library, change: Callable[[nn.Module], None]
) -> None:
    network = network_of("darts", 5, macro_of())
    predictor, x = Predictor(network, compiled), pictures(2, 3, 8, 8)
    before = predictor(x)
    change(network)
    assert not torch.equal(predictor(x), before)
    torch.testing.assert_close(predictor(x).flatten(1), network(x), rtol=1e-10, atol=1e-10)


def test_weights_of_networks_made_in_inference_mode_are_seen_to_change(compiled: Library) -> None:
    with torch.inference_mode():
        network = network_of("S2", 0, macro_of())
        predictor, x = Predictor(network, compiled), pictures(2, 3, 8, 8)
        for _ in range(2):
            next(network.parameters()).mul_(1.5)
            torch.testing.assert_close(predictor(x).flatten(1), network(x), rtol=1e-10, atol=1e-10)


def test_noise_is_that_of_the_key(compiled: Library) -> None:
    network = network_of("S4", 0, macro_of(3, 2))
    assert any(isinstance(module, Noise) for module in network.modules())
    predictor, x = Predictor(network, compiled), pictures(3, 3, 8, 8)
    for key in (5, 6):
        torch.testing.assert_close(predictor(x, key).flatten(1), network(x, noise_key=key), rtol=1e-10, atol=1e-10)


def test_what_is_not_a_number_stays_so(compiled: Library) -> None:
    network = network_of("darts", 1, macro_of(4, 2))
    x = pictures(3, 3, 8, 8)
    x[1, 0, 3, 3] = torch.nan
    ours, theirs = Predictor(network, compiled)(x).flatten(1), network(x)
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert theirs[1].isnan().all()


def test_gradients_training_and_other_types_are_torch_s(compiled: Library) -> None:
    network = network_of("darts", 1, macro_of(4, 2))
    inference, x = Inference(network), pictures(2, 3, 8, 8)
    inference(x)
    with torch.enable_grad():
        assert inference(x.requires_grad_()).requires_grad
    x = x.detach()
    network.train()
    torch.testing.assert_close(inference(x), copy.deepcopy(network)(x))
    network.eval().bfloat16()
    assert inference(x.bfloat16()).dtype is torch.bfloat16


def test_copies_answer_of_their_own_weights(compiled: Library) -> None:
    inference, x = Inference(network_of("darts", 1, macro_of())), pictures(2, 3, 8, 8)
    before = inference(x)
    for other in (copy.deepcopy(inference), pickle.loads(pickle.dumps(inference))):  # noqa: S301 -- just written
        assert torch.equal(other(x), before)
        next(other.network.parameters()).mul_(2)
        assert not torch.equal(other(x), before)
        assert torch.equal(inference(x), before)


def test_without_a_compiler_the_network_itself_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_libraries(monkeypatch)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    network, x = network_of("darts", 1, macro_of()), pictures(2, 3, 8, 8)
    for waits in (True, False):
        assert torch.equal(Inference(network, waits)(x), network(x))
    assert not is_compiled(SOURCE)


def test_little_work_is_torch_s_until_compiling_pays(compiled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = network_of("darts", 1, macro_of()), pictures(2, 3, 8, 8)
    built: list[bool] = []

    class Watched(Predictor):
        def __init__(self, *given: object) -> None:
            built.append(True)
            super().__init__(network, compiled)

    monkeypatch.setattr(choose, "Predictor", Watched)
    assert is_compiled(SOURCE)
    Inference(network, waits=True)(x)
    assert built == [True]
    asked: list[Path] = []
    monkeypatch.setattr(choose, "is_compiled", asked.append)
    monkeypatch.setattr(choose, "COMPILING", 5 * count_multiply_adds(network.genotype, network.macro))
    patient = Inference(network, waits=True)
    for number in range(4):
        assert (len(built) > 1) == (number > 2), "six pictures are more than five"
        torch.testing.assert_close(patient(x), network(x), rtol=1e-10, atol=1e-10)
    assert built == [True, True]
    assert len(asked) == 1, "which runs the compiler, and takes longer than a small network"


def test_the_benchmark_times_every_contestant_on_every_batch(compiled: Library) -> None:
    tiny = {"tiny": (str(drawn_genotype("S2", 0)), macro_of())}
    rows = prediction([1], [1, 9], 1, tiny)
    assert [(row["network"], row["threads"], row["batch"]) for row in rows] == [("tiny", 1, 1), ("tiny", 1, 9)]
    assert all(float(row[name]) > 0 for row in rows for name in ("compiled", "channels_last", "nchw"))
    assert table(rows).count("| tiny | 1 |") == 2
