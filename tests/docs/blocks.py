"""The code blocks of the pages, and how they are run: as they stand, on tiny generated pictures, with tiny sizes.

A block of ``python`` is executed, all of a page in one namespace; one whose docstring begins ``name.py:`` is written
to that file before. Of a block of ``shell`` or ``bash`` every line is a command, of ``console`` those after ``$``;
one that begins a run anew replaces it. Blocks of other languages, or of none, are no code.

What cannot run here says so in the line before it, ``<!-- not run: why -->``, and what another test runs
``<!-- run by: tests/that.py -->``; both are listed by ``pytest -rs``. Their ``dadarts`` commands are at least parsed.
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dadarts.bundle import latency, making
from dadarts.config.settings import Settings
from dadarts.fitting import loop, speed
from dadarts.fitting.candidates import FAMILIES
from tests.commands import ROOT, augment, modern, search, succeed, with_quick_races, without_pictures
from tests.data.samples import cifar10_python, noise, write_classes, write_picture

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CODE = frozenset({"python", "shell", "bash", "console"})
_BLOCK = re.compile(
    r"^(?:<!-- (?P<how>not run|run by): (?P<why>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```", re.M | re.S
)
_FILE = re.compile(r'\A"""(\w+\.py): ')
_PLACEHOLDERS = {"PICTURES": "flower.jpg", "FOLDER": "path/to/flowers"}
_MINUTES = 0.01

ELSEWHERE = {
    "README.md": "tests/test_docs.py",
    "docs/notebook.md": "tests/estimator/test_sklearn_pages.py",
    "docs/sklearn.md": "tests/estimator/test_sklearn_pages.py",
}
"""Pages all of whose blocks another test runs."""
RUN: dict[str, Any] = {"workers": 0, "threads": 1, "device": "cpu", "cache_dir": Path("cache")}
SMALL: dict[str, dict[str, Any]] = {
    "SearchConfig": {**RUN, "epochs": 1, "init_channels": 2, "layers": 2, "batch_size": 8},
    "TrainConfig": {**RUN, "epochs": 1, "init_channels": 2, "layers": 2, "batch_size": 8, "aux_weight": 0},
    "FitConfig": {**RUN, "minutes": _MINUTES, "max_latency_ms": None},
    "ProfileSettings": {"init_channels": 2, "layers": 1, "batch_size": 2, "search_space": "nas-bench-201"},
}
"""The sizes that blocks are run with, whatever they say, where a configuration has such a setting."""


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Args:
        line: where it begins.
        why: why it is not run, or which test runs it; empty where it is run here.
    """

    page: Path
    line: int
    language: str
    text: str
    why: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of its commands; none of Python."""
        if self.language == "python":
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        # A mark of a comment within a word is none: FILE#NAME.
        spoken = (re.sub(r"(^|\s)#.*", "", line) for line in lines)
        return [words for line in spoken if (words := shlex.split(line))]


def blocks_of(page: Path) -> list[Block]:
    """The code of a page, in its order."""
    text, elsewhere = page.read_text(), ELSEWHERE.get(str(page.relative_to(ROOT)), "")
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["language"], match["text"], match["why"] or elsewhere)
        for match in _BLOCK.finditer(text)
        if match["language"] in CODE
    ]


def prepare() -> None:
    """The files that pages speak of, and the runs that most begin with, in the current folder."""
    write_classes(Path("path/to/flowers"), 20)
    write_picture(Path("flower.jpg"), noise(1, 12, 12, 3)[0])
    for name in ("new/1.jpg", "more/2.png"):
        write_picture(Path(name), noise(1, 12, 12, 3)[0])
    draw, labels = np.random.default_rng(0), np.arange(40) % 2
    for name, shape in (("spectrograms", (40, 8, 24)), ("fields", (40, 12, 9, 9))):
        np.savez(f"{name}.npz", x=draw.integers(0, 256, shape, np.uint8), y=labels)
    flowers = ("--dataset", "path/to/flowers")
    for name, content in cifar10_python().items():
        Path("datasets/cifar-10-batches-py").mkdir(parents=True, exist_ok=True)
        Path("datasets/cifar-10-batches-py", name).write_bytes(content)
    with tiny():
        succeed(modern, "fit", flowers[1], "--name", "quick")
        succeed(modern, "search", "--name", "first", *flowers, "--search_space", "nas-bench-201")
        for name in ("flowers", "trees"):
            succeed(modern, "search", "--name", name, *flowers)
            succeed(modern, "train", "--name", name, *flowers, "--genotype", f"@{name}")


