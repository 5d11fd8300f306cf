"""The order in which pictures are listed decides nothing that a search reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import column, search, succeed, without_pictures

CLASSES = "abcd"
SMALL = [
    *("-epochs", "3", "-batch_size", "16", "-init_channels", "4", "-layers", "1", "-nodes", "1", "-w_lr", "0.2"),
    *("-search_space", "connect-nas-bench", "-workers", "0", "-device", "cpu", "-threads", "1"),
]


def write_in_three_orders() -> list[str]:
    """The same 128 pictures, whose brightness is their class, as arrays and as folders; their paths."""
    draw = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 32)
    brightness = 50 * (y + 1) + draw.normal(0, 12, len(y))
    x = (brightness[:, None, None] + draw.normal(0, 20, (len(y), 8, 8))).clip(0, 255).astype(np.uint8)
    rows = np.arange(len(y))
    orders = {"sorted": rows, "reversed": rows[::-1], "mixed": draw.permutation(rows)}
    for name, order in orders.items():
        np.savez(f"{name}.npz", x=x[order], y=y[order])
        for place, row in enumerate(order):
            # A folder is read class by class: what can be reversed is the order of classes and of their files.
            label = 3 - y[row] if name == "reversed" else y[row]
            folder = Path(name) / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(x[row]).save(folder / f"{place:03}.png")
    return [path for name in orders for path in (f"{name}.npz", name)]


def searched(dataset: str, seed: int) -> float:
    """The accuracy on the validation half after the last epoch."""
    name = f"{dataset}-{seed}"
    succeed(search, "-name", name, "-dataset", dataset, "-seed", str(seed), *SMALL)
    return column(Path("runs/search") / name, "valid_top1")[-1]


def test_rows_in_any_order_validate_as_near_as_two_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    orders = {dataset: searched(dataset, 1) for dataset in write_in_three_orders()}
    seeds = [orders["sorted.npz"], *(searched("sorted.npz", seed) for seed in (2, 3))]
    # Chance is 1/4; a batch of one class gives 0.33 to 0.42 here.
    assert min(*orders.values(), *seeds) > 0.6
    assert max(orders.values()) - min(orders.values()) <= max(seeds) - min(seeds)
