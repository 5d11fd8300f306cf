"""`dadarts predict` prepares files as the training did, and says of every one what the network takes it for."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import dadarts
from dadarts import files
from dadarts.architecture.network import Network
from dadarts.cli import predict
from dadarts.training import export
from tests.commands import DARTS_GENOTYPE, Outcome, augment, call, modern, refusal, succeed, without_pictures

SIZES = ("-init_channels", "4", "-layers", "1", "-batch_size", "16", "-aux_weight", "0", "-cutout_length", "2")
TRAINING = ("-epochs", "2", *SIZES, "-workers", "0", "-device", "cpu", "-threads", "1", "-genotype", DARTS_GENOTYPE)
CLASSES = ("across", "down")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def stripes(place: int, rng: np.random.Generator, side: int = 16) -> Any:
    """Grey stripes whose direction is the class, uint8 (side, side)."""
    y, x = np.mgrid[:side, :side]
    wave = (x, y)[place] * 24 / side
    return (127 + 90 * np.sin(wave + rng.uniform(0, 6)) + rng.normal(0, 25, (side, side))).clip(0, 255).astype(np.uint8)


def bits16(file: Path, grey: Any) -> None:
    Image.fromarray(grey.astype(np.uint16) * 257).save(file.with_suffix(".png"))


def bits12(file: Path, grey: Any) -> None:
    Image.fromarray(grey.astype(np.uint16) * 16).save(file.with_suffix(".png"))


def floats(file: Path, grey: Any) -> None:
    Image.fromarray(grey.astype(np.float32) * 7 - 1000).save(file.with_suffix(".tif"))


def turned(file: Path, grey: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    colours = Image.fromarray(np.repeat(grey[..., None], 3, 2)).transpose(Image.Transpose.ROTATE_90)
    colours.save(file.with_suffix(".jpg"), exif=exif, quality=95)


def transparent(file: Path, grey: Any) -> None:
    clear = np.zeros((*grey.shape, 4), np.uint8)
    clear[..., 3] = grey
    Image.fromarray(clear).save(file.with_suffix(".png"))


def palette(file: Path, grey: Any) -> None:
    Image.fromarray(np.repeat(grey[..., None], 3, 2)).quantize(16).save(file.with_suffix(".gif"))


def large_jpeg(file: Path, grey: Any) -> None:
    picture = Image.fromarray(np.repeat(grey[..., None], 3, 2)).resize((150 + 8 * (len(file.stem) % 3), 140))
    picture.save(file.with_suffix(".jpg"))


def wide(file: Path, grey: Any) -> None:
    Image.fromarray(grey).resize((40, 24)).save(file.with_suffix(".bmp"))


def written(root: Path, write: Callable[[Path, Any], None], parts: dict[str, int] | None = None) -> Path:
    """Class folders with a training and a test part."""
    rng = np.random.default_rng(3)
    for part, count in (parts or {"train": 16, "test": 9}).items():
        for place, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                write(root / part / name / f"{number}.", stripes(place, rng))
    return root


def rows(outcome: Outcome) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(outcome.out)))


@pytest.mark.parametrize(
    ("write", "more"),
    [
        *((write, ()) for write in (bits16, bits12, floats, turned, transparent, palette, wide)),
        (large_jpeg, ("-image_size", "16")),
        (turned, ("-image_size", "12")),
    ],
    ids=lambda each: each.__name__ if callable(each) else "".join(each),
)
def test_the_test_files_of_a_run_score_what_the_run_reports(write: Any, more: tuple[str, ...], tmp_path: Path) -> None:
    root = written(tmp_path / "pictures", write)
    cache = ("-cache_dir", str(tmp_path / "cache"))
    succeed(augment, "-name", "it", "-dataset", str(root), *TRAINING, *more, *cache)
    metrics = json.loads(Path("runs/augment/it/metrics.json").read_text())
    found = rows(succeed(modern, "predict", "it", str(root / "test")))
    assert len(found) == 18
    truth = [Path(row["file"]).parent.name for row in found]
    right = sum(row["prediction"] == name for row, name in zip(found, truth, strict=True))
    assert right / 18 == metrics["test_top1"]
    # Of so little training a single label may be right by chance; the loss is not.
    loss = -sum(math.log(float(row[name])) for row, name in zip(found, truth, strict=True)) / 18
    assert loss == pytest.approx(metrics["test_loss"], rel=1e-4)


@pytest.mark.filterwarnings("error")
def test_one_picture_is_prepared_by_hand_from_any_form_as_the_docs_say() -> None:
    network = dadarts.load(a_network())
    file = "one.png"
    Image.fromarray(np.arange(30 * 20 * 3, dtype=np.uint8).reshape(30, 20, 3)).save(file)
    values = np.asarray(Image.open(file))
    prepared = [
        network.preparation.from_file(file),
        network.preparation.from_image(Image.open(file)),
        network.preparation.from_array(values),
        network.preparation.from_array(torch.from_numpy(values.copy()).permute(2, 0, 1)),
    ]
    for pixels in prepared:
        assert pixels.shape == network.image_shape
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, prepared[0])
        assert network.predict(pixels[None]) == [found.label for found in network.predict_files([file])]


def test_pictures_whose_borders_are_cut_off_are_counted() -> None:
    network = dadarts.load(a_network())
    _, height, width = network.image_shape
    assert height == width
    sizes = {
        "same.png": (width, height), "larger.png": (3 * width, 3 * height), "nearly.png": (40 * width, 40 * width + 1),
        "wide.png": (2 * width, width), "high.png": (width, width + 1),
    }  # fmt: skip
    for name, size in sizes.items():
        Image.new("RGB", size, "red").save(name)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (width, 2 * width)).save("turned.jpg", exif=exif)
    found = network.predict_files([*sizes, "turned.jpg"])
    assert [each.file for each in found if each.cropped] == ["wide.png", "high.png", "turned.jpg"]
    said = succeed(modern, "predict", "it", *sizes, "turned.jpg").err
    assert said == (
        f"dadarts predict: pictures of another shape than the network's {height}x{width}: 3 of 6, resized to cover it "
        "and cropped at the centre, as in the training\n"
    )
    assert succeed(modern, "predict", "it", "same.png", "larger.png", "nearly.png").err == ""


def test_a_training_of_before_ranges_were_decided_goes_on_with_the_nominal_one(tmp_path: Path) -> None:
    root = written(tmp_path / "pictures", bits12)
    words = ("-dataset", str(root), *TRAINING, "-cache_dir", str(tmp_path / "cache"))
    succeed(augment, "-name", "it", "-value_range", "nominal", *words)
    run = Path("runs/augment/it")
    reported = (run / "metrics.json").read_text()
    # As a run of before has left it: ended in the middle, without the setting.
    config = json.loads((run / "config.json").read_text())
    assert config["settings"].pop("value_range") == "nominal"
    (run / "config.json").write_text(json.dumps(config))
    saved = torch.load(run / "checkpoints/last.pt", weights_only=False)
    assert saved["settings"].pop("value_range") == "nominal"
    torch.save(saved, run / "checkpoints/last.pt")
    (run / "result.txt").unlink()
    (run / "model.safetensors").unlink()
    succeed(augment, "-name", "it", "-resume", *words)
    again, before = json.loads((run / "metrics.json").read_text()), json.loads(reported)
    assert again["test_loss"] == before["test_loss"]
    assert dadarts.load("it").preparation.value_range is None
    succeed(augment, "-name", "it", "-resume", "-value_range", "auto", *words)


def a_network(path: Path = Path("runs/augment/it/model.safetensors"), classes: tuple[str, ...] = CLASSES) -> Path:
    """A network for 8x8 grey pixels that nobody has trained."""
    torch.manual_seed(1)
    network = Network(dadarts.Genotype.parse(DARTS_GENOTYPE), dadarts.Macro(2, 1, (1, 8, 8), len(classes)), False)
    export.save(path, network.eval(), classes, [0.5], [0.2], None)
    return path


def pictures(*names: str) -> list[str]:
    rng = np.random.default_rng(5)
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(name, format="PNG")
    return list(names)


def test_every_way_to_name_a_run_is_the_same_run() -> None:
    file = a_network()
    (one,) = pictures("one.png")
    tables = {
        succeed(modern, "predict", run, one).out for run in ("it", "@it", "runs/augment/it", str(file), f"./{file}")
    }
    assert len(tables) == 1
    moved = a_network(Path("elsewhere/augment/it/model.safetensors"))
    assert succeed(modern, "predict", "it", one, "--runs_dir", "elsewhere").out in tables
    loaded = [dadarts.load("it"), dadarts.load("@it"), dadarts.load("it", runs_dir="elsewhere"), dadarts.load(moved)]
    assert len({str(each.predict_files([one])) for each in loaded}) == 1


def test_the_table_holds_what_python_gives() -> None:
    network = dadarts.load(a_network())
    files = pictures("b/2.png", "b/1.png", "b/deep/3.png", 'a, "b".png', "-dash.png")
    outcome = succeed(modern, "predict", "it", files[3], "b", "--batch_size", "2", "--", "-dash.png")
    assert outcome.out.splitlines()[0] == "file,prediction,probability,across,down"
    expected = network.predict_files([files[3], "b/1.png", "b/2.png", "b/deep/3.png", "-dash.png"])
    for row, each in zip(rows(outcome), expected, strict=True):
        assert (row["file"], row["prediction"]) == (each.file, each.label)
        for name, probability in each.probabilities.items():
            assert np.float32(row[name]) == np.float32(probability)
        assert float(row["probability"]) == max(float(row[name]) for name in CLASSES)
        assert sum(each.probabilities.values()) == pytest.approx(1)
    array = np.stack([network.preparation.from_file(each.file) for each in expected])
    assert network.predict(array) == [each.label for each in expected]
    assert network.predict_proba(array).tolist() == [[*each.probabilities.values()] for each in expected]
    listed = json.loads(succeed(modern, "predict", "it", "b", "--json").out)
    assert [each["file"] for each in listed] == ["b/1.png", "b/2.png", "b/deep/3.png"]
    assert listed[0]["probabilities"].keys() == set(CLASSES)
    assert listed[0]["probability"] == listed[0]["probabilities"][listed[0]["prediction"]]


def test_a_list_of_paths_comes_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    a_network()
    files = pictures("with space.png", "two.png")
    monkeypatch.setattr(sys, "stdin", io.StringIO("two.png\n\nwith space.png\n"))
    assert [row["file"] for row in rows(succeed(modern, "predict", "it", "-"))] == files[::-1]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert refusal(modern, "predict", "it", "-") == "dadarts: stdin lists no path"


def test_what_cannot_be_read_is_named_and_left_out() -> None:
    a_network()
    pictures("good.png", "other.png")
    Path("torn.png").write_bytes(Path("good.png").read_bytes()[:50])
    Path("notes.txt").write_text("no picture")
    Path("empty").mkdir()
    os.mkfifo("pipe")
    outcome = call(
        modern, "predict", "it", "torn.png", "good.png", "none.png", "notes.txt", "empty", "pipe", "other.png"
    )
    assert outcome.code == 1
    assert [row["file"] for row in rows(outcome)] == ["good.png", "other.png"]
    said = outcome.err.splitlines()
    assert [any(name in line for line in said) for name in ("torn.png", "none.png", "notes.txt", "empty", "pipe")] == [
        True
    ] * 5
    assert len(said) == 5
    assert all(line.startswith("dadarts predict: ") and line.endswith("; left out") for line in said)


def test_python_takes_one_file_for_one_and_no_folder_for_its_files() -> None:
    a_network()
    (one,) = pictures("one.png")
    network = dadarts.load("it")
    assert network.predict_files(one) == network.predict_files(Path(one)) == network.predict_files([one])
    Path("folder").mkdir()
    with pytest.raises(dadarts.InputError, match="folder is a folder; give the files in it"):
        network.predict_files(["folder"])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_file_that_cannot_be_read_is_named_wherever_it_stands(place: int) -> None:
    a_network()
    paths = pictures("good.png", "other.png")
    paths.insert(place, "none.png")
    outcome = call(modern, "predict", "it", *paths)
    assert (outcome.code, len(rows(outcome))) == (1, 2)
    assert outcome.err == "dadarts predict: there is no file none.png; left out\n"


def test_a_folder_is_read_by_the_rules_of_training_and_loops_of_links_end() -> None:
    a_network()
    pictures("in/b.png", "in/a.png", "in/.hidden.png", "else/c.png")
    Path("in/notes.txt").write_text("x")
    Path("in/loop").symlink_to(Path("in").resolve())
    Path("in/linked").symlink_to(Path("else").resolve())
    found = [row["file"] for row in rows(succeed(modern, "predict", "it", "in"))]
    assert found == ["in/a.png", "in/b.png", "in/linked/c.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("it", "none.png"), "there is no file none.png"),
        (("it", "own.npz"), "own.npz holds arrays, and this takes picture files; in Python `predict` takes arrays"),
        (("it", "none.png", "nor.png"), None),
        (("it",), "PATH must be given: dadarts predict RUN PATH ..."),
        ((), "begin with dadarts predict RUN PATH ..."),
        (
            ("itt", "one.png"),
            "there is no trained network at itt or runs/augment/itt; did you mean it? In runs/augment",
        ),
        (("@itt", "one.png"), "there is no trained network at runs/augment/itt; did you mean it?"),
        (("zebra", "one.png"), "there is no trained network at zebra or runs/augment/zebra; in runs/augment: it"),
        (("@", "one.png"), "there is no trained network at @"),
        (("found", "one.png"), "found is a search: train what it found, with `dadarts train --genotype @found`"),
        (("it", "one.png", "--batch_size", "0"), "--batch_size 0: give a whole number from 1 to 10000"),
        (("it", "one.png", "--workers", "-1"), "--workers"),
        (("it", "one.png", "--workers", "257"), "--workers 257: give a whole number from 0 to 256"),
        (("it", "one.png", "--device", "tpu"), "--device tpu: give one of auto, cpu, cuda, mps"),
        (("it", "one.png", "--output", "no/such/file.csv"), "give a file in a folder that there is"),
        (("it", "one.png", "--output", "."), "give a file in a folder that there is"),
        (("x" * 5000, "one.png"), "there is no trained network at xxx"),
        (("one.png", "one.png"), "one.png is not a network that dadarts wrote"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(words: tuple[str, ...], said: str | None) -> None:
    a_network()
    pictures("one.png")
    Path("runs/search/found").mkdir(parents=True)
    if said is None:
        outcome = call(modern, "predict", *words, "--output", "out.csv")
        assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (2, "", 3)
        assert outcome.err.endswith("dadarts: none of 2 paths is a picture\n")
        assert not Path("out.csv").exists()
    else:
        assert said in refusal(modern, "predict", *words)


def test_a_table_in_a_file_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    a_network()
    pictures(*(f"{number}.png" for number in range(5)))
    files = [f"{number}.png" for number in range(5)]
    assert succeed(modern, "predict", "it", *files, "--output", "all.csv").out == ""
    assert Path("all.csv").read_text() == succeed(modern, "predict", "it", *files).out
    taken = export.TrainedNetwork.predict_proba

    def stopping(network: export.TrainedNetwork, images: Any) -> Any:
        if Path(".stop").exists():
            signal_self()
        Path(".stop").touch()
        return taken(network, images)

    monkeypatch.setattr(export.TrainedNetwork, "predict_proba", stopping)
    outcome = call(modern, "predict", "it", *files, "--output", "some.csv", "--batch_size", "2")
    assert outcome.code == 130
    assert outcome.err == "dadarts predict: stopped after 2 pictures; some.csv was not written\n"
    assert not [path for path in Path().iterdir() if "some" in path.name]


def test_who_waits_for_many_files_is_told_how_many_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    a_network()
    files = pictures(*(f"{number}.png" for number in range(5)))
    assert succeed(modern, "predict", "it", *files).err == ""
    seconds = iter([0.0, 4.0, 9.0, 11.0, 20.0, 21.5])
    monkeypatch.setattr(predict, "clock", lambda: next(seconds))
    outcome = succeed(modern, "predict", "it", *files, "--workers", "0", "--device", "cpu")
    assert outcome.err.splitlines() == [
        "dadarts predict: 3 pictures, 0.3 a second",
        "dadarts predict: 5 pictures, 0.2 a second",
    ]
    assert len(rows(outcome)) == 5


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    a_network()
    pictures("one.png")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    said = refusal(modern, "predict", "it", "one.png", "--device", "cuda")
    assert said == "dadarts: CUDA device 0: this machine has 0; use --device cpu"


def test_a_pipe_or_a_device_is_not_replaced_by_a_table() -> None:
    a_network()
    pictures("one.png")
    os.mkfifo("pipe")
    said = refusal(modern, "predict", "it", "one.png", "--output", "pipe")
    assert said == "dadarts: --output pipe: not a regular file; leave --output out and write stdout to it"
    with pytest.raises(dadarts.RunError, match="cannot write pipe: not a regular file"):
        files.write_text(Path("pipe"), "text")
    with pytest.raises(dadarts.RunError, match="cannot write pipe: not a regular file"), files.writing(Path("pipe")):
        pass
    assert Path("pipe").is_fifo()


def signal_self() -> None:
    import signal

    os.kill(os.getpid(), signal.SIGINT)


def test_a_class_that_is_called_as_a_column_gets_a_column_of_its_own() -> None:
    a_network(classes=("file", "p:file", "ant"))
    outcome = succeed(modern, "predict", "it", *pictures("one.png"))
    assert outcome.out.splitlines()[0] == "file,prediction,probability,p:file,p:p:file,ant"
    assert succeed(modern, "predict", "it", "one.png", "--json").code == 0


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_full_disk_behind_stdout_is_a_line_and_exit_code_1(more: tuple[str, ...]) -> None:
    a_network()
    err = io.StringIO()
    with Path("/dev/full").open("w") as full, redirect_stdout(full), redirect_stderr(err):
        assert modern(("predict", "it", *pictures("one.png"), *more)) == 1
    assert err.getvalue() == "dadarts: standard output cannot be written: No space left on device\n"


def test_names_that_are_no_text_are_given_back_byte_for_byte() -> None:
    a_network()
    name = os.fsdecode(b"caf\xe9.png")
    pictures(name)
    succeed(modern, "predict", "it", name, "--output", "out.csv")
    assert b"caf\xe9.png" in Path("out.csv").read_bytes()


def test_predicting_leaves_the_number_of_threads_as_it_was() -> None:
    network = dadarts.load(a_network())
    before = torch.get_num_threads()
    used = []
    network.network.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
    torch.set_num_threads(3)
    try:
        network.predict(torch.zeros(2, 1, 8, 8))
        network.predict_files(pictures("one.png"))
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="predict_files"):
            network.predict(torch.zeros(2, 1, 9, 8))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert used == [1, 1]


def test_a_broken_file_is_an_error_in_python() -> None:
    network = dadarts.load(a_network())
    with pytest.raises(dadarts.InputError, match=r"^there is no file none\.png$"):
        network.predict_files([*pictures("one.png"), "none.png"])


def test_a_long_list_is_read_as_it_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    network = dadarts.load(a_network())
    (one,) = pictures("one.png")
    asked = 0

    def endless() -> Any:
        nonlocal asked
        while True:
            asked += 1
            yield one

    found = network.predictions(endless(), batch_size=4)
    assert [next(found).file for _ in range(5)] == [one] * 5
    assert asked < 60
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() < 20


def test_a_search_is_named_in_python_as_on_the_command_line() -> None:
    for kind, text in (("search", DARTS_GENOTYPE), ("augment", "")):
        Path(f"runs/{kind}/first").mkdir(parents=True)
        Path(f"runs/{kind}/first/genotype.txt").write_text(text)
    for word in ("@first", "runs/search/first", Path("runs/search/first"), "runs/search/first/genotype.txt"):
        config = dadarts.TrainConfig(name="it", dataset="digits", genotype=word)
        assert str(config.genotype) == DARTS_GENOTYPE
    moved = Path("runs").rename("moved")
    config = dadarts.TrainConfig(name="it", dataset="digits", genotype="@first", runs_dir=moved)
    assert str(config.genotype) == DARTS_GENOTYPE
    with pytest.raises(dadarts.InputError, match="there is no genotype"):
        dadarts.TrainConfig(name="it", dataset="digits", genotype="@first")
