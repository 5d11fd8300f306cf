from __future__ import annotations

import io
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from dadarts.data import Augmentation, DataSet, InMemory, Loader, Pictures, load, memory
from dadarts.data.cache import Cache, digest
from dadarts.data.decoding import Streamed, shown, threaded
from dadarts.errors import InputError

from .conftest import Asking
from .samples import write_classes, write_picture


def all_of(pictures: Pictures) -> torch.Tensor:
    return pictures.take(torch.arange(len(pictures)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_classes(tmp_path / "set/train", 6)
    write_classes(tmp_path / "set/test", 3, seed=1)
    return tmp_path / "set"


def batches(data: DataSet, workers: int) -> list[torch.Tensor]:
    index = torch.arange(len(data.train))
    augment = Augmentation.standard(data.train.shape, "horizontal")
    loader = Loader(data.train, index, 4, data.mean, data.std, 0, "train", augment, workers=workers)
    return [batch.images for epoch in range(2) for batch in loader.epoch(epoch)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_streamed_batches_equal_batches_from_memory(root: Path, ask: Asking, workers: int) -> None:
    held, streamed = load(ask(root)), load(ask(root, workers=workers), budget=0)
    assert isinstance(held.train, InMemory)
    assert isinstance(streamed.train, Streamed)
    assert (held.mean, held.std) == (streamed.mean, streamed.std)
    for first, second in zip(batches(held, 0), batches(streamed, workers), strict=True):
        assert torch.equal(first, second)


def test_parts_are_held_as_far_as_they_fit_together(root: Path, ask: Asking) -> None:
    data = load(ask(root), budget=12 * 12 * 12 * 3)
    assert isinstance(data.train, InMemory)
    assert isinstance(data.test, Streamed)


def test_a_streamed_picture_that_is_damaged_later_is_reported_by_name(root: Path, ask: Asking) -> None:
    data = load(ask(root), budget=0)
    damaged = root / "train/bee/2.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(InputError, match=r"train/bee/2\.png"):
        all_of(data.train)


def test_the_second_load_comes_from_the_cache_without_opening_a_picture(
    root: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(ask(root))
    monkeypatch.setattr("PIL.Image.open", None)
    second = load(ask(root))
    assert torch.equal(all_of(first.train), all_of(second.train))
    assert torch.equal(all_of(first.test), all_of(second.test))


def test_a_changed_picture_or_size_is_decoded_anew(root: Path, ask: Asking) -> None:
    before = load(ask(root))
    write_picture(root / "train/ant/0.png", np.full((12, 12, 3), 9, np.uint8))
    assert (load(ask(root)).train.take(torch.tensor([0])) == 9).all()
    assert load(ask(root, image_size=10)).train.shape == (3, 10, 10)
    assert before.train.shape == (3, 12, 12)


@pytest.mark.parametrize("how", ["short", "long", "empty", "rubbish", "header only"])
def test_a_corrupt_cache_file_is_rebuilt(root: Path, ask: Asking, tmp_path: Path, how: str) -> None:
    expected = all_of(load(ask(root)).train).clone()
    sizes = {file: file.stat().st_size for file in (tmp_path / "cache").iterdir()}
    assert len(sizes) == 3
    for file in sizes:
        content = file.read_bytes()
        file.write_bytes(
            {
                "short": content[:-1],
                "long": content + b"x",
                "empty": b"",
                "rubbish": b"x" * len(content),
                "header only": content[:64],
            }[how]
        )
    assert torch.equal(all_of(load(ask(root)).train), expected)
    assert {file: file.stat().st_size for file in (tmp_path / "cache").iterdir()} == sizes


FORGERIES: dict[str, Callable[[Path], object]] = {
    "another shape": lambda file: np.save(file, np.zeros((2, 3, 12, 12), np.uint8)),
    "another type": lambda file: np.save(file, np.zeros((12, 3, 12, 12), np.float32)),
    "objects": lambda file: np.save(file, np.array([{}], object), allow_pickle=True),
    "brackets": lambda file: file.write_bytes(b"\x93NUMPY\1\0\xff\xff" + b"[" * 65535),
    "exabytes": lambda file: file.write_bytes(
        b"\x93NUMPY\1\0\x60\0" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999999999,), }".ljust(96)
    ),
    "nothing": lambda file: np.save(file, np.zeros((0, 3, 12, 12), np.uint8)),
    "a link": lambda file: file.symlink_to("/dev/zero"),
    "a link to itself": lambda file: file.symlink_to(file),
    "a pipe": os.mkfifo,
    "a folder": lambda file: file.mkdir(),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_cache_file_is_passed_over_and_made_anew(
    root: Path, ask: Asking, tmp_path: Path, forge: Callable[[Path], object]
) -> None:
    expected = all_of(load(ask(root)).train).clone()
    files = list((tmp_path / "cache").iterdir())
    for file in files:
        file.unlink()
        forge(file)
    for _ in range(2):
        data = load(ask(root))
        assert torch.equal(all_of(data.train), expected)
        assert data.train.shape == (3, 12, 12)
    assert sorted((tmp_path / "cache").iterdir()) == sorted(files)
    assert all(file.is_dir() or (file.is_file() and not file.is_symlink()) for file in files)


@pytest.mark.parametrize(
    ("place", "value"), [(0, 0), (0, 2), (1, 0), (2, 7), (3, 3), *((place, -1) for place in range(4)), (1, 10**9)]
)
def test_a_kept_size_that_none_can_have_is_measured_anew(
    root: Path, ask: Asking, tmp_path: Path, place: int, value: int
) -> None:
    expected = all_of(load(ask(root)).train).clone()
    (file,) = (file for file in (tmp_path / "cache").iterdir() if np.load(file).dtype != np.uint8)
    kept = np.load(file)
    kept[place] = value
    np.save(file, kept)
    assert torch.equal(all_of(load(ask(root)).train), expected)


def test_what_a_link_in_the_cache_leads_to_is_neither_read_nor_written(root: Path, ask: Asking, tmp_path: Path) -> None:
    load(ask(root))
    for file in (tmp_path / "cache").iterdir():
        file.rename(tmp_path / file.name)
        file.symlink_to(tmp_path / file.name)
    before = {file: file.read_bytes() for file in tmp_path.glob("*.npy")}
    load(ask(root))
    assert {file: file.read_bytes() for file in tmp_path.glob("*.npy")} == before
    assert not any(file.is_symlink() for file in (tmp_path / "cache").iterdir())


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_cached_pictures_have_the_mode_that_the_umask_leaves(
    root: Path, ask: Asking, tmp_path: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        load(ask(root))
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "cache").iterdir()}
    assert modes == {0o666 & ~mask}


def test_a_cache_folder_that_cannot_be_made_costs_only_the_cache(root: Path, ask: Asking, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert len(load(ask(root, cache="file/cache")).train) == 12


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_only_the_cache_and_leaves_nothing(root: Path, ask: Asking, tmp_path: Path) -> None:
    expected = all_of(load(ask(root, cache="roomy")).train)
    with files_limited_to(512):
        data = load(ask(root))
    assert torch.equal(all_of(data.train), expected)
    assert all(file.suffix == ".npy" and file.stat().st_size <= 512 for file in (tmp_path / "cache").iterdir())


def test_a_read_only_cache_still_serves(root: Path, ask: Asking, tmp_path: Path) -> None:
    expected = all_of(load(ask(root)).train)
    for file in (tmp_path / "cache").iterdir():
        file.chmod(0o444)
    (tmp_path / "cache").chmod(0o555)
    try:
        taken = all_of(load(ask(root)).train)
    finally:
        (tmp_path / "cache").chmod(0o755)
    assert torch.equal(taken, expected)


def test_several_loads_at_once_agree_and_leave_whole_files(root: Path, ask: Asking, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: load(ask(root)), range(4)))
    assert all(torch.equal(all_of(data.train), all_of(loaded[0].train)) for data in loaded)
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_what_is_taken_can_be_written_to_without_changing_the_cache(root: Path, ask: Asking) -> None:
    expected = all_of(load(ask(root)).train)
    all_of(load(ask(root)).train).zero_()
    assert torch.equal(all_of(load(ask(root)).train), expected)


def test_a_key_depends_on_each_file_and_parameter(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_text("x")
    key = digest(files, 1)
    assert key == digest(files, 1)
    others = {digest(files, 2), digest(files[:1], 1), digest(files[::-1], 1)}
    os.utime(files[0], ns=(1, 1))
    assert len(others | {key, digest(files, 1)}) == 5


def test_an_array_of_python_objects_in_the_cache_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "key.npy", np.array([{}], object), allow_pickle=True)
    assert Cache(tmp_path).find("key") is None


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_threads_keep_the_order(workers: int) -> None:
    assert list(threaded(lambda number: number**2, range(200), workers)) == [number**2 for number in range(200)]


def test_after_an_error_threads_drop_what_is_not_begun() -> None:
    begun = []

    def fail_at_three(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise InputError("three")

    before = threading.active_count()
    with pytest.raises(InputError, match="three"):
        list(threaded(fail_at_three, range(10_000), 2))
    assert len(begun) < 100
    assert threading.active_count() == before


def test_half_of_the_free_memory_is_offered() -> None:
    page = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.budget() <= memory.SHARE * page


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("quiet_seconds", "stream", "seen"), [(0, Terminal, True), (9, Terminal, False), (0, io.StringIO, False)]
)
def test_progress_is_shown_on_a_terminal_only_and_only_if_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, quiet_seconds: float, stream: type[io.StringIO], seen: bool
) -> None:
    monkeypatch.setattr("dadarts.data.decoding._QUIET_SECONDS", quiet_seconds)
    shown_on = stream()
    monkeypatch.setattr("sys.stderr", shown_on)
    assert list(shown(range(50), 50, "decoding pictures")) == list(range(50))
    assert ("decoding pictures" in shown_on.getvalue()) is seen
