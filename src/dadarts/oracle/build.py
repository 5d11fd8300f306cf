"""Make the tables of this package from the benchmarks' own files: ``python -m dadarts.oracle.build SOURCES [TARGET]``.

SOURCES holds ``nasbench201.csv`` and ``nas-bench-macro_cifar10.json``; the same sources give the same bytes.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts.oracle import storage
from dadarts.oracle.benches import CELL, OPERATIONS, NasBench201

_FORMAT = "dadarts-oracle/1"
_NB201 = {
    "format": _FORMAT,
    "benchmark": "NAS-Bench-201 (X. Dong, Y. Yang, ICLR 2020, arXiv 2001.00326)",
    "source": "github.com/vilhess/MONET, commit 336647a5dadb, benchmark_scores/{Cifar10,Cifar100,ImageNet}-NB201.csv; "
    "index-to-cell order of github.com/D-X-Y/AutoDL-Projects (MIT)",
    "licence": "none stated by the source",
    "rows": f"all cells {CELL} in the byte order of their texts, operations {' '.join(OPERATIONS)}",
    "columns": f"*_valid_acc: validation accuracy in percent, times {NasBench201.unit}; "
    "params: trainable parameters with 10 classes",
}
_MACRO = {
    "format": _FORMAT,
    "benchmark": "NAS-Bench-Macro (X. Su et al., CVPR 2021, arXiv 2103.11922)",
    "source": "github.com/xiusu/NAS-Bench-Macro, commit 61a2bfc2ca0d, data/nas-bench-macro_cifar10.json",
    "licence": "Apache-2.0, Copyright 2021 Xiu Su",
    "rows": "all networks of 8 layers in the order of their codes, a digit a layer: 0 Identity, 1 MB3_K3, 2 MB6_K5",
    "columns": "test_acc: CIFAR-10 test accuracy in percent of three trainings; params: trainable parameters; "
    "flops: multiply-adds of a 32x32 picture",
}


def build(sources: Path, target: Path) -> None:
    """Write both tables into the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    path = sources / "nasbench201.csv"
    storage.write(target / "nas-bench-201.safetensors", _nas_bench_201(path), _NB201 | _origin(path))
    path = sources / "nas-bench-macro_cifar10.json"
    storage.write(target / "nas-bench-macro.safetensors", _nas_bench_macro(path), _MACRO | _origin(path))


def _origin(path: Path) -> dict[str, str]:
    return {"source_sha256": sha256(path.read_bytes()).hexdigest()}


def _nas_bench_201(path: Path) -> dict[str, NDArray[Any]]:
    with path.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["arch"])
    columns = {
        name: _whole([Decimal(row[name]) * NasBench201.unit for row in rows])
        for name in ("cifar10_valid_acc", "cifar100_valid_acc", "imagenet16_valid_acc")
    }
    return columns | {"params": _whole([Decimal(row["params"]) for row in rows])}


def _nas_bench_macro(path: Path) -> dict[str, NDArray[Any]]:
    networks: Mapping[str, Any] = json.loads(path.read_text())
    rows = [networks[arch] for arch in sorted(networks)]
    trainings = np.array([row["test_acc"] for row in rows])
    if not np.array_equal(trainings, trainings.astype(np.float32)):
        raise ValueError(f"{path} has accuracies that are no float32")
    whole = {name: _whole([Decimal(row[name]) for row in rows]) for name in ("params", "flops")}
    return {"test_acc": trainings.astype(np.float32), **whole}


def _whole(values: Sequence[Decimal]) -> NDArray[np.uint32]:
    array = np.array([int(value) for value in values], np.uint32)
    if any(Decimal(int(stored)) != value for stored, value in zip(array, values, strict=True)):
        raise ValueError("a value of the source does not fit into a whole number of 32 bits")
    return array


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
