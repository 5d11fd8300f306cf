"""`dadarts export` makes of a training a folder whose forms all answer the same, without dadarts too."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import dadarts
from dadarts.bundle import card, int8, latency, making, onnx_file, program
from dadarts.bundle.form import Form, LeftOutError, Written
from dadarts.bundle.subject import subject_of
from tests.commands import ROOT, TINY_TRAINING, augment, call, modern, refusal, spawn, succeed, tree, without_pictures
from tests.data.samples import noise, write_picture

FILES = {"model.safetensors", "config.json", "model.py", "model.pt2", "card.md", "README.md"}
ONNX_FILES = {"model.onnx", "model.int8.onnx"}
AGREED = 1e-5


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a training has ended."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        without_pictures(monkeypatch)
        succeed(augment, "-name", "it", *TINY_TRAINING)
    return folder


@pytest.fixture(scope="module")
def bundle(trained: Path) -> Path:
    """What an export of it has left."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(trained)
        outcome = succeed(modern, "export", "it", "--out", "made/model")
    assert outcome.last_line == "made/model"
    assert "writing model.py" in outcome.err
    return trained / "made/model"


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of weights and text alone."""
    monkeypatch.setattr(making, "FORMS", making.FORMS[:2])
    monkeypatch.setattr(latency, "measured", lambda *_: [])


def test_the_folder_has_every_form_and_nothing_else(bundle: Path) -> None:
    onnx = ONNX_FILES if onnx_file.importlib.util.find_spec("onnxruntime") else set()  # type: ignore[attr-defined]
    # A network of two channels and two epochs may lose much in integers, which the card says then.
    found = {path.name for path in bundle.iterdir()}
    assert found | {"model.int8.onnx"} == FILES | onnx | {"model.int8.onnx"}
    assert ("model.int8.onnx" in found) != ("There is no `model.int8.onnx`: " in (bundle / "card.md").read_text())
    assert [path.name for path in bundle.parent.iterdir()] == ["model"], "nothing is left beside it"


WITHOUT_DADARTS = """
import contextlib, importlib.util, io, json, runpy, sys
sys.modules["dadarts"] = None
try:
    import dadarts
except ImportError:
    pass
else:
    sys.exit("dadarts is there")
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from model import load
given = torch.from_numpy(np.load("given.npy"))
found = {"model.py": load().predict_proba(given)}
with torch.no_grad():
    found["model.pt2"] = torch.export.load(f"{sys.argv[1]}/model.pt2").module()(given)
if importlib.util.find_spec("onnxruntime"):
    import onnxruntime
    session = onnxruntime.InferenceSession(f"{sys.argv[1]}/model.onnx")
    found["model.onnx"] = torch.from_numpy(session.run(None, {"pictures": given.numpy()})[0])
    said = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    assert said == list(load().classes), said
