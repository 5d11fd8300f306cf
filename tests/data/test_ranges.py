"""The training part's own values decide what is black and what is white."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from dadarts.data import DataSet, load
from dadarts.data import values as values_module
from dadarts.data.given import as_given
from dadarts.data.images import read_values
from dadarts.data.preparation import Preparation
from dadarts.data.values import ValueRange, decide, scaled
from dadarts.errors import InputError

from .conftest import Asking
from .samples import noise

GREY = noise(20, 10, 12)
Y = np.arange(20) % 2


def folder(root: Path, pictures: NDArray[Any], form: str = "png") -> Path:
    """Class folders with a training and a test part of the same pictures."""
    for part in ("train", "test"):
        for number, values in enumerate(pictures):
            file = root / part / "ab"[number % 2] / f"{number:02}.{form}"
            file.parent.mkdir(parents=True, exist_ok=True)
            if values.ndim == 3:
                file.write_bytes(png16(values))
            else:
                Image.fromarray(values).save(file)
    return root


def png16(values: NDArray[Any]) -> bytes:
    """A PNG of 16 bits: (H, W, 2) grey with alpha, (H, W, 3) colours, (H, W, 4) colours with alpha."""
    height, width, channels = values.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*chunks, (b"IEND", b""))
    )


def pixels(data: DataSet) -> NDArray[np.uint8]:
    """All training pictures, class by class, (N, C, H, W)."""
    return data.train.take(torch.arange(len(data.train))).numpy()


def in_order(pictures: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([pictures[::2], pictures[1::2]])


@pytest.mark.parametrize(
    ("values", "value_range"),
    [
        (GREY.astype(np.uint16) * 16, (0, 4080)),
        (GREY.astype(np.uint16), (0, 255)),
        (GREY.astype(np.uint16) * 257, None),
        (GREY.astype(np.int32) * 4 - 1000, (-1000, 20)),
        (GREY.astype(np.float32) * 100, (0, 25500)),
        (GREY.astype(np.float64) / 255, None),
        (GREY.astype(np.float32) / 2550, (0, 0.1)),
        (GREY.astype(np.int64), (0, 255)),
        (GREY, None),
    ],
    ids=["12 bits", "dark", "16 bits", "negative", "large floats", "[0, 1]", "dark floats", "int64", "bytes"],
)
def test_no_level_of_an_archive_is_lost_whatever_type_holds_it(
    tmp_path: Path, ask: Asking, values: NDArray[Any], value_range: tuple[float, float] | None
) -> None:
    np.savez(tmp_path / "x.npz", x=values, y=Y, x_test=values, y_test=Y)
    data = load(ask(tmp_path / "x.npz"))
    assert data.value_range == (None if value_range is None else pytest.approx(value_range))
    assert np.array_equal(pixels(data)[:, 0], GREY)
    assert np.array_equal(data.test.take(torch.arange(20)).numpy()[:, 0], GREY)
    assert [str(data.value_range) in note for note in data.notes] == ([] if value_range is None else [True])


@pytest.mark.parametrize(("factor", "high"), [(16, 4080), (1, 255), (257, None)])
def test_no_level_of_a_folder_is_lost(tmp_path: Path, ask: Asking, factor: int, high: float | None) -> None:
    root = folder(tmp_path / "pictures", GREY.astype(np.uint16) * factor)
    data, again = load(ask(root)), load(ask(root))
    assert data.value_range == again.value_range == (None if high is None else (0, high))
    for each in (data, again):
        assert np.array_equal(pixels(each)[:, 0], in_order(GREY))
    assert len(np.unique(pixels(data))) == 256
    assert len(data.notes) == (high is not None)


def test_a_training_part_that_changed_decides_anew_how_the_same_test_files_look(tmp_path: Path, ask: Asking) -> None:
    root = folder(tmp_path / "pictures", GREY.astype(np.uint16))
    before = load(ask(root))
    for file in (root / "train").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(file)) * np.uint16(2)).save(file)
    after = load(ask(root))
    assert (before.value_range, after.value_range) == ((0, 255), (0, 510))
    assert [int(data.test.take(torch.arange(20)).max()) for data in (before, after)] == [255, 128]


def tif16(values: NDArray[Any], order: str, deflated: bool) -> bytes:
    """A TIFF of 16-bit colours (H, W, 3); `order` is "<" or ">"."""
    height, width, channels = values.shape
    body = values.astype(f"{order}u2").tobytes()
    body = zlib.compress(body) if deflated else body
    numbers = {256: width, 257: height, 258: 8, 259: 8 if deflated else 1, 262: 2, 273: 16, 277: channels}
    numbers |= {278: height, 279: len(body), 284: 1}
    first = 16 + len(body) + len(body) % 2
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, 3, 3 if tag == 258 else 1)
        + struct.pack(f"{order}I" if tag == 258 else f"{order}HH", *((number,) if tag == 258 else (number, 0)))
        for tag, number in sorted(numbers.items())
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, first)
    ifd = struct.pack(f"{order}H", len(numbers)) + entries + struct.pack(f"{order}I", 0)
    return head + struct.pack(f"{order}4H", 16, 16, 16, 0) + body + b"\0" * (len(body) % 2) + ifd


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
def test_a_tiff_of_16_bit_colours_keeps_its_lower_bits(tmp_path: Path, order: str, deflated: bool) -> None:
    deep = noise(1, 9, 11, 3)[0].astype(np.uint16) * 3
    (tmp_path / "x.tif").write_bytes(tif16(deep, order, deflated))
    values = read_values(tmp_path / "x.tif", "x")
    assert values is not None
    assert np.array_equal(values, deep)
    prepared = Preparation((3, 9, 11), ValueRange(0, 765)).from_file(tmp_path / "x.tif")
    assert np.array_equal(prepared, noise(1, 9, 11, 3)[0].transpose(2, 0, 1))


def test_a_pgm_of_12_bits_keeps_them(tmp_path: Path) -> None:
    deep = (GREY[0].astype(np.uint16) * 16).astype(">u2")
    (tmp_path / "x.pgm").write_bytes(b"P5 12 10 4095\n" + deep.tobytes())
    values = read_values(tmp_path / "x.pgm", "x")
    assert values is not None
    assert len(np.unique(values)) == len(np.unique(deep))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_and_alpha_of_16_bits_keep_their_lower_bits(tmp_path: Path, ask: Asking, channels: int) -> None:
    deep = noise(20, 10, 12, channels).astype(np.uint16)
    if channels != 3:
        deep[..., -1] = 0xFFFF
    deep[0, 0, 0, 0] = 255
    data = load(ask(folder(tmp_path / "pictures", deep)))
    colours = deep if channels == 3 else deep[..., :-1]
    assert data.train.shape == (colours.shape[3], 10, 12)
    assert data.value_range == (0, 255)
    assert np.array_equal(pixels(data), in_order(colours).transpose(0, 3, 1, 2))


def test_transparent_pixels_of_16_bits_show_white(tmp_path: Path) -> None:
    deep = np.zeros((8, 8, 4), np.uint16)
    deep[:4, :, 3] = 0xFFFF
    (tmp_path / "x.png").write_bytes(png16(deep))
    shown = Preparation((3, 8, 8)).from_file(tmp_path / "x.png")
    assert (shown[:, :4] == 0).all()
    assert (shown[:, 4:] == 255).all()


def test_files_of_8_bits_beside_deeper_ones_keep_their_own_depth_and_a_note_says_so(
    tmp_path: Path, ask: Asking
) -> None:
    root = folder(tmp_path / "pictures", GREY.astype(np.uint16) * 16)
    Image.fromarray(GREY[0]).save(root / "train" / "a" / "00.png")
    data = load(ask(root))
    assert np.array_equal(pixels(data)[:, 0], in_order(GREY))
    assert any(note.startswith("39 pictures are deeper than 8 bits and 1 are not") for note in data.notes)


def test_a_test_part_is_scaled_as_the_training_part_is(tmp_path: Path, ask: Asking) -> None:
    np.savez(tmp_path / "x.npz", x=GREY * np.uint16(8), y=Y, x_test=GREY * np.uint16(16), y_test=Y)
    data = load(ask(tmp_path / "x.npz"))
    assert data.value_range == (0, 2040)
    expected = (GREY.astype(int) * 2).clip(0, 255)
    assert np.array_equal(data.test.take(torch.arange(20)).numpy()[:, 0], expected)


def test_a_few_hot_pixels_do_not_darken_the_others() -> None:
    values = np.arange(4096, dtype=np.uint16).repeat(10)
    values[:4] = 65535
    chosen = decide(values)
    assert chosen is not None
    assert chosen.low == 0
    assert 4000 < chosen.high < 4200


def test_pictures_that_are_mostly_black_are_not_taken_for_black() -> None:
    values = np.zeros(100_000, np.uint16)
    values[:50] = np.arange(50) * 80
    assert decide(values) == (0, 49 * 80)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e35])
def test_what_is_no_number_is_refused_by_the_picture_that_holds_it(tmp_path: Path, ask: Asking, value: float) -> None:
    x = GREY / np.float64(255)
    x[7, 3, 3] = value
    np.savez(tmp_path / "x.npz", x=x, y=Y)
    with pytest.raises(InputError, match=r"x\.npz: x: picture 7 holds infinity or NaN"):
        load(ask(tmp_path / "x.npz"))


@pytest.mark.parametrize("other", [np.float32, np.uint8])
def test_parts_of_different_types_are_refused(tmp_path: Path, ask: Asking, other: Any) -> None:
    np.savez(tmp_path / "x.npz", x=GREY.astype(np.uint16), y=Y, x_test=GREY.astype(other), y_test=Y)
    with pytest.raises(InputError, match=f"x holds uint16 and x_test {other.__name__}; give both as one type"):
        load(ask(tmp_path / "x.npz"))


def test_a_channel_of_one_value_is_warned_of(tmp_path: Path, ask: Asking) -> None:
    x = noise(20, 8, 8, 3)
    x[..., 1] = 9
    np.savez(tmp_path / "x.npz", x=x, y=Y)
    np.savez(tmp_path / "grey.npz", x=np.full((20, 8, 8), 9, np.uint16), y=Y)
    (note,) = load(ask(tmp_path / "x.npz")).notes
    assert note.startswith("channel 2 of 3 of the training pictures has one value everywhere")
    assert any(note.startswith("every pixel has one value") for note in load(ask(tmp_path / "grey.npz")).notes)


NUMBERS = st.sampled_from([np.uint16, np.int16, np.int32, np.float32, np.float64])


@settings(max_examples=80, deadline=None)
@given(st.data(), NUMBERS)
def test_any_values_are_scaled_in_their_order_and_fill_the_bytes(data: st.DataObject, kind: Any) -> None:
    elements = (
        st.floats(-1e9, 1e9, width=32)
        if np.dtype(kind).kind == "f"
        else st.integers(0 if kind == np.uint16 else -9999, 9999)
    )
    values = data.draw(arrays.arrays(kind, st.integers(1, 60), elements=elements))
    chosen = decide(values)
    shown = scaled(values, chosen)
    order = np.argsort(values, kind="stable")
    assert (np.diff(shown[order].astype(int)) >= 0).all()
    if chosen is not None:
        assert chosen.low < chosen.high
        # So few values hold no outliers: none is clipped, but 0 is black where it is near.
        assert chosen.high == (values.max() if values.min() < values.max() else max(values.max(), 0))
        assert shown.max() == 255 or values.min() == values.max()
        oracle = [round(255 * (float(v) - chosen.low) / (chosen.high - chosen.low), 6) for v in values]
        assert np.abs(shown - np.array(oracle).clip(0, 255)).max() <= 0.500001


def test_the_nominal_range_can_be_asked_for(tmp_path: Path, ask: Asking) -> None:
    deep = GREY.astype(np.uint16) * 16
    np.savez(tmp_path / "x.npz", x=deep, y=Y, x_test=deep, y_test=Y)
    for place in (folder(tmp_path / "pictures", deep), tmp_path / "x.npz"):
        automatic, nominal = load(ask(place)), load(replace(ask(place), nominal=True))
        assert automatic.value_range == (0, 4080)
        assert nominal.value_range is None
        assert not nominal.notes
        expected = (in_order(deep) if place.is_dir() else deep) >> 8
        assert np.array_equal(pixels(nominal)[:, 0], expected)
    np.savez(tmp_path / "x.npz", x=GREY / 9, y=Y)
    with pytest.raises(
        InputError, match=r"floats outside \[0, 1\], which have no nominal range; give value_range auto"
    ):
        load(replace(ask(tmp_path / "x.npz"), nominal=True))


class Listed:
    """A data set of pictures in memory."""

    def __init__(self, pictures: NDArray[Any]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> tuple[NDArray[Any], int]:
        return self.pictures[place], int(Y[place])


@pytest.mark.parametrize("place", [0, 19])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.float32(1.01), r"holds floats outside \[0, 1\], which have no nominal range; give value_range auto"),
        (np.float32(-0.01), "holds floats outside"),
        (np.int32(65536), r"holds integers outside \[0, 65535\], which have no nominal range; give value_range auto"),
        (np.int32(-1), "holds integers outside"),
    ],
)
def test_what_a_nominal_range_would_clip_is_refused_wherever_pictures_come_from(
    tmp_path: Path, ask: Asking, wrong: Any, said: str, place: int
) -> None:
    sound = (GREY / 255 if wrong.dtype == np.float32 else GREY.astype(np.int32) * 257).astype(wrong.dtype)
    clipped = sound.copy()
    clipped[place, 3, 4] = wrong
    for name, pictures in (("sound", sound), ("clipped", clipped)):
        root = folder(tmp_path / name, pictures, "tif")
        np.savez(tmp_path / f"{name}.npz", x=sound, y=Y, x_test=pictures, y_test=Y)
        asked = [replace(ask(path), nominal=True) for path in (root, tmp_path / f"{name}.npz")]
        asked.append(replace(ask("it"), given=as_given(Listed(pictures)), nominal=True))
        for request in asked:
            if name == "sound":
                # Once more: that all is well is remembered.
                assert load(request).fingerprint == load(request).fingerprint
            else:
                with pytest.raises(InputError, match=said):
                    load(request)
            assert load(replace(request, nominal=False)).value_range is None or name == "clipped"


def test_a_large_picture_is_scaled_in_slices_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).normal(0, 1e3, (37, 5, 3))
    whole = scaled(picture, ValueRange(-2e3, 1e3))
    for size in (1, 16, 100):
        monkeypatch.setattr(values_module, "_SLICE", size)
        assert np.array_equal(scaled(picture, ValueRange(-2e3, 1e3)), whole)
        assert scaled(picture[:0], None).shape == (0, 5, 3)


def test_bytes_are_never_touched() -> None:
    assert scaled(GREY, ValueRange(3, 5)) is GREY


@pytest.mark.parametrize("shape", [(10, 12), (10, 12, 1), (1, 10, 12), (10, 12, 3), (3, 10, 12)])
def test_an_array_is_prepared_as_a_file_is(shape: tuple[int, ...]) -> None:
    values = np.broadcast_to(GREY[0].astype(np.uint16).reshape([n if n > 3 else 1 for n in shape]), shape)
    prepared = Preparation((3, 10, 12), ValueRange(0, 255)).from_array(values)
    assert np.array_equal(prepared, np.broadcast_to(GREY[0], (3, 10, 12)))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((2, 4, 5)), r"has shape \(2, 4, 5\); give \(H, W\), \(H, W, C\) or \(C, H, W\)"),
        (np.zeros(4), r"has shape \(4,\)"),
        (np.zeros((0, 8)), r"has shape \(0, 8\)"),
        (np.array([["a"]]), "holds <U1; give numbers"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(values: NDArray[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Preparation((1, 8, 8)).from_array(values)
