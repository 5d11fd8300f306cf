"""The files of docs/extending.md: each does what its page says, on every engine, in commands, in resume and compare."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dadarts
from dadarts import main, plugins
from dadarts.architecture.operations import OPS
from dadarts.architecture.spaces import space
from dadarts.methods.catalogue import METHODS
from dadarts.methods.relaxations import RELAXATIONS
from dadarts.methods.text import parse_method
from dadarts.runs import checkpoint
from dadarts.runs.events import SelectionStep
from tests.commands import (
    QUICKEST,
    ROOT,
    call,
    modern,
    refusal,
    result_of_search,
    search,
    stop_after,
    succeed,
    without_pictures,
)
from tests.compare.forked import fork_jobs
from tests.engines.test_fused import check_every_form, check_every_form_of_a_hard_pass
from tests.registered import forgotten

PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = {text.split('"""')[1].split(":")[0]: text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)}


@pytest.fixture(autouse=True)
def _files_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    for name, text in FILES.items():
        Path(name).write_text(text)
    with forgotten():
        yield


def quickest(*words: str, space: str = "connect-nas-bench", dataset: str = "digits") -> list[str]:
    changed = [*QUICKEST, *words]
    changed[changed.index("connect-nas-bench")] = space
    changed[changed.index("digits")] = dataset
    return changed


def test_the_page_has_a_file_for_each_of_the_eight() -> None:
    kinds = ("operation", "space", "relaxation", "penalty", "selection", "method", "data", "logger")
    assert list(FILES) == [f"my_{kind}.py" for kind in kinds]
    for kind, text in zip(kinds, FILES.values(), strict=True):
        assert f"@dadarts.register.{'data_set' if kind == 'data' else kind}" in text


@pytest.mark.parametrize(("file", "name"), [("my_operation.py", "wide"), ("my_space.py", "pooling")])
def test_a_space_is_the_readable_supernet_on_every_engine(file: str, name: str) -> None:
    plugins.load([file])
    check_every_form(space(name, 2), (3, 9, 9), dadarts.Soft())
    check_every_form_of_a_hard_pass(space(name, 2), (3, 9, 9))


