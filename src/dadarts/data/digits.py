"""Scikit-learn's handwritten digits: 1,797 grey pictures of 8x8, part of every installation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dadarts.data import names
from dadarts.data.decoding import Decoder
from dadarts.data.pictures import Parts, parts_of
from dadarts.data.split import hold_out_test


def read(data_path: Path, decoder: Decoder) -> Parts:
    """The digits, 0..16 rescaled to 0..255, with a fixed 20 % of every class as test part."""
    from sklearn.datasets import load_digits  # Takes a second to import, and only digits need it.

    found = load_digits()
    images = torch.from_numpy(np.rint(found.images * (255 / 16)).astype(np.uint8))[:, None]
    labels = torch.from_numpy(found.target).to(torch.int64)
    return parts_of(names.DIGITS, images, labels, *hold_out_test(labels))
