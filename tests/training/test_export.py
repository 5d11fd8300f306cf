"""A trained network leaves as one file that predicts what the training measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import dadarts
from dadarts.architecture.network import Network
from dadarts.data import DataRequest, load
from dadarts.runs import checkpoint
from dadarts.training import export
from tests.commands import BENCH_GENOTYPE, COMMON, DARTS_GENOTYPE, TINY_TRAINING, augment, succeed, without_pictures

RUN = Path("runs/augment/it")
BENCH_OF_NOTHING = "+".join("|" + "".join(f"none~{state}|" for state in range(node)) for node in range(1, 40))
"""39 nodes without a weight."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that has ended."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        without_pictures(monkeypatch)
        succeed(augment, "-name", "it", *TINY_TRAINING)
    return folder / RUN


@pytest.mark.parametrize("genotype", [DARTS_GENOTYPE, BENCH_GENOTYPE])
def test_the_loaded_network_repeats_the_test_accuracy_on_raw_pictures(genotype: str) -> None:
    outcome = succeed(augment, "-name", "it", *COMMON, "-lr", "0.1", "-genotype", genotype)
    network = dadarts.load("runs/augment/it")
    assert not network.training
    test = load(DataRequest("digits")).test
    pictures = test.take(torch.arange(len(test)))
    assert pictures.dtype == torch.uint8
    predicted = network.predict(pictures)
    assert network.classes == tuple("0123456789")
    right = sum(name == str(label) for name, label in zip(predicted, test.labels.tolist(), strict=True))
    metrics = json.loads((RUN / "metrics.json").read_text())
    assert right / len(test) == metrics["test_top1"] == float(outcome.last_line)
    loss = torch.nn.functional.cross_entropy(network(pictures), test.labels).item()
    assert loss == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert str(network.genotype) == genotype


def test_pictures_may_be_bytes_or_fractions(trained: Path) -> None:
    network = export.load(trained / "model.safetensors")
    pictures = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(pictures), network(pictures.float() / 255))


def untrained() -> export.TrainedNetwork:
    """A network of two classes for pictures of 8x8 grey pixels."""
    network = Network(dadarts.Genotype.parse(DARTS_GENOTYPE), dadarts.Macro(2, 1, (1, 8, 8), 2), auxiliary=False)
    return export.TrainedNetwork(network, ["cat", "dog"], [0.5], [0.5]).eval()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda bytes_: bytes_.float(), "got float32 from 0 to 255"),
        (lambda bytes_: bytes_.numpy().astype("float64"), "got float64 from 0 to 255"),
        (lambda bytes_: bytes_.long(), "got int64 from 0 to 255"),
        (lambda bytes_: (bytes_ / 255 - 0.5) / 0.5, "got float32 from -1 to 1"),
        (lambda bytes_: bytes_ / 255 * float("nan"), "got float32 from nan to nan"),
    ],
)
def test_pictures_of_another_scale_are_refused(change: Callable[[torch.Tensor], Any], said: str) -> None:
    pictures = torch.linspace(0, 255, 128).round().byte().view(2, 1, 8, 8)
    with pytest.raises(
        ValueError, match=f"^expected uint8 pictures, 0 to 255, or float ones from 0 to 1, {said}; predict_files"
    ):
        untrained().predict(change(pictures))


def test_pictures_as_other_libraries_make_them_are_taken() -> None:
    network = untrained()
    pictures = torch.linspace(0, 255, 128).round().byte().view(2, 1, 8, 8)
    expected = network.predict(pictures)
    assert network.predict(pictures.numpy() / 255) == expected, "numpy divides in float64"
    assert len(network.predict(pictures / 255 * 1.2 - 0.1)) == 2, "resizing overshoots"
    assert network.predict(torch.zeros(0, 1, 8, 8)) == []


def test_probabilities_are_those_of_the_logits_whatever_computes_them(trained: Path) -> None:
    network = export.load(trained)
    pictures = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.predict_proba(pictures), network(pictures).double().softmax(dim=1))
        network.network = untrained().network
        torch.testing.assert_close(network.predict_proba(pictures), network(pictures).double().softmax(dim=1))


