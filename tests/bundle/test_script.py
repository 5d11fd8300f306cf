"""model.py, the network in plain torch, computes what the network computes, whatever its genotype."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import NONE, OPS
from dadarts.bundle import script
from dadarts.bundle.form import LeftOutError
from dadarts.bundle.spelled.layers import OPERATIONS
from dadarts.data import ValueRange
from tests.bundle.nets import GENOTYPES, WIDE, drawn, pictures, save, subject


@pytest.mark.parametrize("genotype", GENOTYPES.values(), ids=GENOTYPES)
@pytest.mark.parametrize("shape", [(3, 9, 12), (1, 8, 8)])
def test_the_file_answers_what_the_network_answers(
    tmp_path: Path, genotype: Genotype, shape: tuple[int, int, int]
) -> None:
    one = subject(genotype, shape)
    save(one, tmp_path)
    script.write(one, tmp_path)
    given = pictures(one)
    torch.testing.assert_close(script.opened(tmp_path, 1)(given), one.network.predict_proba(given), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("genotype", "shape", "layers", "names"),
    [
        (GENOTYPES["every-operation"], (3, WIDE, WIDE + 1), 3, ("cat", "dog", "cow")),
        (drawn("darts", 1), (12, 8, 8), 1, ('a "cat"', "a 'dog'", "back\\slash\n", "猫")),
        (drawn("S4"), (3, 8, 8), 4, ("cat", "dog")),
        (Genotype.parse("|none~0|"), (3, 8, 8), 1, ("cat", "dog")),
    ],
    ids=["large-pictures", "twelve-channels", "noise", "nothing"],
)
def test_every_size_name_and_draw_is_kept(
    tmp_path: Path, genotype: Genotype, shape: tuple[int, int, int], layers: int, names: tuple[str, ...]
) -> None:
    one = subject(genotype, shape, layers, names=names)
    save(one, tmp_path)
    script.write(one, tmp_path)
    given = pictures(one, 3)
    answer = script.opened(tmp_path, 1)(given)
    torch.testing.assert_close(answer, one.network.predict_proba(given), rtol=0, atol=1e-5)
    found: dict[str, object] = {"__name__": "model"}
    exec(compile(script.source_of(one), "model.py", "exec"), found)  # noqa: S102 -- ours
    assert found["CLASSES"] == names


def test_pictures_of_16_bits_are_scaled_as_those_of_the_training_were(tmp_path: Path) -> None:
    one = subject(GENOTYPES["every-layer"], (1, 8, 8), value_range=ValueRange(100.0, 4000.0))
    file = tmp_path / "deep.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 5000, (8, 8), dtype=np.uint16)).save(file)
    model: dict[str, object] = {"__name__": "model"}
    exec(compile(script.source_of(one), "model.py", "exec"), model)  # noqa: S102 -- ours
    prepare = model["prepare"]
    assert callable(prepare)
    np.testing.assert_array_equal(prepare(file), one.network.preparation.from_file(file))


def test_a_folder_is_its_pictures_and_a_closed_pipe_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = subject(GENOTYPES["every-layer"], (3, 8, 8))
    save(one, tmp_path)
    script.write(one, tmp_path)
    for name in ("b.png", "below/a.JPG"):
        (tmp_path / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "new" / name)
    (tmp_path / "new" / "notes.txt").touch()
    command = [sys.executable, str(tmp_path / "model.py"), "new"]
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(sys, "argv", command[1:])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(command[1], run_name="__main__")
    assert ended.value.code in (None, 0)
    said = capsys.readouterr()
    assert [line.split("\t")[0] for line in said.out.splitlines()] == ["new/b.png", "new/below/a.JPG"]
    assert said.err == ""
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as piped:
        assert piped.stdout is not None
        assert piped.stderr is not None
        piped.stdout.close()
        assert piped.wait(60) == 1
        assert piped.stderr.read() == ""


def test_the_file_is_as_people_write_it(tmp_path: Path) -> None:
    for name, genotype in GENOTYPES.items():
        (tmp_path / f"{name}.py").write_text(script.source_of(subject(genotype)))
    for check in (["check", "--select", "F,E,I,W"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--isolated", "--line-length", "120", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_only_what_occurs_is_written() -> None:
    text = script.source_of(subject(Genotype.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|")))
    classes = [line.split()[1].partition("(")[0] for line in text.splitlines() if line.startswith("class ")]
    assert classes == ["ReLUConvBN", "ResidualReduction", "Cell", "Network", "Classifier"]
    assert "dadarts." not in text
    assert "import dadarts" not in text


def test_every_operation_of_ours_can_be_written() -> None:
    assert set(OPERATIONS["darts"]) | {NONE} == set(OPS)


def test_an_operation_from_outside_is_not_written_as_if_it_were_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "mine", OPS["sep_conv_3x3"])
    text = str(drawn("S2")).replace("sep_conv_3x3", "mine").replace("skip_connect", "mine")
    with pytest.raises(LeftOutError, match="the source of mine, registered from outside"):
        script.source_of(subject(Genotype.parse(text)))
