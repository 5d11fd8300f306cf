"""Folders of pictures: files of every kind, trees of every shape, tables of labels, and what was cached."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from dadarts.data import DataRequest, load
from dadarts.errors import InputError
from tests.data.samples import encoded, noise, write_classes
from tests.fuzz import bytes as raw
from tests.fuzz import damage
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.loading import check

_KINDS = {
    **{
        "PNG": "png",
        "JPEG": "jpg",
        "GIF": "gif",
        "BMP": "bmp",
        "TIFF": "tif",
        "WEBP": "webp",
        "PPM": "ppm",
        "TGA": "tga",
    },
    **{"ICO": "ico", "SGI": "sgi", "DDS": "dds", "JPEG2000": "jp2", "AVIF": "avif", "PCX": "pcx", "DIB": "dib"},
    **{"ICNS": "icns", "QOI": "qoi"},
}
_OPTIONS: dict[str, list[dict[str, Any]]] = {
    "PNG": [{}, {"interlace": 1}, {"compress_level": 0}],
    "JPEG": [{}, {"progressive": True}, {"quality": 5}, {"subsampling": 2}],
    "TIFF": [
        {"compression": name} for name in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group4", "zstd")
    ],
    "WEBP": [{}, {"lossless": True}],
    "TGA": [{}, {"compression": "tga_rle"}],
    "AVIF": [{"speed": 10}],
    # Icons are written in these sizes too; enlarged noise would take seconds.
    "ICNS": [{"append_images": [Image.new("RGB", (side, side)) for side in (32, 64, 128, 256, 512, 1024)]}],
}


def _prepare_pictures(base: Path) -> None:
    """A sound folder, and a sound picture of every kind, mode and way to write it."""
    write_classes(base / "sound", 5)
    (base / "kinds").mkdir()
    for kind, ending in _KINDS.items():
        for mode in ("L", "RGB", "RGBA", "P", "1", "I;16", "F", "CMYK", "LA", "I"):
            for number, options in enumerate(_OPTIONS.get(kind, [{}])):
                picture = Image.fromarray(noise(1, 16, 16, 3)[0])
                picture = picture.convert("L").convert(mode) if mode in ("I;16", "F", "I") else picture.convert(mode)
                exif = Image.Exif()
                exif[0x0112] = 6
                more = {"exif": exif} if number == 0 and kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
                try:
                    picture.save(base / "kinds" / f"{mode.replace(';', '')}{number}.{ending}", kind, **options, **more)
                except (OSError, ValueError, KeyError):  # Not every kind has every mode.
                    (base / "kinds" / f"{mode.replace(';', '')}{number}.{ending}").unlink(missing_ok=True)


def _make_pictures(draw: Random, base: Path, folder: Path) -> None:
    (folder / "set").mkdir()
    for file in (base / "sound").rglob("*.png"):
        target = folder / "set" / file.relative_to(base / "sound")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    kinds = sorted((base / "kinds").iterdir())
    for number in range(draw.choice([1, 1, 2, 4])):
        source = draw.choice(kinds)
        content = source.read_bytes()
        content = raw.changed(draw, content) if draw.random() < 0.9 else content
        ending = source.suffix if draw.random() < 0.9 else draw.choice(kinds).suffix
        (folder / "set" / draw.choice(["ant", "bee"]) / f"odd{number}{ending}").write_bytes(content)
    if draw.random() < 0.05:
        damage.replace(draw, folder / "set/ant/0.png")


def _use_pictures(folder: Path) -> None:
    """Load the folder, strictly and then as users do."""
    request = DataRequest(str(folder / "set"), cache_dir=folder / "cache", workers=0, skip_broken=False)
    load(request)
    check(str(folder / "set"), folder)


_NAMES = (
    *("train", "Train", "test", "Testing", "val", "validation", "dev", "ant", "bee", "cat", "a b", "ant ", "ANT", "é"),
    *("images", "__MACOSX", ".hidden", "nul\n", "x" * 200, "-flag", "train_set", "0", "1", "\udcff", "data", "labels"),
)
_FILES = (
    *("a.png", "b.PNG", "c.jpg", "d.tif", "._a.png", ".DS_Store", "Thumbs.db", "labels.csv", "metadata.csv", "e.txt"),
    *("f", "g.png.part", "\udcfe.png", "h\n.png", "readme.md", "i.npz", "j.gif"),
)


def _make_tree(draw: Random, base: Path, folder: Path) -> None:
    picture = encoded(noise(1, 8, 8, 3)[0])
    root = folder / "set"
    root.mkdir()
    made = [root]
    for _ in range(draw.choice([1, 3, 8, 20])):
        here = draw.choice(made)
        place = here / draw.choice(_NAMES)
        if draw.random() < 0.12 and not place.is_symlink() and not place.exists():
            place.symlink_to(draw.choice([*made, Path(".."), Path("nowhere"), Path(place.name), Path("/proc/self")]))
        elif len(place.relative_to(root).parts) < 6 and not place.exists() and not place.is_symlink():
            place.mkdir()
            made.append(place)
            for number in range(draw.choice([0, 0, 2, 6])):
                (place / f"{number}.png").write_bytes(picture)
    for _ in range(draw.choice([0, 1, 5])):
        file = draw.choice(made) / draw.choice(_FILES)
        if file.suffix == ".csv":
            file.write_text(draw.choice(["file,label\n0.png,ant\n1.png,bee\n", "", "a\nb", "file,label\nx,y\n"]))
        elif draw.random() < 0.1:
            file.unlink(missing_ok=True)
            os.mkfifo(file)
        elif not file.exists():
            file.write_bytes(draw.choice([picture, b"", b"text"]))


def _use_tree(folder: Path) -> None:
    check(str(folder / "set"), folder)


def _make_table(draw: Random, base: Path, folder: Path) -> None:
    """Pictures in one folder beside a table of their labels."""
    root = folder / "set"
    root.mkdir()
    picture = encoded(noise(1, 8, 8, 3)[0])
    names = [f"{number}.png" for number in range(12)]
    for name in names:
        (root / name).write_bytes(picture)
    header = draw.choice(["file,label", "filename,class", "image;label", "label\tfile", "a,b", "id,species"])
    rows = [f"{name},{draw.choice(['ant', 'bee'])}" for name in names]
    file = root / draw.choice(["labels.csv", "labels.csv", "metadata.csv", "train.csv"])
    file.write_text("\n".join([header, *rows]) + "\n")
    if draw.random() < 0.3:
        (root / "test").mkdir()
    if draw.random() < 0.8:
        draw.choice([damage.change_csv, damage.change_csv, damage.change_bytes])(draw, file)
    if draw.random() < 0.1:
        damage.replace(draw, file)


# What others have kept


def _prepare_cache(base: Path) -> None:
    write_classes(base / "set", 5)
    load(DataRequest(str(base / "set"), cache_dir=base / "cache"))


def _make_cache(draw: Random, base: Path, folder: Path) -> None:
    (folder / "cache").mkdir()
    for file in (base / "cache").iterdir():
        (folder / "cache" / file.name).write_bytes(file.read_bytes())
    for file in draw.sample(sorted((folder / "cache").iterdir()), draw.choice([1, 1, 2])):
        if draw.random() < 0.3:
            damage.replace(draw, file)
        elif draw.random() < 0.4:
            # A whole file of other numbers.
            held = np.load(file)
            flat = held.reshape(-1)
            flat[draw.randrange(flat.size)] = draw.choice([0, 1, 2, 255])
            np.save(file, held.astype(draw.choice([held.dtype, np.float64, np.int8])))
        else:
            file.write_bytes(raw.changed(draw, file.read_bytes()))
    (folder / "base").write_text(str(base))


def _use_cache(folder: Path) -> None:
    base = (folder / "base").read_text()
    before = _identities(folder / "cache")
    data = load(DataRequest(f"{base}/set", cache_dir=folder / "cache", workers=0))
    channels, height, width = data.train.shape
    assert channels in (1, 3), "the pictures have channels that none can have"
    assert min(height, width) >= 8, "the pictures have a size that none can have"
    assert data.train.take(torch.arange(len(data.train))).shape == (8, *data.train.shape), "pictures are missing"
    if _identities(folder / "cache") != before:
        raise InputError("something that was kept was damaged, and has been made anew")


def _identities(folder: Path) -> dict[str, int]:
    return {file.name: file.lstat().st_ino for file in folder.iterdir()}


FUZZERS = (
    Fuzzer("pictures", _make_pictures, _use_pictures, _prepare_pictures, tests=40, seconds=5.0),
    Fuzzer("trees", _make_tree, _use_tree, tests=40, seconds=5.0),
    Fuzzer("tables", _make_table, _use_tree, tests=30, seconds=5.0),
    Fuzzer("cache", _make_cache, _use_cache, _prepare_cache, tests=20, seconds=5.0),
)