def test_the_file_holds_the_last_weights_and_all_that_their_use_needs(trained: Path) -> None:
    with safe_open(trained / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
        names = set(file.keys())
    assert list(metadata) == ["dadarts"]
    facts = json.loads(metadata["dadarts"])
    assert facts["genotype"] == DARTS_GENOTYPE
    assert facts["classes"] == list("0123456789")
    assert not [name for name in names if name.startswith("auxiliary")]
    last = checkpoint.load(trained / "checkpoints/last.pt", "augment")[1]["network"]
    for name, tensor in export.load(trained).network.state_dict().items():
        assert torch.equal(tensor, last[name]), name


def test_two_trainings_of_one_seed_are_the_same_bytes(trained: Path) -> None:
    succeed(augment, "-name", "again", *TINY_TRAINING)
    files = [folder / "model.safetensors" for folder in (trained, RUN.with_name("again"))]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_network_of_ones_own_is_saved_and_loaded() -> None:
    network = Network(
        dadarts.Genotype.parse(DARTS_GENOTYPE), dadarts.Macro(2, 1, (3, 9, 13), 2), auxiliary=False
    ).eval()
    path = Path("deep/model.safetensors")
    export.save(path, network, ["cat", "dog"], [0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
    loaded = dadarts.load(path)
    assert loaded.classes == ("cat", "dog")
    pictures = torch.rand(4, 3, 9, 13)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]))
    with torch.no_grad():
        torch.testing.assert_close(loaded(pictures), network((pictures - mean) / std))


