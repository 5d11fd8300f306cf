"""CIFAR-10 with its pictures' sides halved, as an .npz file: ``python -m benchmarks.proxy.data FOLDER OUT.npz``.

A pixel is the rounded mean of four. FOLDER holds cifar10 in any form that `dadarts` reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dadarts.data import DataRequest, Pictures, load


def halved(pictures: Pictures) -> NDArray[np.uint8]:
    """All pictures at half their height and width, uint8 (N, H / 2, W / 2, C)."""
    parts = [
        F.avg_pool2d(pictures.take(index).float(), 2).round().to(torch.uint8)
        for index in torch.split(torch.arange(len(pictures.labels)), 1000)
    ]
    array: NDArray[np.uint8] = torch.cat(parts).permute(0, 2, 3, 1).numpy()
    return array


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    data = load(DataRequest("cifar10", given.folder, None, None, 4))
    np.savez(
        given.out,
        x=halved(data.train),
        y=data.train.labels.numpy(),
        x_test=halved(data.test),
        y_test=data.test.labels.numpy(),
        classes=np.array(data.classes),
    )


if __name__ == "__main__":
    main()
