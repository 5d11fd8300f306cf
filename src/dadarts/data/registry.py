"""Which data sets are known by name: a layout and a line in `KNOWN` for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dadarts.data import cifar, digits, folder, idx, names
from dadarts.data.class_folders import Choices
from dadarts.data.decoding import Decoder
from dadarts.data.download import Remote
from dadarts.data.pictures import Parts, Shape
from dadarts.errors import InputError

Reader = Callable[[Path, Decoder], Parts]
"""Reads a data set below a data path."""


@dataclass(frozen=True)
class Facts:
    """What is known of a data set without its files; `mean` and `std` None are computed when it is loaded."""

    shape: Shape
    n_classes: int
    flip: bool
    read: Reader = field(repr=False)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def _cifar_remote(file: str, md5: str) -> Remote:
    return Remote(file, f"https://www.cs.toronto.edu/~kriz/{file}", md5)


def _idx_layout(
    name: str, classes: tuple[str, ...], folder: str, source: str, digests: tuple[str, str, str, str]
) -> idx.Layout:
    first, second, third, fourth = (
        Remote(file, source + file, digest)
        for file, digest in zip(
            (f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")),
            digests,
            strict=True,
        )
    )
    return idx.Layout(name, classes, (f"{folder}/raw", folder.lower()), (first, second, third, fourth))


CIFAR10 = cifar.Layout(
    name="cifar10",
    classes=names.CIFAR10,
    python=cifar.Form(
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test=("test_batch",),
        names="batches.meta",
    ),
    binary=cifar.Form(
        folder="cifar-10-batches-bin",
        archive="cifar-10-binary.tar.gz",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test=("test_batch.bin",),
        names="batches.meta.txt",
    ),
    label_keys=("labels", "label"),
    names_key="label_names",
    label_bytes=1,
    remote=_cifar_remote("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
)

CIFAR100 = cifar.Layout(
    name="cifar100",
    classes=names.CIFAR100,
    python=cifar.Form("cifar-100-python", "cifar-100-python.tar.gz", ("train",), ("test",), "meta"),
    binary=cifar.Form(
        "cifar-100-binary", "cifar-100-binary.tar.gz", ("train.bin",), ("test.bin",), "fine_label_names.txt"
    ),
    label_keys=("fine_labels", "fine_label"),
    names_key="fine_label_names",
    label_bytes=2,
    remote=_cifar_remote("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
)

MNIST = _idx_layout(
    "mnist",
    names.DIGITS,
    "MNIST",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)

FASHION_MNIST = _idx_layout(
    "fashionmnist",
    names.FASHION,
    "FashionMNIST",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)


def _read_imagenet(data_path: Path, decoder: Decoder) -> Parts:
    root = data_path / "imagenet"
    if not (root / "train").is_dir() or not (root / "val").is_dir():
        raise InputError(
            f"imagenet is not under {data_path} and cannot be downloaded: put its pictures into "
            f"{root / 'train'}/<wnid>/*.JPEG and {root / 'val'}/<wnid>/*.JPEG"
        )
    return folder.read(root, IMAGENET_SIDE, decoder, Choices())


IMAGENET_SIDE = 224

KNOWN: dict[str, Facts] = {
    "cifar10": Facts(
        shape=cifar.SHAPE,
        n_classes=10,
        flip=True,
        read=partial(cifar.read, CIFAR10),
        mean=(0.49139968, 0.48215827, 0.44653124),
        std=(0.24703233, 0.24348505, 0.26158768),
    ),
    "cifar100": Facts(
        shape=cifar.SHAPE,
        n_classes=100,
        flip=True,
        read=partial(cifar.read, CIFAR100),
        mean=(0.50707516, 0.48654887, 0.44091784),
        std=(0.26733429, 0.25643846, 0.27615047),
    ),
    "mnist": Facts((1, 28, 28), 10, False, partial(idx.read, MNIST), (0.1307,), (0.3081,)),
    "fashionmnist": Facts((1, 28, 28), 10, True, partial(idx.read, FASHION_MNIST), (0.2860,), (0.3530,)),
    "imagenet": Facts(
        shape=(3, IMAGENET_SIDE, IMAGENET_SIDE),
        n_classes=1000,
        flip=True,
        read=_read_imagenet,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    "digits": Facts((1, 8, 8), 10, False, digits.read),
}
"""Every data set that can be asked for by name."""