@pytest.mark.parametrize(
    "damage",
    [
        *("missing", "empty", "noise", "cut", "foreign"),
        *("no genotype", "a number for a genotype", "hostile", "sizes", "a list", "no means"),
    ],
)
def test_a_file_that_is_no_network_is_refused(damage: str) -> None:
    path = Path("model.safetensors")
    network = Network(dadarts.Genotype.parse(DARTS_GENOTYPE), dadarts.Macro(2, 1, (1, 8, 8), 2))
    export.save(path, network, ["a", "b"], [0.0], [1.0])
    content = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["dadarts"])
    changes: dict[str, Any] = {
        "no genotype": {**facts, "genotype": "None"},
        "a number for a genotype": {**facts, "genotype": 3},
        "hostile": {**facts, "genotype": "__import__('os').system('touch pwned')"},
        "sizes": {**facts, "macro": {**facts["macro"], "channels": 4}},
        "a list": [],
        "no means": {**facts, "mean": None},
    }
    if damage == "missing":
        path.unlink()
    elif damage == "foreign":
        save_file({"x": torch.zeros(2)}, path)
    elif damage in changes:
        save_file(tensors, path, {"dadarts": json.dumps(changes[damage])})
    else:
        path.write_bytes({"empty": b"", "noise": bytes(range(256)) * 9, "cut": content[: len(content) // 2]}[damage])
    with pytest.raises(dadarts.InputError) as caught:
        dadarts.load(path)
    assert "\n" not in str(caught.value)
    if damage != "missing":
        with pytest.raises(dadarts.InputError, match="the network is not a network that dadarts wrote") as of_bytes:
            export.loads(path.read_bytes())
        assert "\n" not in str(of_bytes.value)
    assert not Path("pwned").exists()


def tampered(genotype: str = DARTS_GENOTYPE, more: dict[str, torch.Tensor] | None = None, **changes: Any) -> str:
    """What is said of a network's file whose metadata or tensors have been changed."""
    path = Path("tampered.safetensors")
    export.save(
        path, Network(dadarts.Genotype.parse(genotype), dadarts.Macro(2, 1, (1, 8, 8), 2)), ["a", "b"], [0], [1]
    )
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["dadarts"])
    facts["classes"] = changes.pop("names", facts["classes"])
    facts["macro"] |= {name: changes.pop(name) for name in list(changes) if name in facts["macro"]}
    save_file({**tensors, **(more or {})}, path, {"dadarts": json.dumps({**facts, **changes})})
    with pytest.raises(dadarts.InputError) as caught:
        dadarts.load(path)
    assert len(str(caught.value)) < 500
    return str(caught.value).removeprefix(f"{path} is not a network that dadarts wrote, or is damaged: ")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": 10**5}, "macro.layers: input should be less than or equal to 1000"),
        ({"layers": 1000}, "tensors are too few for 1,000 layers of such cells"),
        ({"channels": float("inf")}, "macro.channels: "),
        ({"channels": 2.5}, "macro.channels: "),
        ({"channels": True}, "macro.channels: "),
        ({"image_shape": [1, 8]}, "macro.image_shape.2: field required"),
        ({"classes": 10**9}, "macro.classes: "),
        ({"mean": []}, "metadata: value error, 0 means and 1 deviations of 1"),
        ({"mean": [float("nan")]}, "mean.0: "),
        ({"std": [float("nan")]}, "std.0: "),
        ({"std": [0]}, "std.0: input should be greater than 0"),
        ({"value_range": [1, 0]}, "metadata: value error, black is not below white"),
        ({"value_range": [0, 1, 2]}, "value_range: "),
        ({"format": "dadarts-network/9"}, "format: input should be 'dadarts-network/1'"),
        ({"more": {"x": torch.zeros(1)}}, "weights has more than the run's"),
        (
            {"more": {"backbone.classifier.bias": torch.zeros(3)}},
            "weights.backbone.classifier.bias is float32 of shape",
        ),
        ({"more": {"backbone.classifier.bias": torch.tensor([1, 2])}}, "weights.backbone.classifier.bias is int64"),
        (
            {"more": {"backbone.classifier.bias": torch.tensor([1.0, float("nan")])}},
            "weights.backbone.classifier.bias is not finite",
        ),
        ({"genotype": "|none~0|+|none~0|none~1|", "layers": 1000}, "weights lacks"),
        ({"genotype": BENCH_OF_NOTHING, "layers": 1000}, "tensors are too few for 1,000 layers of such cells"),
        ({"names": ["a"]}, "metadata: value error, 1 names for 2 classes"),
        ({"names": ["a", 1]}, "classes.1: input should be a valid string"),
    ],
)
def test_metadata_is_held_against_its_bounds_and_the_tensors(changes: dict[str, Any], said: str) -> None:
    assert said in tampered(**changes)


def test_weights_of_another_precision_are_loaded_and_names_that_are_no_text_are_kept() -> None:
    path = Path("model.safetensors")
    network = Network(dadarts.Genotype.parse(DARTS_GENOTYPE), dadarts.Macro(2, 1, (1, 8, 8), 2)).eval()
    export.save(path, network.double(), ["a", "\udcff"], [0.0], [1.0])
    loaded = dadarts.load(path)
    assert loaded.classes == ("a", "\\udcff")
    assert all(w.dtype == torch.float32 for w in loaded.parameters())


def test_a_folder_without_a_trained_network_says_what_to_do() -> None:
    with pytest.raises(dadarts.InputError, match=r"make one with `dadarts fit`, `dadarts train` or augment\.py"):
        dadarts.load("runs/augment/nothing")


def test_pictures_of_another_shape_are_refused_and_arrays_taken(trained: Path) -> None:
    network = dadarts.load(str(trained))
    pictures = load(DataRequest("digits")).test.take(torch.arange(3))
    assert network.predict(pictures.numpy()) == network.predict(pictures)
    for other in (pictures[0], pictures[:, :, 1:], pictures.expand(3, 3, 8, 8)):
        with pytest.raises(ValueError, match=r"expected pictures of shape \(B, 1, 8, 8\)"):
            network.predict(other)
    names: tuple[Any, ...] = ("flower.jpg", ["a.jpg", "b.jpg"], Path("flower.jpg"))
    for name in names:
        with pytest.raises(ValueError, match=r"expected an array or tensor of pictures, got .*predict_files"):
            network.predict(name)
