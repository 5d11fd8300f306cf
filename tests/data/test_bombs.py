"""Pictures that declare more than they hold, and photographs that are as large as they say."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from dadarts.data import images, memory
from dadarts.errors import InputError

from .samples import encoded, noise


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, rows: int | None = None) -> bytes:
    """A black picture of one bit a pixel, of which so many rows are there."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    content = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def resized(form: str, width: int, height: int) -> bytes:
    """A small picture whose header has been made to declare another size."""
    content = bytearray(encoded(noise(1, 16, 16, 3)[0] if form != "GIF" else noise(1, 16, 16)[0], form))
    short = struct.pack("<HH", min(width, 65535), min(height, 65535))
    if form == "GIF":
        content[6:10] = short
        place = content.find(b"\x2c\0\0\0\0\x10\0\x10\0")
        content[place + 5 : place + 9] = short
    elif form == "BMP":
        content[18:26] = struct.pack("<ii", width, height)
    elif form == "TIFF":
        place = content.find(struct.pack("<HHI", 256, 4, 1))
        for tag, value in ((256, width), (257, height)):
            place = content.find(struct.pack("<HH", tag, 4))
            content[place + 8 : place + 12] = struct.pack("<I", value)
    elif form == "JPEG":
        place = content.find(b"\xff\xc0")
        content[place + 5 : place + 9] = struct.pack(">HH", min(height, 65535), min(width, 65535))
    else:
        content = bytearray(b"P6 %d %d 255\n" % (width, height) + bytes(100))
    return bytes(content)


def test_a_small_file_of_very_many_pixels_is_refused_by_name_before_it_is_inflated(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(png(13_000, 13_000))
    assert file.stat().st_size < 30_000
    for read in (
        lambda: images.read_header(file, str(file)),
        lambda: images.decode_to(file, str(file), (1, 32, 32)),
        lambda: images.decode(file, str(file), 3),
    ):
        began = time.process_time()
        with pytest.raises(InputError, match=r"bomb\.png declares over 160 megapixels; give smaller pictures"):
            read()
        assert time.process_time() - began < 1


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "JPEG", "PPM"])
@pytest.mark.parametrize("side", [13_000, 65_535, 2**31 - 1])
def test_every_kind_of_picture_is_held_to_the_same_number_of_pixels(form: str, side: int) -> None:
    with pytest.raises(InputError, match=r"bomb (declares over 160 megapixels|is damaged|cannot be read)"):
        images.decode_to(resized(form, side, side), "bomb", (3, 32, 32))


def test_a_photograph_of_a_hundred_megapixels_is_read_without_a_word(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(png(10_000, 10_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert images.read_header(file, "large") == images.Header(True, 10_000, 10_000)
        assert images.decode_to(file, "large", (1, 32, 32)).shape == (1, 32, 32)


def test_a_picture_that_does_not_fit_the_memory_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 10**7)
    assert images.decode(png(900, 900), "small", 1).shape == (1, 900, 900)
    with pytest.raises(InputError, match=r"large declares 48\.0 MB of data; 10\.0 MB fit"):
        images.decode(png(2000, 2000), "large", 1)


def test_threads_decode_large_pictures_by_turns_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 100)
    gate, taken, most = memory.Gate(), [0], [0]
    lock = threading.Lock()

    def take(size: int) -> None:
        with gate.taking(size):
            with lock:
                taken[0] += size
                most[0] = max(most[0], taken[0])
            time.sleep(0.005)
            with lock:
                taken[0] -= size

    threads = [threading.Thread(target=take, args=(size,)) for size in (30, 60, 40, 300, 10) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] == 300


TEXTS = {
    "zTXt": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26), 9)),
    "iTXt": chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2**26), 9)),
    "iCCP": chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26), 9)),
    "many": b"".join(chunk(b"zTXt", b"a%d\0\0" % place + zlib.compress(bytes(2**19), 9)) for place in range(200)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_in_a_picture_is_not_inflated_without_end(name: str) -> None:
    began = time.process_time()
    with pytest.raises(InputError, match="bomb cannot be read as a picture: "):
        images.decode(png(8, 8, TEXTS[name]), "bomb", 1)
    assert time.process_time() - began < 2


def test_a_picture_that_is_scanned_again_and_again_is_refused() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(stream, "JPEG", progressive=True, quality=1)
    content = stream.getvalue()
    start = content.rindex(b"\xff\xda")
    scan = content[start:-2]
    usual = images.decode(content, "usual", 3)
    assert usual.shape == (3, 4000, 4000)
    with pytest.raises(InputError, match=r"bomb cannot be read as a picture: \d+ scans of 16\.0 megapixels"):
        images.decode(content[:-2] + scan[:40] * 5000 + b"\xff\xd9", "bomb", 3)


@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.symlink_to("/dev/zero"), lambda file: file.mkdir()])
def test_what_is_no_regular_file_is_no_picture(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "it.png")
    with pytest.raises(InputError, match=r"it\.png cannot be read as a picture: not a regular file"):
        images.read_header(tmp_path / "it.png", "it.png")
