"""Every code block of every page runs, or says why it does not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dadarts import main
from dadarts.data import arrays
from dadarts.data.preparation import Preparation
from dadarts.data.values import scaled
from tests.commands import ROOT
from tests.docs.blocks import PAGES, Block, blocks_of, prepare, run, tiny, write_files
from tests.registered import forgotten

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
NOT_RUN = [block for block in BLOCKS if block.why]


def name_of(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare()
    return folder


@pytest.fixture(autouse=True)
def _registered_by_pages() -> Iterator[None]:
    """What a page's plugins register is gone after it."""
    with forgotten():
        yield


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(not block.why for block in blocks_of(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_blocks_of_a_page_run_one_after_another(
    page: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    blocks = [block for block in blocks_of(page) if not block.why]
    write_files(blocks)
    with tiny():
        for block in blocks:
            run(block, names)


def test_pictures_of_many_channels_are_prepared_as_those_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write, use = [block for block in blocks_of(ROOT / "docs/how-to/many-channels.md") if block.language == "python"]
    names: dict[str, Any] = {}
    run(write, names)
    held = arrays.read(Path("scenes.npz"))
    assert held.value_range is not None, "values below 0 are on the page"
    preparation = Preparation(held.train.shape, held.value_range)
    network = SimpleNamespace(preparation=preparation, image_shape=preparation.shape, predict=len)
    monkeypatch.setattr("dadarts.load", lambda name: network)
    run(use, names)
    assert np.array_equal(names["pixels"], scaled(names["scenes"][:3], held.value_range))


@pytest.mark.parametrize("block", NOT_RUN, ids=name_of)
def test_a_block_that_is_not_run_here_says_why_and_is_parsed(block: Block) -> None:
    if block.why.startswith("tests/"):
        assert (ROOT / block.why).is_file()
    commands = main.commands()
    # A script of variables is more than this can read.
    for words in [] if "$" in block.text and block.language != "console" else block.commands:
        if words[0] == "dadarts":
            end = words.index(">") if ">" in words else len(words)
            commands[words[1]].parse_many(words[2:end])
    if block.language == "python":
        compile(block.text, name_of(block), "exec")
    pytest.skip(f"not run here: {block.why}")


def test_what_is_not_run_anywhere_is_no_more_than_a_third() -> None:
    assert 3 * sum(not block.why.startswith("tests/") for block in NOT_RUN) < len(BLOCKS)
