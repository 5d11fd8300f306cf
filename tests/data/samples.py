"""Small data sets in the real formats, written where a test wants them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

SHARED = Path(__file__).parents[3] / "shared" / "data"
Pixels = NDArray[np.uint8]


def noise(count: int, *shape: int, seed: int = 0) -> Pixels:
    """Random pictures, uint8 (count, *shape)."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def encoded(pixels: Pixels, form: str = "PNG", **options: Any) -> bytes:
    """Pixels (H, W) or (H, W, 3) as the bytes of a picture file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def write_picture(file: Path, pixels: Pixels, **options: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)
    return file


def write_classes(root: Path, count: int = 5, size: tuple[int, ...] = (12, 12, 3), seed: int = 0) -> Path:
    """`count` PNG pictures in each of the classes `ant` and `bee`."""
    for place, name in enumerate(("ant", "bee")):
        for number, pixels in enumerate(noise(count, *size, seed=2 * seed + place)):
            write_picture(root / name / f"{number}.png", pixels)
    return root


def cifar10_python(count: int = 20, protocol: int = 2, as_bytes: bool = True) -> dict[str, bytes]:
    """The files of `cifar-10-batches-py`, `count` pictures a batch, labels cycling through the classes."""
    names: list[Any] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

    def key(text: str) -> Any:
        return text.encode() if as_bytes else text

    files = {"batches.meta": pickle.dumps({key("label_names"): [key(name) for name in names]}, protocol)}
    for seed, file in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        content = {
            key("data"): noise(count, 3072, seed=seed),
            key("labels"): [number % 10 for number in range(count)],
            key("filenames"): [key(f"{number}.png") for number in range(count)],
        }
        files[file] = pickle.dumps(content, protocol)
    return files


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(archive: Path, folder: str, files: dict[str, bytes]) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive


def idx_bytes(array: Pixels, zipped: bool = False) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    content = header + array.tobytes()
    return gzip.compress(content, mtime=0) if zipped else content


def mnist_files(zipped: bool, dot: bool = False, count: int = 20) -> dict[str, bytes]:
    """The four files of MNIST under their official names, or with a dot before `idx`."""
    files = {}
    for seed, part in enumerate(("train", "t10k")):
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(noise(count, 28, 28, seed=seed), zipped)
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(labels, zipped)
    return {
        (name.replace("-idx", ".idx") if dot else name) + (".gz" if zipped else ""): content
        for name, content in files.items()
    }


def write_parquet(
    file: Path,
    pictures: list[bytes],
    labels: list[int | None],
    columns: tuple[str, str] = ("img", "label"),
    names: list[str] | None = None,
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = pa.array([{"bytes": content, "path": "x.png"} for content in pictures], image_type)
    table = pa.table({columns[0]: rows, columns[1]: pa.array(labels, pa.int64())})
    if names is not None:
        features = {columns[1]: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, file)
    return file