@contextlib.contextmanager
def tiny() -> Iterator[None]:
    """Every configuration with sizes of `SMALL`, quick races, one candidate of fits, and exports of what is quick."""
    made: Callable[..., None] = Settings.__init__

    def shrunk(self: Settings, **values: Any) -> None:
        own = dict(SMALL.get(type(self).__name__, {}))
        if "nodes" in type(self).model_fields and values.get("search_space", "darts") in (
            "darts",
            "S1",
            "S2",
            "S3",
            "S4",
        ):
            own["nodes"] = 2
        if "dataset_portion" in type(self).model_fields and values.get("dataset") == "digits":
            own["dataset_portion"] = 0.05
        made(self, **(values | own))

    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        with_quick_races(patch)
        patch.setattr(Settings, "__init__", shrunk)
        patch.setattr(loop, "FAMILIES", [replace(FAMILIES[0], sizes=FAMILIES[0].sizes[:1])])
        patch.setattr(speed, "SECONDS", 0.01)
        patch.setattr(making, "FORMS", making.FORMS[:2])
        patch.setattr(latency, "measured", lambda *_: [])
        yield


def write_files(blocks: list[Block]) -> None:
    """The files that a page's blocks are."""
    for block in blocks:
        if block.language == "python" and (name := _FILE.match(block.text)):
            Path(name[1]).write_text(block.text)


def run(block: Block, names: dict[str, Any]) -> str:
    """Run a block; what it printed on stdout."""
    if block.language == "python":
        said = io.StringIO()
        if _FILE.match(block.text) is None:
            source = "\n" * block.line + block.text
            with contextlib.redirect_stdout(said):
                exec(compile(source, block.page.name, "exec"), names)  # noqa: S102 -- what it says to type
        return said.getvalue()
    return "".join(_command(words) for words in block.commands)


def _command(words: list[str]) -> str:
    words = [found for word in words for found in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    words = [_PLACEHOLDERS.get(word, word) for word in words]
    match words:
        case [*first, ">", file]:
            Path(file).write_text(_command(first))
            return ""
        case ["dadarts", *rest]:
            return succeed(modern, *rest, *_replacing(rest)).out
        case ["python", "search.py", *rest]:
            return succeed(search, *rest).out
        case ["python", "augment.py", *rest]:
            return succeed(augment, *rest).out
        case ["python", file, *rest] if file.endswith("model.py"):
            return _script(file, rest)
        case ["unzip" | "cd" | "." | "tensorboard", *_]:
            return ""
        case ["mkdir", "-p", *folders]:
            for folder in folders:
                Path(folder).mkdir(parents=True, exist_ok=True)
            return ""
        case _:
            pytest.fail(f"no way to run {shlex.join(words)}: mark its block with a reason")


def _replacing(words: list[str]) -> list[str]:
    """The flag that a command needs where a run of its name is there already."""
    kind = {"search": "search", "train": "augment", "fit": "fit"}.get(words[0])
    if kind is None or "--resume" in words:
        return []
    name = words[words.index("--name") + 1] if "--name" in words else Path(words[1]).stem
    return ["--overwrite"] if Path("runs", kind, name).exists() else []


def _script(file: str, words: list[str]) -> str:
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", [file, *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(file, run_name="__main__")
    assert ended.value.code == 0
    return said.getvalue()
