"""Requests that touch nothing outside a test's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from dadarts.data import DataRequest


class Asking(Protocol):
    """Makes a request for a data set below `<tmp_path>/datasets`, or at a path."""

    def __call__(
        self, dataset: str | Path, image_size: int | None = None, workers: int = 2, cache: str = "cache"
    ) -> DataRequest: ...


@pytest.fixture
def ask(tmp_path: Path) -> Asking:
    def make(dataset: str | Path, image_size: int | None = None, workers: int = 2, cache: str = "cache") -> DataRequest:
        return DataRequest(str(dataset), tmp_path / "datasets", image_size, tmp_path / cache, workers)

    return make