expected = torch.from_numpy(np.load("expected.npy"))
print(json.dumps({name: float((each.double() - expected).abs().max()) for name, each in found.items()}))
sys.argv = ["model.py", "picture.png", "no-picture.png"]
sys.stdout.flush()
runpy.run_path(f"{sys.path[0]}/model.py", run_name="__main__")
"""


def test_all_forms_answer_the_same_in_a_process_without_dadarts(bundle: Path, here: Path) -> None:
    given = noise(256, 1, 8, 8)
    network = dadarts.load("it")
    np.save("given.npy", given)
    np.save("expected.npy", network.predict_proba(given).numpy())
    write_picture(Path("picture.png"), noise(1, 20, 30, 3)[0])
    done = spawn(sys.executable, "-I", "-c", WITHOUT_DADARTS, str(bundle))
    assert done.code == 1, done.err
    differences = json.loads(done.out.splitlines()[0])
    assert set(differences) >= {"model.py", "model.pt2"}
    assert {name: value for name, value in differences.items() if not value <= AGREED} == {}
    (said,) = network.predict_files("picture.png")
    assert done.out.splitlines()[1:] == [f"picture.png\t{said.label}\t{said.probability:.4f}"]
    assert "no-picture.png" in done.err
    assert "Traceback" not in done.err


def test_dadarts_itself_reads_the_folder(bundle: Path, here: Path) -> None:
    given = torch.from_numpy(noise(9, 1, 8, 8))
    torch.testing.assert_close(
        dadarts.load(bundle).predict_proba(given), dadarts.load("it").predict_proba(given), rtol=0, atol=0
    )
    assert (bundle / "model.safetensors").read_bytes() == (here / "runs/augment/it/model.safetensors").read_bytes()
    assert json.loads(succeed(modern, "show", str(bundle), "--json").out)["genotype"] == TINY_TRAINING[-1]
    write_picture(Path("picture.png"), noise(1, 20, 30, 3)[0])
    assert succeed(modern, "predict", str(bundle), "picture.png").out.startswith("file,prediction")


def test_the_configuration_says_all_that_a_reader_needs(bundle: Path) -> None:
    config = json.loads((bundle / "config.json").read_text())
    assert config["id2label"] == {str(digit): str(digit) for digit in range(10)}
    assert config["genotype"] == TINY_TRAINING[-1]
    assert (config["channels"], config["layers"], config["image_shape"]) == (2, 1, [1, 8, 8])
    assert config["preparation"]["mode"] == "L"
    assert config["seed"] == 42
    assert {"torch", "dadarts", "python"} <= set(config["versions"])


def test_the_card_says_what_was_measured_and_what_not(bundle: Path, here: Path) -> None:
    text = (bundle / "card.md").read_text()
    assert (bundle / "README.md").read_text() == text, "where Hugging Face looks for it"
    metrics = json.loads((here / "runs/augment/it/metrics.json").read_text())
    low, high = metrics["test_top1_interval"]
    assert f"| accuracy | {metrics['test_top1']:.2%}, 95 % interval {low:.1%} to {high:.1%} (Wilson) |" in text
    for key, name, spec in (("balanced_accuracy", "balanced accuracy", ".1%"), ("macro_f1", "macro F1", ".3f")):
        least, most = metrics[f"{key}_interval"]
        assert f"| {name} | {metrics[key]:{spec}}, 95 % interval {least:{spec}} to {most:{spec}} |" in text
    assert "\nTest part: a fifth of each class, held out. No training picture is in it" in text
    assert f"{metrics['parameters']:,} parameters, {metrics['multiply_adds']:,} multiply-adds" in text
    assert text.count("\n| 3 | ") == 1, "a line for each class"
    assert "Seed 42" in text
    assert "## Limits" in text
    assert str(here) not in text
    front = text.split("---\n")[1]
    assert "pipeline_tag: image-classification" in front
    assert [float(value) for value in re.findall(r"^      value: (\d\.\d+)$", front, re.MULTILINE)] == [
        metrics[key] for key in ("test_top1", "balanced_accuracy", "macro_f1")
    ]
    assert re.findall(r"- type: (\w+)\n      name", front) == ["accuracy", "balanced_accuracy", "f1"]
    (command,) = re.findall(r"```shell\n(.*)\n```", text)
    assert command.startswith("dadarts train --name it --dataset digits --genotype 'Genotype(normal=[[(\"sep_conv")
    assert "--epochs 2" in command
    assert "--workers" not in command, "no setting of a machine"


def test_no_file_says_where_it_was_made(bundle: Path) -> None:
    places = [str(Path(__file__).parents[2]).encode(), str(bundle.parents[1]).encode()]
    assert [path.name for path in bundle.iterdir() if any(place in path.read_bytes() for place in places)] == []


@pytest.mark.usefixtures("here", "quick")
def test_nothing_is_overwritten_in_silence() -> None:
    succeed(modern, "export", "it", "--out", "one")
    before = (Path("one/config.json").stat().st_mtime_ns, sorted(tree(Path("one"))))
    said = refusal(modern, "export", "it", "--out", "one")
    assert said == ("dadarts: --out one: there is a model already; replace it with --overwrite, or give another")
    assert (Path("one/config.json").stat().st_mtime_ns, sorted(tree(Path("one")))) == before
    succeed(modern, "export", "it", "--out", "one", "--overwrite")
    assert sorted(tree(Path("one"))) == before[1]
    (Path("theirs") / "photographs").mkdir(parents=True)
    assert "holds what no export wrote" in refusal(modern, "export", "it", "--out", "theirs", "--overwrite")
    assert "holds what no export wrote" in refusal(modern, "export", "it", "--out", "runs/augment/it", "--overwrite")
    Path("file").touch()
    assert "not a folder" in refusal(modern, "export", "it", "--out", "file", "--overwrite")
    assert "cannot be written" in refusal(modern, "export", "it", "--out", "file/below")
    with pytest.raises(dadarts.InputError, match="out one: there is a model already; replace it with overwrite=True"):
        dadarts.export("it", out="one")


@pytest.mark.usefixtures("here", "quick")
def test_a_folder_is_called_after_the_run_and_a_run_that_is_not_there_is_said_first() -> None:
    succeed(modern, "export", "@it")
    assert refusal(modern, "export", "it").startswith("dadarts: --out it-model: there is a model already")
    succeed(modern, "export", "it-model")
    assert {path.name for path in Path().glob("*-model")} == {"it-model", "it-model-model"}
    assert "there is no trained network" in refusal(modern, "export", "nobody", "--out", "it-model")


def failing(error: BaseException) -> Callable[..., str]:
    def write(*_: object) -> str:
        raise error

    return write


def interrupted(*_: object) -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    return ""


@pytest.mark.usefixtures("here", "quick")
@pytest.mark.parametrize(
    ("write", "code", "said"),
    [
        (failing(OSError(28, "No space left on device")), 1, "cannot write .*: No space left on device"),
        (interrupted, 143, "stopped; nothing was written"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_an_export_that_fails_leaves_what_was_there(
    monkeypatch: pytest.MonkeyPatch, write: Callable[..., str], code: int, said: str, there: bool
) -> None:
    shutil.rmtree("half", ignore_errors=True)
    if there:
        succeed(modern, "export", "it", "--out", "half")
    before = tree(Path())
    last = Form("last", "", write, making.FORMS[0].opened)
    monkeypatch.setattr(making, "FORMS", (*making.FORMS, last))
    outcome = call(modern, "export", "it", "--out", "half", "--overwrite")
    assert outcome.code == code
    assert re.search(said, outcome.err)
    assert tree(Path()) == before


@pytest.mark.usefixtures("here", "quick")
def test_a_form_that_answers_otherwise_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    first = making.FORMS[0]

    def wrong(folder: Path, threads: int) -> Callable[[torch.Tensor], torch.Tensor]:
        answer = first.opened(folder, threads)
        return lambda pictures: answer(pictures).roll(1, dims=1)

    monkeypatch.setattr(making, "FORMS", (Form(first.file, first.holds, first.write, wrong),))
    outcome = call(modern, "export", "it", "--out", "wrong")
    assert (outcome.code, Path("wrong").exists()) == (1, False)
    assert "model.safetensors gives probabilities that differ by" in outcome.err


@pytest.mark.usefixtures("here")
def test_a_form_that_cannot_be_written_is_named_and_the_others_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Form("lost.onnx", "", failing(LeftOutError("it has\nno reason")), making.FORMS[0].opened)
    monkeypatch.setattr(making, "FORMS", (making.FORMS[0], lost))
    outcome = succeed(modern, "export", "it", "--out", "some", "--json")
    assert "dadarts export: there is no lost.onnx: it has no reason" in outcome.err.splitlines()
    said = json.loads(outcome.out)
    assert said["left_out"] == {"lost.onnx": "it has no reason"}
    assert [(each["file"], each["difference"]) for each in said["files"]] == [("model.safetensors", 0)]
    assert "There is no `lost.onnx`: it has no reason." in Path("some/card.md").read_text()


def test_integers_that_lose_over_a_point_are_left_out(
    bundle: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    shutil.copy(bundle / "model.onnx", tmp_path)
    one = subject_of("it", Path("runs"))
    monkeypatch.setattr(int8, "MOST_LOST", 1.0)
    assert re.fullmatch(r"accuracy [\d.]+%, against [\d.]+% on 359 test pictures", int8.write(one, tmp_path))
    assert int8.opened(tmp_path, 1)(one.compared).shape == (256, 10)
    (tmp_path / "model.int8.onnx").unlink()
    monkeypatch.setattr(int8, "_right", lambda *_: [323, 319])
    monkeypatch.setattr(int8, "MOST_LOST", 0.01)
    with pytest.raises(LeftOutError, match=r"it loses over a point: accuracy 88.86%, against 89.97% on 359"):
        int8.write(one, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.usefixtures("quick")
def test_a_network_alone_is_exported_too(here: Path, tmp_path: Path) -> None:
    file = shutil.copy(here / "runs/augment/it/model.safetensors", tmp_path / "alone.safetensors")
    left = dadarts.export(file, out=tmp_path / "model")
    assert isinstance(left, dadarts.Bundle)
    assert all(isinstance(each, Written) for each in left.files)
    text = (tmp_path / "model/card.md").read_text()
    assert "Nothing was measured." in text
    assert "Nothing is known of the pictures" in text
    assert not any(name in text.split("---\n")[1] for name in ("model-index", "accuracy"))


def test_what_the_page_shows_works(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    write_picture(Path("flower.jpg"), noise(1, 20, 30, 3)[0])
    Path("model").symlink_to(bundle)
    with_onnx, with_torch = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)
    exec(compile(with_onnx, "export.md", "exec"), {})  # noqa: S102 -- what it says to type
    assert "3, 32, 32" in with_torch
    exec(compile(with_torch.replace("3, 32, 32", "1, 8, 8"), "export.md", "exec"), {})  # noqa: S102
    label, probability, *shape = capsys.readouterr().out.split(maxsplit=2)
    assert label in "0123456789"
    assert 0.1 <= float(probability) <= 1
    assert shape == ["torch.Size([5, 10])\n"]


def test_a_search_and_a_name_of_nothing_are_refused(here: Path) -> None:
    assert "there is no trained network at" in refusal(modern, "export", "nothing")
    assert "begin with dadarts export RUN" in refusal(modern, "export")


def test_markup_in_names_is_none() -> None:
    assert card._plain("a|b\n<script>") == r"a\|b \<script\>"
    assert program.FORM.file in FILES
