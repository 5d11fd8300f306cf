"""The discrete network: its parts, its costs, and its randomness."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dadarts.architecture.costs import count_costs, count_multiply_adds
from dadarts.architecture.counting import count_parameters
from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.network import DropPath, FixedNode, Network
from dadarts.architecture.operations import OPS, FactorizedReduce, Noise
from dadarts.architecture.skeletons import Cell
from dadarts.architecture.spaces import SPACES, space
from dadarts.seeds import generator, seeded
from tests.nets import build_batch, macro_of, tiny_space

SMALL = Genotype.parse(
    "Genotype(normal=[[('skip_connect', 0), ('sep_conv_3x3', 1)]], normal_concat=[2], "
    "reduce=[[('skip_connect', 0), ('sep_conv_3x3', 1)]], reduce_concat=[2])"
)
NOISY = Genotype.parse(
    "Genotype(normal=[[('noise', 0), ('sep_conv_3x3', 1)]], normal_concat=[2], "
    "reduce=[[('noise', 0), ('sep_conv_3x3', 1)]], reduce_concat=[2])"
)


def build(genotype: Genotype, layers: int = 3, auxiliary: bool = False, classes: int = 3) -> Network:
    with seeded(0, "network"):
        return Network(genotype, macro_of(2, layers, classes=classes), auxiliary).double()


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("size", [(8, 8), (9, 13)])
def test_every_genotype_gives_logits_and_a_gradient_for_every_weight(name: str, size: tuple[int, int]) -> None:
    macro = macro_of(2, 2, (1, *size))
    network = Network(random_genotype(tiny_space(name), 3), macro).double().train()
    batch = build_batch(macro, 3)
    logits = network(batch.images, noise_key=batch.key)
    assert logits.shape == (4, 3)
    nn.functional.cross_entropy(logits, batch.labels).backward()  # type: ignore[no-untyped-call]
    used = [p.grad is not None for p in network.parameters()]
    assert any(used)
    if tiny_space(name).syntax == "darts" and "noise" not in str(network.genotype):
        assert all(used)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (7, 6)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("affine", [True, False])
def test_every_operation_keeps_or_halves_the_size_and_rounds_up(
    name: str, size: tuple[int, int], stride: int, affine: bool
) -> None:
    height, width = size
    operation = OPS[name].build(3, stride, affine)
    out = operation(torch.randn(2, 3, height, width))
    assert out.shape == (2, 3, -(-height // stride), -(-width // stride))
    assert not any("bias" in key and out.numel() and not affine for key in operation.state_dict())
    buffers = {key.rpartition(".")[2] for key, _ in operation.named_buffers()}
    assert buffers <= ({"running_mean", "running_var", "num_batches_tracked"} if affine else set())


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (8, 7)])
@pytest.mark.parametrize("channels", [2, 3])
def test_a_factorized_reduction_reads_even_pixels_and_odd_pixels_and_zeros_beyond_the_border(
    size: tuple[int, int], channels: int
) -> None:
    reduction = FactorizedReduce(2, channels, affine=False).double()
    x = build_batch(macro_of(image_shape=(2, *size))).images
    height, width = (-(-side // 2) for side in size)
    shifted = torch.zeros(4, 2, height, width, dtype=torch.float64)
    odd = x.relu()[:, :, 1::2, 1::2]
    shifted[:, :, : odd.shape[2], : odd.shape[3]] = odd
    even_weight, odd_weight = (path.weight[:, :, 0, 0] for path in (reduction.even, reduction.odd))
    paths = (
        torch.einsum("oc,bchw->bohw", even_weight, x.relu()[:, :, ::2, ::2]),
        torch.einsum("oc,bchw->bohw", odd_weight, shifted),
    )
    expected = nn.functional.batch_norm(torch.cat(paths, dim=1), None, None, training=True)
    torch.testing.assert_close(reduction(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(OPS) - {"noise"}))
@pytest.mark.parametrize("stride", [1, 2])
def test_every_operation_maps_zeros_to_zeros(name: str, stride: int) -> None:
    assert not bool(OPS[name].build(3, stride, False)(torch.zeros(2, 3, 8, 8)).any())


@pytest.mark.parametrize("name", ["avg_pool_3x3", "max_pool_3x3"])
def test_pools_have_no_parameters_in_either_network(name: str) -> None:
    for affine in (True, False):
        assert not list(OPS[name].build(3, 1, affine).parameters())


@pytest.mark.parametrize("size", [(8, 8), (13, 9), (24, 24)])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_auxiliary_head_gives_logits_behind_two_thirds_of_the_cells(size: tuple[int, int], layers: int) -> None:
    macro = macro_of(2, layers, (3, *size), classes=5)
    network = Network(SMALL, macro, auxiliary=True).double()
    x = build_batch(macro).images
    seen: list[Tensor] = []
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    cells[2 * layers // 3].register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert network.auxiliary is not None
    fed: list[Tensor] = []
    network.auxiliary.register_forward_hook(lambda module, inputs, output: fed.append(inputs[0]))
    logits, side = network.forward_with_auxiliary(x, None, 0)
    assert side is not None
    assert logits.shape == side.shape == (4, 5)
    assert torch.equal(fed[0], seen[0])


def test_a_network_without_auxiliary_head_gives_none_beside_the_same_logits() -> None:
    network = build(SMALL)
    x = build_batch(network.macro).images
    logits, side = network.forward_with_auxiliary(x, None, 0)
    assert side is None
    assert torch.equal(logits, network(x))


def test_only_the_darts_skeleton_has_an_auxiliary_head() -> None:
    assert build(Genotype.parse("|nor_conv_3x3~0|"), auxiliary=True).auxiliary is None


def test_drop_path_keeps_the_expectation_and_drops_picture_by_picture() -> None:
    drop = DropPath(0.3, generator(1))
    x = torch.rand(20_000, 2, 2, 2, generator=generator(2)) + 0.5
    y = drop(x)
    ratio = y / x
    per_picture = ratio.flatten(1)
    kept = per_picture[:, 0] != 0
    torch.testing.assert_close(per_picture, (kept / 0.7).unsqueeze(1).expand_as(per_picture))
    # Standard error of the share of kept pictures: sqrt(0.21 / 20000) = 0.0032; four of them.
    assert abs(float(kept.float().mean()) - 0.7) < 0.013
    assert abs(float(ratio.mean()) - 1) < 0.02


def test_drop_path_with_probability_zero_changes_nothing() -> None:
    network = build(SMALL)
    x = build_batch(network.macro).images
    assert torch.equal(network(x, DropPath(0.0, generator(1))), network(x))


def test_drop_path_is_a_function_of_its_generator() -> None:
    network = build(SMALL)
    x = build_batch(network.macro, size=8).images
    one, two, other = (network(x, DropPath(0.5, generator(seed))) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_drop_path_never_drops_an_identity() -> None:
    network = build(SMALL)
    nodes = [module for module in network.modules() if isinstance(module, FixedNode)]
    normal = next(node for node in nodes if isinstance(node.get_submodule("0-skip_connect"), nn.Identity))
    reduce = next(node for node in nodes if not isinstance(node.get_submodule("0-skip_connect"), nn.Identity))
    nothing_left = DropPath(0.999999, generator(3))
    states = [torch.randn(4, 2, 8, 8, dtype=torch.float64) for _ in range(2)]
    assert torch.equal(normal(states, nothing_left), states[0])
    states = [torch.randn(4, 4, 8, 8, dtype=torch.float64) for _ in range(2)]
    assert not bool(reduce(states, nothing_left).any())


def test_multiply_adds_equal_a_hand_count_in_the_darts_skeleton() -> None:
    # 8x8 pictures, C = 2, one (reduction) cell of width 4 with 4x4 nodes.
    stem = 3 * 3 * 3 * 2 * 64
    preprocess = 2 * (2 * 4 * 64)
    skip = 2 * (4 * 2 * 16)
    separable = 2 * (3 * 3 * 4 * 16 + 4 * 4 * 16)
    classifier = 4 * 5
    counted = count_multiply_adds(SMALL, macro_of(2, 1, (3, 8, 8), classes=5))
    assert counted == stem + preprocess + skip + separable + classifier


def test_multiply_adds_equal_a_hand_count_in_the_nas_bench_201_skeleton() -> None:
    stem = 3 * 3 * 3 * 2 * 64
    cells = 2 * 2 * 64 + 4 * 4 * 16 + 8 * 8 * 4
    to_second = 9 * 2 * 4 * 16 + 9 * 4 * 4 * 16 + 2 * 4 * 16
    to_third = 9 * 4 * 8 * 4 + 9 * 8 * 8 * 4 + 4 * 8 * 4
    classifier = 8 * 5
    counted = count_multiply_adds(Genotype.parse("|nor_conv_1x1~0|"), macro_of(2, 1, (3, 8, 8), classes=5))
    assert counted == stem + cells + to_second + to_third + classifier


def test_counting_leaves_the_auxiliary_head_out() -> None:
    plain, with_head = build(SMALL), build(SMALL, auxiliary=True)
    assert count_parameters(with_head) == count_parameters(plain) == sum(p.numel() for p in plain.parameters())


def test_noise_is_a_function_of_the_key_of_the_batch() -> None:
    network = build(NOISY)
    x = build_batch(network.macro).images
    one, two, other = (network(x, noise_key=key) for key in (5, 5, 6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_noise_is_standard_normal_and_differs_between_edges() -> None:
    network = build(NOISY)
    network(build_batch(network.macro).images)
    noises = [module for module in network.modules() if isinstance(module, Noise)]
    assert len({noise.site for noise in noises}) == len(noises) == 3
    draws = [noise(torch.empty(64, 8, 8, 8)) for noise in noises]
    for draw in draws:
        assert abs(float(draw.mean())) < 0.05
        assert abs(float(draw.std()) - 1) < 0.05
    assert not torch.equal(draws[1], draws[2])


@pytest.mark.parametrize("name", sorted(set(SPACES) - {"S4"}))
def test_in_evaluation_a_picture_does_not_depend_on_its_neighbours(name: str) -> None:
    macro = macro_of(2, 2)
    network = Network(random_genotype(tiny_space(name), 1), macro).double()
    batch = build_batch(macro, size=6)
    network.train()(batch.images)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    network.eval()
    with torch.no_grad():
        together = network(batch.images)
        alone = torch.cat([network(picture[None]) for picture in batch.images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not torch.allclose(network.train()(batch.images), together)


def test_nodes_without_edges_give_the_same_logits_as_the_network_without_them() -> None:
    with_gap = Genotype.parse(
        "Genotype(normal=[[], [('skip_connect', 0), ('sep_conv_3x3', 1)]], normal_concat=[3], "
        "reduce=[[], [('skip_connect', 0), ('sep_conv_3x3', 1)]], reduce_concat=[3])"
    )
    gapped, plain = build(with_gap), build(SMALL)
    moved = {key.replace(".nodes.1.", ".nodes.0."): value for key, value in gapped.state_dict().items()}
    plain.load_state_dict(moved)
    x = build_batch(plain.macro).images
    assert torch.equal(gapped(x), plain(x))


def test_a_cross_shaped_convolution_is_a_row_and_then_a_column_each_with_its_own_stride() -> None:
    draw = generator(4)
    operation = OPS["conv_7x1_1x7"].build(2, 2, False).double()
    row, column = (weight for weight in operation.parameters())
    assert (tuple(row.shape), tuple(column.shape)) == ((2, 2, 1, 7), (2, 2, 7, 1))
    x = torch.randn(1, 2, 9, 6, generator=draw, dtype=torch.float64)
    padded = torch.zeros(2, 9 + 6, 6 + 6, dtype=torch.float64)
    padded[:, 3:-3, 3:-3] = x[0].relu()
    # One 7x7 convolution of rank one in its two axes, asked for on every other row and column.
    whole = torch.einsum("oay,aix->oiyx", column[..., 0], row[:, :, 0])
    out = torch.stack(
        [
            torch.stack([torch.einsum("oiyx,iyx->o", whole, padded[:, r : r + 7, c : c + 7]) for c in range(0, 6, 2)])
            for r in range(0, 9, 2)
        ]
    )
    expected = nn.functional.batch_norm(out.permute(2, 0, 1)[None], None, None, training=True)
    torch.testing.assert_close(operation(x), expected, rtol=0, atol=1e-12)


NASNET = Genotype.parse(
    "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0), "
    "('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), "
    "('skip_connect', 1)], normal_concat=[2, 3, 4, 5, 6], reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), "
    "('max_pool_3x3', 1), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), "
    "('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat=[4, 5, 6])"
)
AMOEBANET = Genotype.parse(
    "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2), "
    "('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), ('skip_connect', 1), ('skip_connect', 0), "
    "('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), "
    "('max_pool_3x3', 0), ('sep_conv_7x7', 2), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
)
"""NASNet-A (arXiv 1707.07012) and AmoebaNet-A (arXiv 1802.01548) as quark0/darts writes them."""


def parameters_by_hand(genotype: Genotype, c: int, layers: int, classes: int) -> int:
    """The sum of quark0/darts' layers: convolutions without bias, affine batch norms behind them, none behind pools."""

    def of(name: str, c: int, stride: int) -> int:
        if "sep_conv" in name:
            return 2 * (int(name[-1]) ** 2 * c + c * c + 2 * c)
        return {"conv_7x1_1x7": 14 * c * c + 2 * c, "skip_connect": (stride - 1) * (c * c + 2 * c)}.get(name, 0)

    total, before, last = 27 * 3 * c + 2 * 3 * c, 3 * c, 3 * c
    for index in range(layers):
        kind = "reduce" if index in (layers // 3, 2 * layers // 3) else "normal"
        c *= 2 if kind == "reduce" else 1
        total += before * c + 2 * c + last * c + 2 * c
        for node in genotype.cells[kind].nodes:
            total += sum(of(name, c, 2 if kind == "reduce" and state < 2 else 1) for name, state in node)
        before, last = last, c * len(genotype.cells[kind].concat)
    return total + last * classes + classes


@pytest.mark.parametrize(("genotype", "published"), [(AMOEBANET, 3.1e6), (NASNET, None)], ids=["AmoebaNet", "NASNet"])
def test_published_cells_have_the_size_that_their_layers_add_up_to(genotype: Genotype, published: float | None) -> None:
    found = count_costs(genotype, macro_of(36, 20, (3, 32, 32), classes=10)).parameters
    # The tests' stems are thinner than those of quark0/darts.
    stem = 27 * 36 + 2 * 36 + 2 * (36 * 36) + 36 * 36
    full = 27 * 108 + 2 * 108 + 2 * (108 * 36) + 108 * 36
    assert found - stem + full == parameters_by_hand(genotype, 36, 20, 10)
    assert published is None or round(parameters_by_hand(genotype, 36, 20, 10), -5) == published


@pytest.mark.parametrize("genotype", [AMOEBANET, NASNET], ids=["AmoebaNet", "NASNet"])
@pytest.mark.parametrize("size", [(9, 13), (8, 8)])
def test_published_cells_train_with_a_gradient_for_every_weight(genotype: Genotype, size: tuple[int, int]) -> None:
    network = Network(genotype, macro_of(2, 3, (3, *size)), auxiliary=True).double().train()
    batch = build_batch(network.macro, 1)
    logits, side = network.forward_with_auxiliary(batch.images, DropPath(0.2, generator(1)), 0)
    assert side is not None
    nn.functional.cross_entropy(logits + side, batch.labels).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("name", ["sep_conv_3x3", "noise"])
def test_an_edge_that_is_there_twice_is_two_operations(name: str) -> None:
    twice = Genotype.parse(
        str(SMALL).replace("('skip_connect', 0), ('sep_conv_3x3', 1)", f"('{name}', 0), ('{name}', 0)")
    )
    network = build(twice, layers=1)
    node = next(module for module in network.modules() if isinstance(module, FixedNode))
    first, second = (node.get_submodule(edge) for edge in (f"0-{name}", f"0-{name}-2"))
    states = [torch.randn(4, 4, 8, 8, dtype=torch.float64)] * 2
    assert torch.equal(node(states, None), first(states[0]) + second(states[0]))
    assert not torch.equal(first(states[0]), second(states[0]))


@pytest.mark.parametrize(("name", "layers"), [("darts", 16), ("darts", 17), ("nas-bench-201", 15)])
def test_costs_of_a_deep_network_are_those_of_its_layers(
    name: str, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dadarts.architecture.costs.DEEP", 14)
    genotype = random_genotype(tiny_space(name) if name != "darts" else space(name, 1), 2)
    macro = macro_of(2, layers, (1, 9, 13))
    costs = count_costs(genotype, macro)
    with torch.device("meta"):
        network = Network(genotype, macro).eval()
        picture = torch.empty((1, *macro.image_shape))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(picture)
    assert costs.parameters == count_parameters(network)
    assert costs.multiply_adds == counter.get_total_flops() // 2


def test_costs_of_a_chain_grow_by_the_same_from_block_to_block() -> None:
    genotype = random_genotype(space("nas-bench-macro"), 2)
    counted = [count_costs(genotype, macro_of(2, layers, (1, 9, 13))) for layers in (2, 3, 500)]
    for name in ("parameters", "multiply_adds"):
        two, three, many = (getattr(costs, name) for costs in counted)
        assert many == two + 498 * (three - two)


def test_costs_of_the_largest_sizes_take_no_time() -> None:
    began = time.process_time()
    costs = count_costs(AMOEBANET, macro_of(4096, 4096, (3, 512, 512)))
    assert costs.parameters > 10**12
    nodes = [[("sep_conv_3x3", state) for state in range(number + 2)] for number in range(20)]
    cell = f"{nodes}, {{0}}_concat={list(range(2, 22))}"
    dense = Genotype.parse(f"Genotype(normal={cell.format('normal')}, reduce={cell.format('reduce')})")
    assert count_costs(dense, macro_of(36, 20, (3, 32, 32))).parameters > 10**7
    assert time.process_time() - began < 10
