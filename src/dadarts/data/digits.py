"""Scikit-learn's handwritten digits: 1,797 grey pictures of 8x8, part of every installation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dadarts.data import names
from dadarts.data.decoding import Decoder
from dadarts.data.listing import HELD_OUT
from dadarts.data.pictures import Parts, parts_of
from dadarts.data.split import hold_out_test


def read(data_path: Path, decoder: Decoder) -> Parts:
    """The digits, 0..16 rescaled to 0..255, with a fixed 20 % of every class as test part."""
    rows = _rows()
    images = torch.from_numpy(np.rint(rows[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8))[:, None]
    labels = torch.from_numpy(rows[:, -1].astype(np.int64))
    return replace(parts_of(names.DIGITS, images, labels, *hold_out_test(labels)), remarks=(HELD_OUT,))


@cache
def _rows() -> NDArray[np.float64]:
    """(1797, 65): 64 pixels and the class of every digit.

    The file is read where it lies: to import scikit-learn for it would take longer than a small search. It is parsed
    once in a process, which may begin many.
    """
    spec = find_spec("sklearn")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.column_stack([found.data, found.target])
