"""A data set that must be whole where it is accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dadarts.data import DataRequest, download, load


def _unreachable(*_: object) -> Path:
    raise download.UnreachableError("not in a test")


def check(dataset: str, folder: Path, size: int | None = None) -> None:
    """Load a data set twice, the second time from what was cached; what is accepted must be whole."""
    request = DataRequest(dataset, folder / "datasets", size, folder / "cache", workers=1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        # What is missing is not to be fetched from anywhere.
        monkeypatch.setattr(download, "fetch", _unreachable)
        first, second = load(request), load(request)
    for part in (first.train, first.test):
        images = part.take(torch.arange(len(part)))
        assert images.dtype == torch.uint8, "pictures are no bytes"
        assert images.shape == (len(part.labels), *part.shape), "a part has another size than its labels"
        assert part.labels.dtype == torch.int64, "labels are no int64"
        assert bool(((part.labels >= 0) & (part.labels < len(first.classes))).all()), "a label is no class"
    assert first.fingerprint == second.fingerprint, "read twice, it is another data set"
    assert all(np.isfinite((*first.mean, *first.std))), "statistics are not finite"
    assert min(first.std) > 0, "a deviation is 0"
    assert "\n" not in first.described, "the description is not one line"
