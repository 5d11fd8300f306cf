"""CIFAR-10 with smaller pictures, as an .npz file: ``python -m benchmarks.proxy.data FOLDER OUT.npz [--by 4]``.

A pixel is the rounded mean of by x by. FOLDER holds cifar10 in any form that `dadarts` reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dadarts.data import DataRequest, Pictures, load


def shrunk(pictures: Pictures, by: int) -> NDArray[np.uint8]:
    """All pictures at a fraction of their height and width, uint8 (N, H / by, W / by, C)."""
    parts = [
        F.avg_pool2d(pictures.take(index).float(), by).round().to(torch.uint8)
        for index in torch.split(torch.arange(len(pictures.labels)), 1000)
    ]
    array: NDArray[np.uint8] = torch.cat(parts).permute(0, 2, 3, 1).numpy()
    return array


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--by", type=int, default=2, help="sides are divided by this")
    given = parser.parse_args()
    data = load(DataRequest("cifar10", given.folder, None, None, 4))
    np.savez(
        given.out,
        x=shrunk(data.train, given.by),
        y=data.train.labels.numpy(),
        x_test=shrunk(data.test, given.by),
        y_test=data.test.labels.numpy(),
        classes=np.array(data.classes),
    )


if __name__ == "__main__":
    main()