def test_a_relaxation_is_the_readable_supernet_on_every_engine() -> None:
    plugins.load(["my_relaxation.py"])
    check_every_form(space("connect-nas-bench", 2), (3, 9, 9), RELAXATIONS["Sharpened"]())


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("my_operation.py", quickest(space="wide")),
        ("my_space.py", quickest(space="pooling")),
        ("my_relaxation.py", quickest("-method", "sharpened")),
        ("my_penalty.py", quickest("-method", "shrunk")),
        ("my_selection.py", quickest("-selection", "smallest-loss")),
        ("my_method.py", quickest("-method", "patient-darts")),
        ("my_data.py", quickest(dataset="stripes")),
        ("my_logger.py", quickest("-logger", "lines")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_is_searched_by_its_name_and_goes_on_only_where_the_command_names_it(
    file: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [word for word in words if word != "-first_order" or "-method" not in words]
    succeed(modern, "search", "-plugin", file, "-name", "whole", *words)
    with stop_after(1, signal.SIGINT, monkeypatch):
        assert call(modern, "search", "-plugin", file, "-name", "it", *words).code == 130
    assert json.loads(Path("runs/search/it/config.json").read_text())["settings"]["plugin"] == [file]
    said = refusal(modern, "search", "--name", "it", "--resume")
    assert said == f"dadarts: runs/search/it was begun with a plugin; give it again: --plugin {file}"
    succeed(modern, "search", "-plugin", file, "-name", "it", "-resume")
    assert result_of_search(Path("runs/search/it")) == result_of_search(Path("runs/search/whole"))


def test_a_selection_that_is_stopped_in_mid_way_goes_on_there_to_the_same_end() -> None:
    plugins.load(["my_selection.py"])
    words = ["-plugin", "my_selection.py", *quickest("-selection", "smallest-loss")]
    *events, _ = dadarts.search(main.search_config(["-name", "whole", *words]))
    whole = [event for event in events if isinstance(event, SelectionStep)]
    begun = dadarts.search(main.search_config(["-name", "it", *words]))
    stopped = next(event for event in begun if isinstance(event, SelectionStep) and 2 * event.step > event.steps)
    begun.close()  # type: ignore[attr-defined]
    last = Path("runs/search/it/checkpoints/last.pt")
    assert len(checkpoint.load(last, "search")[1]["measured"]) == 8
    *resumed, _ = dadarts.search(main.search_config(["-name", "it", *words]), resume=True)
    rest = [event for event in resumed if isinstance(event, SelectionStep)]
    assert rest == [step for step in whole if 2 * step.step > step.steps]
    assert stopped == rest[0]
    assert result_of_search(Path("runs/search/it")) == result_of_search(Path("runs/search/whole"))


def test_a_selection_that_trains_nothing_is_listed_without_epochs() -> None:
    text = """
from dataclasses import dataclass
from typing import ClassVar
import dadarts
from dadarts.methods.selection import UniformDraw
@dadarts.register.selection("own-draw")
@dataclass(frozen=True)
class OwnDraw(UniformDraw):
    trains: ClassVar[bool] = False
"""
    Path("own_draw.py").write_text(text)
    words = ["-plugin", "own_draw.py", "-name", "it", *quickest("-selection", "own-draw")]
    assert "one uniform draw: nothing is trained" in succeed(modern, "search", *words).err
    assert succeed(modern, "runs").out.splitlines()[1].split()[:5] == ["search", "it", "digits", "-", "finished"]


def test_a_plugin_that_has_changed_since_is_named_when_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = ["-plugin", "my_method.py", "-name", "it", *[word for word in QUICKEST if word != "-first_order"]]
    with stop_after(1, signal.SIGINT, monkeypatch):
        call(modern, "search", *begun, "-method", "patient-darts")
    file = Path("my_method.py")
    file.write_text(f"{file.read_text()}# mended")
    for name in [name for name in sys.modules if name.startswith("dadarts_plugin_")]:
        del sys.modules[name], METHODS["patient-darts"]
    again = ["-name", "it", "-resume", "-plugin"]
    with stop_after(1, signal.SIGINT, monkeypatch):
        said = call(modern, "search", *again, "my_method.py,my_data.py").err
    changed = "differs from what the run began with; the rest is computed with it as it is now"
    assert [line for line in said.splitlines() if "began with" in line] == [
        f"note: -plugin my_method.py {changed}",
        f"note: -plugin my_data.py {changed}",
    ]
    config = Path("runs/search/it/config.json")
    saved = json.loads(config.read_text())
    del saved["versions"]["plugins"]
    config.write_text(json.dumps(saved))
    assert "began with" not in succeed(modern, "search", *again, "my_method.py").err


def test_a_file_is_read_as_it_is_now_and_nothing_is_left_beside_it() -> None:
    file = Path("digits.py")
    for epochs in (1, 2):
        text = f"import dadarts\n@dadarts.register.method('own-{epochs}')\ndef own(): return dadarts.Method()\n"
        file.write_text(text)
        os.utime(file, (0, 0))
        plugins.load([str(file)])
        assert f"own-{epochs}" in METHODS
        for name in [name for name in sys.modules if name.startswith("dadarts_plugin_")]:
            del sys.modules[name]
    assert not Path("__pycache__").exists()


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as pip installs it, with an entry point for a relaxation, its method and a data set."""
    site = Path("site").resolve()
    (site / "own_package").mkdir(parents=True)
    (site / "own_package" / "__init__.py").touch()
    (site / "own_package" / "parts.py").write_text(
        FILES["my_relaxation.py"] + FILES["my_data.py"].split('"""', 2)[2]  # the docstring would stand in the midst
    )
    info = site / "own_package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[dadarts.plugins]\nown = own_package.parts\n")
    monkeypatch.syspath_prepend(site)
    for name in ("own_package", "own_package.parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        # Removed again after the test, which imports it.
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]


def test_a_logger_is_told_every_epoch_and_how_the_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["search", "-plugin", "my_logger.py", "-name", "it", "-logger", "lines", *QUICKEST]
    with stop_after(2, signal.SIGINT, monkeypatch):
        assert call(modern, *words).code == 130
    succeed(modern, *words, "-resume")
    lines = [line.split() for line in Path("it.lines").read_text().splitlines()]
    assert lines[-2:] == [["result", "{}"], ["ended"]]
    assert [line[0] for line in lines[:-2]] == ["0", "stopped", "1"]


@pytest.mark.usefixtures("package")
def test_an_installed_package_is_named_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word for word in quickest(dataset="stripes") if word != "-first_order"]
    said = refusal(modern, "search", "-plugin", "other", "-name", "it", *words)
    assert said.endswith("give a file that ends in .py, or an entry point of dadarts.plugins (own)")
    with stop_after(1, signal.SIGINT, monkeypatch):
        said = call(modern, "search", "--plugin", "own", "--name", "it", "--method", "sharpened", *words).err
    assert "stopped and saved" in said
    assert json.loads(Path("runs/search/it/config.json").read_text())["versions"]["plugins"] == ["own-package 1.2"]
    assert "dadarts search --name it --plugin own --resume" in succeed(modern, "runs").out
    found = succeed(modern, "search", "--plugin", "own", "--name", "it", "--resume")
    advice = found.err.splitlines()[-1].removeprefix("train it: dadarts ").split()
    assert advice[:5] == ["train", "--name", "it", "--dataset", "stripes"]
    small = ["--dataset_portion", "0.1", "--batch_size", "32"]
    trained = succeed(modern, *advice, *small, "--device", "cpu", "--aux_weight", "0", "--workers", "0")
    assert trained.err.splitlines()[-1] == "use it: dadarts predict it PICTURES --plugin own"
    assert "stripes" in succeed(modern, "show", "--plugin", "own", "@it").out


