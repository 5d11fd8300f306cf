"""Which trainings a page compares: those that were tested on the same pictures, however these are spelled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from dadarts.pages import gather
from dadarts.report.page.content import Page
from dadarts.rundir.kinds import TRAINING
from tests.commands import BENCH_GENOTYPE, modern, succeed, without_pictures
from tests.data.samples import noise, write_classes, write_picture

SIZE = ("--epochs", "1", "--init_channels", "2", "--layers", "1", "--batch_size", "8", "--cutout_length", "2")
DATA = {
    "one": ("data",),
    "two": ("./data",),
    "apart": ("data", "--test_path", "apart"),
    "more": ("data",),
}
"""What was trained on, by the run's name; before `more` a picture in it became another."""


@pytest.fixture(scope="module", params=[False, True], ids=["as written now", "as before"])
def place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder with trainings; those of before have no fingerprint of their test parts."""
    folder = tmp_path_factory.mktemp("alike")
    write_classes(folder / "data", 20, (8, 8, 3))
    write_classes(folder / "apart", 4, (8, 8, 3), seed=1)
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        for name, data in DATA.items():
            if name == "more":
                for number in range(20):
                    write_picture(Path(f"data/ant/{number}.png"), noise(1, 8, 8, 3, seed=50 + number)[0])
            succeed(modern, "train", "--name", name, "--dataset", *data, "--genotype", BENCH_GENOTYPE, *SIZE)
            result = TRAINING.folder(Path("runs"), name) / "result.txt"
            if request.param:
                result.write_text(json.dumps({**json.loads(result.read_text()), "test_data": None}))
        yield folder


def page_of(*names: str) -> Page:
    return gather.page_of(names, Path("runs"), "not asked for")


def test_the_same_test_part_is_known_by_what_is_in_it(place: Path) -> None:
    page = page_of("one", "two")
    assert "is the best of 2 trained networks. " in page.verdict
    assert "Next comes " in page.verdict
    assert {one.measured_on for one in page.candidates} == {"test part of data (accuracy)"}


@pytest.mark.parametrize("other", ["apart", "more"])
def test_the_best_is_the_best_of_those_that_were_tested_on_the_same_pictures(place: Path, other: str) -> None:
    page = page_of(other, "one", "two")
    assert " is the best of 2 networks that were tested on the same pictures. " in page.verdict
    assert page.verdict.endswith("Other trainings here were tested on other pictures, or at another size.")
    (chosen,) = [one.name for one in page.candidates if one.chosen]
    assert page.verdict.startswith(chosen)
    assert chosen != other
    said = {one.name: one.measured_on for one in page.candidates}
    assert said["one"] == said["two"] == "test part of data (accuracy), no. 2"
    assert said[other] == "test part of data (accuracy)"


def test_of_two_that_were_tested_on_other_pictures_none_is_the_best(place: Path) -> None:
    verdict = page_of("apart", "one").verdict
    assert verdict.startswith("apart: The network gets ")
    assert "best" not in verdict
