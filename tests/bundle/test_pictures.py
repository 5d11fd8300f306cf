"""model.py prepares a picture exactly as the training's pictures were prepared."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from dadarts.bundle.source import arrays
from dadarts.bundle.source import pictures as written
from dadarts.data import Preparation, ValueRange, formats
from dadarts.data.walk import Tally, pictures_below
from tests.data.samples import noise
from tests.data.test_ranges import png16, tif16

TURNED = Image.Exif()
TURNED[0x0112] = 6
DEEP = np.random.default_rng(0).integers(0, 5000, (20, 14), dtype=np.uint16)
DEEP_COLOURS = np.random.default_rng(1).integers(0, 65536, (20, 14, 3), dtype=np.uint16)
DEEP_ALPHA = np.random.default_rng(2).integers(0, 65536, (20, 14, 4), dtype=np.uint16)


def saved(image: Image.Image, form: str = "PNG", **options: object) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        image.save(stream, form, **options)
        return stream.getvalue()

    return content


def colours(height: int = 20, width: int = 14) -> Image.Image:
    return Image.fromarray(noise(1, height, width, 3)[0])


def with_alpha() -> Image.Image:
    return Image.fromarray(noise(1, 20, 14, 4)[0], "RGBA")


PICTURES: dict[str, Callable[[], bytes]] = {
    "colours": saved(colours()),
    "the-network's-size": saved(colours(8, 11)),
    "grey": saved(colours().convert("L")),
    "one-bit": saved(colours().convert("1")),
    "alpha": saved(with_alpha()),
    "grey-alpha": saved(with_alpha().convert("LA")),
    "palette": saved(colours().convert("P")),
    "transparent-palette": saved(colours().convert("P"), transparency=3),
    "cmyk": saved(colours().convert("CMYK"), "JPEG"),
    "jpeg": saved(colours(500, 700), "JPEG"),
    "turned-jpeg": saved(colours(40, 70), "JPEG", exif=TURNED),
    "turned-png": saved(colours(), exif=TURNED),
    "gif": saved(colours(), "GIF"),
    "tiff": saved(colours(), "TIFF"),
    "floats": saved(Image.fromarray((DEEP / 4000).astype(np.float32)), "TIFF"),
    "32-bit": saved(Image.fromarray(DEEP.astype(np.int32)), "TIFF"),
    "grey-16": saved(Image.fromarray(DEEP)),
    "grey-alpha-16": lambda: png16(DEEP_ALPHA[..., :2]),
    "colours-16": lambda: png16(DEEP_COLOURS),
    "alpha-16": lambda: png16(DEEP_ALPHA),
    "tiff-16-little": lambda: tif16(DEEP_COLOURS, "<", True),
    "tiff-16-big": lambda: tif16(DEEP_COLOURS, ">", False),
}


@pytest.mark.parametrize("value_range", [None, ValueRange(100.0, 4000.0)], ids=["nominal", "ranged"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES)
def test_a_file_becomes_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: Callable[[], bytes],
    channels: int,
    value_range: ValueRange | None,
) -> None:
    file = tmp_path / "picture"
    file.write_bytes(content())
    monkeypatch.setattr(written, "SHAPE", (channels, 8, 11))
    monkeypatch.setattr(written, "VALUE_RANGE", None if value_range is None else tuple(value_range))
    expected = Preparation((channels, 8, 11), value_range).from_file(file)
    np.testing.assert_array_equal(written.prepare(file), expected)


def test_the_same_kinds_of_files_are_read() -> None:
    assert tuple(formats.ENDINGS) == written.KINDS
    assert {kind: formats.ENDINGS[kind] for kind in formats._BY_ENDING} == written.BY_ENDING


def test_pictures_of_other_channels_are_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "SHAPE", (12, 8, 8))
    pixels = noise(1, 12, 8, 8)[0]
    np.save(tmp_path / "right.npy", pixels)
    np.testing.assert_array_equal(arrays.prepare(tmp_path / "right.npy"), pixels)
    np.save(tmp_path / "wrong.npy", pixels.transpose(1, 2, 0))
    with pytest.raises(ValueError, match=r"it holds uint8 \(8, 8, 12\); the network takes uint8 \(12, 8, 8\)"):
        arrays.prepare(tmp_path / "wrong.npy")


@pytest.mark.parametrize(("source", "ending"), [(written, "PNG"), (arrays, "npy")])
def test_of_a_folder_what_is_hidden_is_passed_over(tmp_path: Path, source: ModuleType, ending: str) -> None:
    # The folder itself may be hidden, or lie in one that is.
    shown = {tmp_path / ".album" / place for place in (f"a.{ending}", f"cats/b.{ending}")}
    for path in (*shown, *(tmp_path / ".album" / place for place in (f"._a.{ending}", f".trash/c.{ending}", "d.txt"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert set(source.below(tmp_path / ".album")) == shown
    if source is written:
        assert set(pictures_below(tmp_path / ".album", Tally())) == shown, "as `dadarts predict` does"


def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="infinity or NaN"):
        written.scaled(np.array([[0.0, np.nan]], np.float32))