def test_a_network_of_an_own_operation_is_trained_shown_and_loaded() -> None:
    genotype = (
        "Genotype(normal=[[('wide_conv', 0), ('skip_connect', 1)]], normal_concat=[2], "
        "reduce=[[('wide_conv', 0), ('sep_conv_3x3', 1)]], reduce_concat=[2])"
    )
    words = ["-name", "it", "-genotype", genotype, *("-dataset", "digits", "-dataset_portion", "0.1", "-epochs", "1")]
    words += ["-init_channels", "2", "-layers", "3", "-batch_size", "32", "-workers", "0", "-device", "cpu"]
    assert refusal(modern, "train", *words).endswith("of a plugin is known where that is loaded (-plugin)")
    succeed(modern, "train", "-plugin", "my_operation.py", *words, "-aux_weight", "0")
    assert dadarts.load("it").classes == tuple("0123456789")
    wide = OPS.pop("wide_conv")
    assert "(--plugin)" in refusal(modern, "show", "--json", "runs/augment/it")
    with pytest.raises(dadarts.InputError, match=r"plugin is known where that is loaded \(plugin\)"):
        dadarts.load("it")
    OPS["wide_conv"] = wide
    assert "wide_conv" in succeed(modern, "show", "--plugin", "my_operation.py", genotype).out


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("plugin", ["my_relaxation.py", "own"])
def test_a_method_is_compared_in_processes_of_their_own(plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fork_jobs(monkeypatch)
    words = ["--plugin", plugin, "--methods", "sharpened", "--seeds", "0", "--space", "nas-bench-201"]
    words += ["--dataset", "digits", "--dataset_portion", "0.1", "--batch_size", "16", "--epochs", "1", "--name", "own"]
    succeed(modern, "compare", *words, "--init_channels", "2", "--layers", "1", "--jobs", "1", "--workers", "0")
    with Path("runs/compare/own/results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["method"], row["state"]) == ("sharpened", "done")


def test_the_text_of_an_own_part_is_read_again() -> None:
    plugins.load(["my_relaxation.py"])
    method = METHODS["sharpened"]()
    assert parse_method(repr(method)) == method
    assert "Sharpened(temperature=Linear(start=1.0, end=10.0))" in repr(method)


def test_a_plugin_is_run_once_however_often_it_is_named() -> None:
    plugins.load(["my_method.py", "./my_method.py"])
    plugins.load([str(Path("my_method.py").resolve())])
    assert "patient-darts" in METHODS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.py", None, "--plugin none.py: there is no such file"),
        ("broken.py", "1 / 0", "--plugin broken.py cannot be imported: ZeroDivisionError: division by zero"),
        ("quits.py", "raise SystemExit(0)", "--plugin quits.py cannot be imported: SystemExit: 0"),
        ("syntax.py", "def", "--plugin syntax.py cannot be imported: SyntaxError"),
        ("nobody", None, "--plugin nobody: give a file that ends in .py, or an entry point of dadarts.plugins"),
        (
            "taken.py",
            "import dadarts\n@dadarts.register.method('darts')\ndef mine(): ...",
            "there is a method darts already: give yours another name",
        ),
        (
            "comma.py",
            "import dadarts\n@dadarts.register.method('a,b')\ndef mine(): ...",
            "'a,b' cannot be the name of a method: give letters, digits, _ and -",
        ),
        (
            "mutable.py",
            "import dadarts\n@dadarts.register.penalty\nclass Mine(dadarts.Penalty): ...",
            "is no frozen dataclass that is a Penalty",
        ),
    ],
)
def test_what_is_no_plugin_is_refused_in_a_line(name: str, text: str | None, said: str) -> None:
    if text is not None:
        Path(name).write_text(text)
    assert said in refusal(modern, "search", "--plugin", name, "--name", "it", *QUICKEST)


def test_a_folder_starts_no_plugin() -> None:
    Path("spy.py").write_text("import pathlib; pathlib.Path('seen').touch()")
    succeed(search, "-name", "it", *QUICKEST)
    config = Path("runs/search/it/config.json")
    saved = json.loads(config.read_text())
    saved["settings"]["plugin"] = ["spy.py"]
    config.write_text(json.dumps(saved))
    for words in (("show", "@it"), ("runs",), ("search", "--name", "it", "--resume")):
        call(modern, *words)
    assert not Path("seen").exists()
