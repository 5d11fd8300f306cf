"""NAS-Bench-Macro as a search space: a chain of layers whose networks are the benchmark's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.costs import count_multiply_adds
from dadarts.architecture.counting import count_parameters
from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.operations import NAS_BENCH_MACRO_OPS, InvertedResidual, PointwiseReduce, Zero
from dadarts.architecture.skeletons import STAGES, Cell, Macro
from dadarts.architecture.spaces import space
from dadarts.errors import InputError
from dadarts.oracle import nas_bench_macro
from dadarts.seeds import generator
from tests.commands import augment, modern, refusal, search, succeed, with_quick_races, without_pictures
from tests.nets import build_batch, macro_of

CIFAR10 = Macro(32, 1, (3, 32, 32), 10)


def network(code: str, macro: Macro = CIFAR10) -> Network:
    return Network(Genotype.parse(code), macro)


def test_every_network_has_the_parameters_of_the_table() -> None:
    table = nas_bench_macro()
    with torch.device("meta"):
        parts = [
            [
                sum(p.numel() for p in op.build(channels, stride, True).parameters())
                for op in NAS_BENCH_MACRO_OPS.values()
            ]
            for channels, stride in [(64, 2), (64, 1), (128, 2), *[(128, 1)] * 2, (256, 2), *[(256, 1)] * 2]
        ]
        skeleton = count_parameters(network("00000000")) - sum(part[0] for part in parts)
    for arch in table.architectures():
        parameters = skeleton + sum(part[int(digit)] for part, digit in zip(parts, arch, strict=True))
        assert table.row(table.number(arch))["params"] == parameters


def test_whole_networks_have_the_parameters_and_multiply_adds_of_the_table() -> None:
    table = nas_bench_macro()
    draw = random.Random(0)
    # The first three have every operation in every layer; the others mix them.
    for arch in ["00000000", "11111111", "22222222", *draw.sample(list(table.architectures()), 4)]:
        row = table.query(arch).row
        with torch.device("meta"):
            assert count_parameters(network(arch)) == row["params"]
        assert count_multiply_adds(Genotype.parse(arch), CIFAR10) == row["flops"]


def test_a_code_is_a_chain_of_layers_and_is_written_as_it_was_read() -> None:
    genotype = Genotype.parse("02120122")
    cell = genotype.cells["normal"]
    assert cell.nodes[0] == (("identity", 0),)
    assert cell.nodes[7] == (("mb6_k5", 7),)
    assert cell.concat == (8,)
    assert str(genotype) == "02120122"
    assert genotype.parameter_free_share() == 2 / 8
    assert Genotype.parse(genotype.to_json(space="nas-bench-macro")) == genotype
    drawn = {str(random_genotype(space("nas-bench-macro"), seed)) for seed in range(20)}
    assert len(drawn) == 20
    assert all(nas_bench_macro().query(Genotype.parse(code)).arch == code for code in drawn)


@pytest.mark.parametrize("code", ["0212012", "021201222", "02120123", "٠٢١٢٠١٢٢"])
def test_a_code_that_is_none_is_refused(code: str) -> None:
    with pytest.raises(InputError, match="a NAS-Bench-Macro code is 8 digits"):
        Genotype.parse(code)


def normed(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True)


@pytest.mark.parametrize(("name", "kernel", "expansion"), [("mb3_k3", 3, 3), ("mb6_k5", 5, 6)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (9, 13)])
def test_a_block_is_mobilenet_v2_s(name: str, kernel: int, expansion: int, stride: int, size: tuple[int, int]) -> None:
    block = NAS_BENCH_MACRO_OPS[name].build(4, stride, False).double()
    x = build_batch(macro_of(image_shape=(4 // stride, *size))).images
    widen, depthwise, narrow = (weight.detach() for weight in block.parameters())
    wide = expansion * 4 // stride
    assert (widen.shape, depthwise.shape) == ((wide, 4 // stride, 1, 1), (wide, 1, kernel, kernel))
    y = normed(torch.einsum("oc,bchw->bohw", widen[:, :, 0, 0], x)).relu()
    y = normed(F.conv2d(y, depthwise, stride=stride, padding=kernel // 2, groups=wide)).relu()
    y = normed(torch.einsum("oc,bchw->bohw", narrow[:, :, 0, 0], y))
    torch.testing.assert_close(block(x), y + x if stride == 1 else y, rtol=0, atol=1e-12)


def test_an_identity_that_changes_shapes_is_a_strided_convolution() -> None:
    reduction = NAS_BENCH_MACRO_OPS["identity"].build(4, 2, False).double()
    assert isinstance(reduction, PointwiseReduce)
    x = build_batch(macro_of(image_shape=(2, 9, 13))).images
    expected = normed(F.conv2d(x, reduction.conv.weight, stride=2))
    torch.testing.assert_close(reduction(x), expected, rtol=0, atol=1e-12)


def test_stages_halve_sizes_and_double_channels_and_layers_repeat_a_choice() -> None:
    for layers in (1, 2):
        net = network("12012012", Macro(2, layers, (3, 32, 32), 10))
        cells = [module for module in net.modules() if isinstance(module, Cell)]
        assert [cell.first for cell in cells] == [number for number in range(8) for _ in range(layers)]
        assert [cell.site.input_stride == 2 for cell in cells] == [
            number in STAGES and not repeat for number in range(8) for repeat in range(layers)
        ]
        features = net._features(torch.randn(2, 3, 32, 32), None, 0)
        shapes = [(4, 16)] * 2 + [(8, 8)] * 3 + [(16, 4)] * 3
        assert [tuple(x.shape[1:3]) for x in features] == [shape for shape in shapes for _ in range(layers)]


def test_drop_path_drops_residuals_and_never_a_layer_s_only_path() -> None:
    nothing_left = DropPath(0.999999, generator(0))
    net = network("10101010", macro_of(image_shape=(3, 16, 16)))
    x = torch.randn(4, 3, 16, 16)
    seen = {}
    for path, module in net.named_modules():
        if isinstance(module, Cell):
            module.register_forward_hook(lambda cell, inputs, out, path=path: seen.update({path: (inputs[0][0], out)}))
    net(x, nothing_left)
    blocks = {path.rpartition(".nodes")[0]: m for path, m in net.named_modules() if isinstance(m, InvertedResidual)}
    for path, block in blocks.items():
        before, after = seen[path]
        torch.testing.assert_close(after, before if block.has_shortcut else block.residual(before))
    assert {block.has_shortcut for block in blocks.values()} == {True, False}
    assert all(bool(after.any()) for _, after in seen.values())


def test_zeros_take_the_channels_of_the_output() -> None:
    assert Zero(2, 6)(torch.randn(2, 3, 9, 8)).shape == (2, 6, 5, 4)


def test_a_network_is_searched_trained_shown_and_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    with_quick_races(monkeypatch)
    small = ["--dataset", "digits", "--init_channels", "2", "--epochs", "1", "--dataset_portion", "0.1"]
    small += ["--batch_size", "64"]
    found = succeed(modern, "search", "--name", "it", "--search_space", "nas-bench-macro", *small)
    code = found.last_line
    assert nas_bench_macro().query(code).arch == code
    trained = succeed(modern, "train", "--name", "it", "--genotype", "@it", *small)
    assert 0 <= float(trained.last_line) <= 1
    said = succeed(modern, "show", code).out
    assert f"{nas_bench_macro().query(code).row['params']:,}" in said
    assert "nas-bench-macro" in said
    assert code in succeed(modern, "oracle", "nas-bench-macro", "@it").out


def test_batches_of_one_picture_are_refused_where_maps_end_in_one_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = ["-name", "it", "-dataset", "digits", "-epochs", "1", "-init_channels", "2"]
    said = refusal(augment, *digits, "-genotype", "22212220", "-batch_size", "1", "-aux_weight", "0")
    assert "a batch of the train part would be 1 picture" in said
    # 719 of the 1,438 training digits validate; in batches of 2 at most, one of them is alone.
    said = refusal(search, *digits, "-search_space", "nas-bench-macro", "-batch_size", "2")
    assert "a batch of the validation part would be 1 picture" in said
