"""From an array file to what the network takes, where its pictures are neither grey nor RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dadarts.bundle.source.constants import SHAPE


def below(folder: str | Path) -> list[Path]:
    """All array files in a folder and the folders in it, hidden ones left out."""
    found = Path(folder).rglob("*.npy")
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def prepare(path: str | Path) -> np.ndarray:
    """A picture's array as the network takes it, uint8 (C, H, W), from a .npy file."""
    pixels = np.load(path, allow_pickle=False)
    if pixels.shape != SHAPE or pixels.dtype != np.uint8:
        raise ValueError(f"it holds {pixels.dtype} {pixels.shape}; the network takes uint8 {SHAPE}")
    return np.asarray(pixels)
