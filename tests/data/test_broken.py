from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageFile

from dadarts.data import DataRequest, DataSet, InMemory, load
from dadarts.data.broken import allowance
from dadarts.data.decoding import Streamed
from dadarts.data.preparation import Preparation
from dadarts.errors import InputError

from .conftest import Asking
from .samples import noise, write_classes, write_picture


def cut(file: Path, share: float = 0.6) -> Path:
    """Break a picture: in its pixels, or with a small share in its header."""
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    return file


def everything(data: DataSet) -> list[torch.Tensor]:
    parts = (data.train, data.test)
    return [tensor for part in parts for tensor in (part.labels, part.take(torch.arange(len(part))))]


def assert_equal(first: DataSet, second: DataSet) -> None:
    assert all(map(torch.equal, everything(first), everything(second)))
    assert (first.fingerprint, first.mean, first.std) == (second.fingerprint, second.mean, second.std)
    assert (first.notes, first.remarks) == (second.notes, second.remarks)


@pytest.fixture(params=[0.6, 0.01], ids=["pixels", "header"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """60 pictures, one of them broken."""
    cut(write_classes(tmp_path / "set", 30) / "bee/7.png", request.param)
    return tmp_path / "set"


def test_one_broken_picture_is_left_out_named_and_counted(root: Path, ask: Asking) -> None:
    data = load(ask(root))
    assert len(data.train) + len(data.test) == 59
    [note] = data.notes
    assert note.startswith(f"skipped a picture: {root}/bee/7.png ")
    assert data.described.endswith("; skipped 1 that cannot be read")


def test_a_skipped_picture_is_as_if_it_were_not_there(root: Path, ask: Asking, tmp_path: Path) -> None:
    data = load(ask(root))
    write_classes(tmp_path / "sound", 30)
    (tmp_path / "sound/bee/7.png").unlink()
    sound = load(ask(tmp_path / "sound"))
    assert all(map(torch.equal, everything(data), everything(sound)))
    assert data.fingerprint == sound.fingerprint


@pytest.mark.parametrize("budget", [0, 10_000, 10**9], ids=["streamed", "one part in memory", "in memory"])
def test_what_is_read_is_the_same_whatever_the_cache_and_the_memory_hold(root: Path, ask: Asking, budget: int) -> None:
    expected = load(ask(root, cache="other"))
    data = load(ask(root), budget=budget)
    assert isinstance(data.train, Streamed if budget < 10**6 else InMemory)
    assert_equal(data, expected)
    assert_equal(load(ask(root), budget=budget), expected)
    assert_equal(load(ask(root)), expected)


@pytest.mark.parametrize(("broken", "skipped"), [(True, True), (False, True), (False, False)])
def test_streamed_pictures_are_checked_once(
    tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch, broken: bool, skipped: bool
) -> None:
    root = write_classes(tmp_path / "set", 30)
    if broken:
        cut(root / "bee/7.png")
    request = replace(ask(root), skip_broken=skipped)
    load(request, budget=0)
    opened: list[str] = []
    monkeypatch.setattr("dadarts.data.loading._SAMPLE_BYTES", 1)
    from_file = Preparation.from_file

    def counted(self: Preparation, path: Path) -> object:
        opened.append(str(path))
        return from_file(self, path)

    monkeypatch.setattr(Preparation, "from_file", counted)
    load(request, budget=0)
    assert len(opened) == 1


def test_each_part_has_its_own_allowance(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set/train", 30)
    write_classes(tmp_path / "set/test", 25, seed=1)
    cut(tmp_path / "set/train/ant/3.png")
    cut(tmp_path / "set/test/ant/3.png")
    data = load(ask(tmp_path / "set"))
    assert (len(data.train), len(data.test), len(data.notes)) == (59, 49, 2)
    cut(tmp_path / "set/test/ant/4.png")
    with pytest.raises(InputError, match=r"2 of 50 pictures of the test part cannot be read, and up to 1 of 50 are"):
        load(ask(tmp_path / "set"))


def test_more_than_may_be_skipped_is_refused_with_counts_and_the_first_names(tmp_path: Path, ask: Asking) -> None:
    root = write_classes(tmp_path / "set", 40)
    for number in range(10, 15):
        cut(root / f"ant/{number}.png", 0.01 if number % 2 else 0.6)
    with pytest.raises(InputError) as refused:
        load(ask(root))
    line = str(refused.value)
    assert line.startswith(
        "2 of 80 pictures of the data set cannot be read, and up to 1 of 80 are skipped; mend or remove "
    )
    assert f"{root}/ant/11.png" in line
    assert "\n" not in line
    assert [file.name for file in (tmp_path / "cache").glob("*-broken.npy")] == []


def test_a_small_part_loses_nothing(tmp_path: Path, ask: Asking) -> None:
    root = write_classes(tmp_path / "set", 10)
    cut(root / "ant/3.png")
    with pytest.raises(InputError, match=r"1 of 20 pictures .* none of fewer than 50 are skipped; .*ant/3\.png"):
        load(ask(root))


def test_refusing_names_the_first(tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dadarts.data.loading._SAMPLE_BYTES", 1)
    root = write_classes(tmp_path / "set", 40)
    cut(root / "ant/3.png")
    request: DataRequest = replace(ask(root), skip_broken=False)
    with pytest.raises(InputError, match=r"ant/3\.png cannot be read as a picture"):
        load(request)
    with pytest.raises(InputError, match=r"ant/3\.png cannot be read as a picture"):
        load(request, budget=0)


def test_what_was_skipped_before_is_refused_where_nothing_is_skipped(
    tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dadarts.data.loading._SAMPLE_BYTES", 1)
    root = write_classes(tmp_path / "set", 30)
    cut(root / "ant/3.png")
    assert len(load(ask(root), budget=0).notes) == 1
    for _ in range(2):
        with pytest.raises(InputError, match=r"ant/3\.png"):
            load(replace(ask(root), skip_broken=False), budget=0)


@pytest.mark.parametrize("skipped", [True, False])
def test_a_known_folder_skips_or_refuses_as_any_other(tmp_path: Path, ask: Asking, skipped: bool) -> None:
    for seed, part in enumerate(("train", "val")):
        write_classes(tmp_path / "datasets/imagenet" / part, 30, seed=seed)
    cut(tmp_path / "datasets/imagenet/val/ant/3.png")
    request = replace(ask("imagenet"), skip_broken=skipped)
    if skipped:
        assert len(load(request, budget=0).test) == 59
    else:
        with pytest.raises(InputError, match=r"val/ant/3\.png cannot be read as a picture"):
            load(request, budget=0)


def test_a_verdict_is_of_the_files_as_they_are(root: Path, ask: Asking) -> None:
    assert len(load(ask(root)).notes) == 1
    write_picture(root / "bee/7.png", noise(1, 12, 12, 3)[0])
    data = load(ask(root))
    assert (len(data.train) + len(data.test), data.notes) == (60, ())


def test_a_file_that_could_not_be_opened_is_tried_again(
    tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_classes(tmp_path / "set", 30)
    locked = root / "bee/7.png"

    def refusing(function: Any) -> Any:
        def refused(file: Any, *rest: Any, **more: Any) -> Any:
            if str(file) == str(locked):
                raise PermissionError(13, "Permission denied", str(locked))
            return function(file, *rest, **more)

        return refused

    with monkeypatch.context() as patch:
        patch.setattr("PIL.Image.open", refusing(Image.open))
        patch.setattr("os.open", refusing(os.open))
        [note] = load(ask(root)).notes
    assert "Permission denied" in note
    data = load(ask(root))
    assert (len(data.train) + len(data.test), data.notes) == (60, ())


@pytest.mark.parametrize(
    "reason", [MemoryError(), OSError(24, "Too many open files"), OSError(5, "Input/output error")]
)
@pytest.mark.parametrize("what", ["Image.open", "ImageFile.ImageFile.load"])
def test_a_machine_at_its_end_is_no_broken_picture(
    tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch, reason: Exception, what: str
) -> None:
    root = write_classes(tmp_path / "set", 30)
    first = True

    def failing(function: Any) -> Any:
        def failed(*given: Any, **more: Any) -> Any:
            nonlocal first
            if first:
                first = False
                raise reason
            return function(*given, **more)

        return failed

    owner = Image if what == "Image.open" else ImageFile.ImageFile
    with monkeypatch.context() as patch:
        patch.setattr(f"PIL.{what}", failing(getattr(owner, what.rsplit(".", 1)[1])))
        with pytest.raises(InputError, match="cannot be read as a picture"):
            load(ask(root, workers=0))
    assert load(ask(root)).notes == ()


@pytest.mark.parametrize("rubbish", [b"", b"x" * 200])
def test_a_damaged_verdict_is_found_anew(root: Path, ask: Asking, tmp_path: Path, rubbish: bytes) -> None:
    expected = load(ask(root))
    [verdict] = (tmp_path / "cache").glob("*-broken.npy")
    verdict.write_bytes(rubbish)
    assert_equal(load(ask(root)), expected)


@pytest.mark.parametrize(
    ("count", "allowed"), [(1, 0), (49, 0), (50, 1), (199, 1), (200, 2), (240, 2), (499, 4), (500, 5), (10**6, 5)]
)
def test_one_in_a_hundred_and_five_at_most_are_allowed(count: int, allowed: int) -> None:
    assert allowance(count) == allowed
