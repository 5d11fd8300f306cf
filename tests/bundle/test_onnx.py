"""model.onnx computes under onnxruntime what the network computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import OPS, Operation
from dadarts.bundle import int8, onnx_file, program
from dadarts.bundle.form import LeftOutError
from tests.bundle.nets import GENOTYPES, WIDE, drawn, pictures, subject

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("genotype", GENOTYPES.values(), ids=GENOTYPES)
@pytest.mark.parametrize("shape", [(3, 9, 12), (1, 8, 8)])
def test_the_file_answers_what_the_network_answers(
    tmp_path: Path, genotype: Genotype, shape: tuple[int, int, int]
) -> None:
    one = subject(genotype, shape)
    assert onnx_file.write(one, tmp_path) == "opset 17", "written by us"
    answer, given = onnx_file.opened(tmp_path, 1), pictures(one)
    expected = one.network.predict_proba(given)
    torch.testing.assert_close(answer(given), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(answer(given[:1]), expected[:1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, WIDE, WIDE + 1), (12, 8, 8)], ids=["large-pictures", "twelve-channels"])
def test_every_size_is_written(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    one = subject(GENOTYPES["every-operation"], shape, layers=3)
    onnx_file.write(one, tmp_path)
    given = pictures(one, 2)
    torch.testing.assert_close(
        onnx_file.opened(tmp_path, 1)(given), one.network.predict_proba(given), rtol=0, atol=1e-5
    )


def test_a_reader_finds_classes_and_preparation_in_the_file(tmp_path: Path) -> None:
    onnx_file.write(subject(GENOTYPES["every-layer"], names=("cat", "a dog, 猫")), tmp_path)
    model = onnx.load(tmp_path / "model.onnx")
    said = {each.key: each.value for each in model.metadata_props}
    assert json.loads(said["classes"]) == ["cat", "a dog, 猫"]
    assert json.loads(said["preparation"])["size"] == {"height": 9, "width": 12}
    assert said["genotype"] == "01201210"
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    (given,), (answer,) = model.graph.input, model.graph.output
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim] == ["N", 3, 9, 12]
    assert [axis.dim_param or axis.dim_value for axis in answer.type.tensor_type.shape.dim] == ["N", 2]


def test_no_batch_norm_is_left_behind_a_convolution(tmp_path: Path) -> None:
    onnx_file.write(subject(GENOTYPES["every-layer"]), tmp_path)
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("Mul") == 1, "of the pictures' normalisation"
    assert "BatchNormalization" not in kinds


@pytest.mark.parametrize("form", [onnx_file, program])
def test_noise_is_no_part_of_a_graph(tmp_path: Path, form: object) -> None:
    with pytest.raises(LeftOutError, match="the operation noise draws numbers"):
        form.write(subject(drawn("S4"), (3, 8, 8)), tmp_path)  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


class Swished(nn.Module):
    """A layer that has no part in any of our networks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)


def test_an_operation_from_outside_is_written_as_torch_exports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.setitem(OPS, "mine", Operation(lambda c, stride, affine: Swished(), False, "mine"))
    cell = "=[[('skip_connect', 0)], [('mine', 2)]]"
    text = f"Genotype(normal{cell}, normal_concat=[3], reduce{cell}, reduce_concat=[3])"
    one = subject(Genotype.parse(text), (3, 8, 8), layers=1)
    assert "from outside" in onnx_file.write(one, tmp_path)
    assert capfd.readouterr().err == "", "what torch logs is for those who develop it"
    given = pictures(one)
    torch.testing.assert_close(
        onnx_file.opened(tmp_path, 1)(given), one.network.predict_proba(given), rtol=0, atol=1e-5
    )
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("missing", [["onnx"], ["onnxruntime"], ["onnx", "onnxruntime"]])
@pytest.mark.parametrize("form", [onnx_file, int8])
def test_packages_that_are_missing_are_named_with_what_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: list[str], form: object
) -> None:
    find = onnx_file.importlib.util.find_spec  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "dadarts.bundle.onnx_file.importlib.util.find_spec", lambda name: None if name in missing else find(name)
    )
    with pytest.raises(LeftOutError) as left_out:
        form.write(subject(GENOTYPES["every-layer"]), tmp_path)  # type: ignore[attr-defined]
    assert str(left_out.value) == f"{' and '.join(missing)} not installed: pip install 'dadarts[export]'"
