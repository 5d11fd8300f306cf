from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from dadarts.data import formats, images, load
from dadarts.errors import InputError

from .conftest import Asking
from .samples import noise, write_classes

LOSSY = {"JPEG", "WEBP", "AVIF"}
ENDINGS = [(kind, ending) for kind, endings in formats.ENDINGS.items() for ending in endings]


def written(kind: str, file: Path, image: Image.Image) -> Path:
    """A file as Pillow's own writer of that kind makes it."""
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    # ICNS holds fixed sizes, the largest of which is read.
    image = image.resize((1024, 1024), Image.Resampling.NEAREST) if kind == "ICNS" else image
    image.save(file, kind)
    return file


def blocks() -> Image.Image:
    """Two colours in halves that every kind keeps nearly, 64 x 64 pixels."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32], pixels[:, 32:] = (200, 100, 50), (10, 120, 90)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("kind", "ending"), ENDINGS)
def test_what_pillow_writes_is_read_back_whatever_its_ending_is_written_like(
    tmp_path: Path, kind: str, ending: str
) -> None:
    written_file = written(kind, tmp_path / f"picture{ending}", blocks())
    file = written_file.rename(tmp_path / f"picture{ending.upper()}")
    assert formats.is_picture(file.name)
    header = images.read_header(file, "picture")
    expected = np.asarray(blocks()).transpose(2, 0, 1)
    pixels = images.decode_to(file, "picture", (3, 64, 64))
    if kind == "ICNS":
        assert (header.height, header.width, header.grey) == (1024, 1024, False)
        assert (pixels[:, :, :16] == expected[:, :, :16]).all()
        return
    assert (header.height, header.width, header.grey) == (64, 64, False)
    inner = np.r_[0:24, 40:64]
    distance = np.abs(pixels[:, :, inner].astype(int) - expected[:, :, inner])
    assert distance.max() <= (6 if kind in LOSSY else 0)


def test_every_kind_is_installed_and_none_starts_a_program() -> None:
    Image.init()
    assert set(formats.ENDINGS) <= set(Image.OPEN)
    assert not set(formats.ENDINGS) & {"EPS", "WMF", "PDF", "MPEG", "PCD", "IPTC"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "PPM", "JPEG2000", "QOI", "SGI", "ICO", "DDS", "WEBP"])
def test_content_decides_where_a_picture_has_another_kinds_ending(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "picture.bmp"
    blocks().save(file, kind)
    assert images.read_header(file, "picture").width == 64


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("kind", ["TGA", "PCX", "DIB"])
def test_kinds_without_a_signature_are_read_under_their_own_endings_alone(
    tmp_path: Path, kind: str, ending: str
) -> None:
    file = tmp_path / f"picture{ending}"
    blocks().save(file, kind)
    with pytest.raises(InputError, match="is damaged, or no picture"):
        images.read_header(file, str(file))


@pytest.mark.parametrize("ending", [".eps", ".ps", ".wmf", ".emf", ".pdf", ".txt", ".psd", ".mpg", ".h5", ""])
def test_other_endings_are_no_pictures(ending: str) -> None:
    assert not formats.is_picture(f"picture{ending}")


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_many_frames_is_read(tmp_path: Path, ask: Asking, form: str) -> None:
    first, second = Image.new("RGB", (16, 16), (200, 30, 30)), Image.new("RGB", (16, 16), (30, 30, 200))
    for part in ("train", "test"):
        write_classes(tmp_path / "set" / part, 3, size=(16, 16, 3))
    options = {"lossless": True} if form == "WEBP" else {}
    first.save(tmp_path / "set/train/ant/0.png", form, save_all=True, append_images=[second], **options)
    shown = load(ask(tmp_path / "set")).train.take(torch.tensor([0]))[0]
    assert torch.equal(shown, torch.tensor([200, 30, 30], dtype=torch.uint8).view(3, 1, 1).expand(3, 16, 16))


def test_a_class_of_tif_files_is_read_whole(tmp_path: Path, ask: Asking) -> None:
    write_classes(tmp_path / "set", 10)
    for number, pixels in enumerate(noise(5, 12, 12, 3, seed=9)):
        Image.fromarray(pixels).save(tmp_path / f"set/bee/{number}.TIFF")
    data = load(ask(tmp_path / "set"))
    assert len(data.train) + len(data.test) == 25
