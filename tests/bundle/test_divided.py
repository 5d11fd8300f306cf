"""What an export says of the test part: no more than is known of it, and nothing of one that has changed since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dadarts.bundle import divided
from dadarts.bundle.subject import subject_of
from tests.commands import BENCH_GENOTYPE, modern, succeed, without_pictures
from tests.data.samples import noise, write_classes, write_picture

RESULT = Path("runs/augment/it/result.txt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures in two parts, and a training on them that has ended."""
    folder = tmp_path_factory.mktemp("divided")
    write_classes(folder / "data" / "train", 20, (8, 8, 3))
    write_classes(folder / "data" / "test", 4, (8, 8, 3), seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        without_pictures(patch)
        size = ("--epochs", "1", "--init_channels", "2", "--layers", "1", "--batch_size", "8", "--cutout_length", "2")
        succeed(modern, "train", "--name", "it", "--dataset", "data", "--genotype", BENCH_GENOTYPE, *size)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_of_a_test_part_that_was_given_nobody_knows_what_is_in_it() -> None:
    (said,) = divided.sentences(subject_of("it", Path("runs")))
    assert said.startswith("Test part: test/. Nothing was chosen by it")
    assert "No training picture" not in said


def change(file: Path, *, is_more: bool) -> Path:
    """Another picture in the place of a file, or beside it."""
    other = file.with_name("more.png") if is_more else file
    return write_picture(other, noise(1, 8, 8, 3, seed=7)[0])


@pytest.mark.parametrize(("is_more", "is_old"), [(True, False), (False, False), (True, True)])
def test_a_test_part_that_has_changed_since_is_not_taken_for_the_one_that_was_measured(
    is_more: bool, is_old: bool
) -> None:
    before, saved = subject_of("it", Path("runs")), RESULT.read_text()
    assert before.data is not None
    file = next(Path("data/test").rglob("*.png"))
    content = file.read_bytes()
    if is_old:
        RESULT.write_text(json.dumps({**json.loads(saved), "test_data": None}))
    changed = change(file, is_more=is_more)
    try:
        found = subject_of("it", Path("runs"))
    finally:
        changed.unlink()
        file.write_bytes(content)
        RESULT.write_text(saved)
    assert (found.data, found.without_data) == (None, "its test pictures have changed since")
    assert found.metrics is not None


def test_what_is_exported_says_nothing_of_where_pictures_lie(folder: Path) -> None:
    places = ("--dataset", str(folder / "data" / "train"), "--test_path", str(folder / "data" / "test"))
    size = ("--epochs", "1", "--init_channels", "2", "--layers", "1", "--batch_size", "8", "--cutout_length", "2")
    succeed(modern, "train", "--name", "placed", *places, "--genotype", BENCH_GENOTYPE, *size)
    subject = subject_of("placed", Path("runs"))
    assert subject.data is not None
    said = [subject.data.described, *divided.sentences(subject)]
    assert said[0].startswith("train: 40 training and 8 test pictures")
    assert not any(str(folder) in sentence for sentence in said)
    assert said[1].startswith("Test part: test. ")
