"""The benchmarks: how each writes an architecture, and what it measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts.errors import unknown
from dadarts.oracle.table import Standing, Table

OPERATIONS = ("avg_pool_3x3", "none", "nor_conv_1x1", "nor_conv_3x3", "skip_connect")
"""NAS-Bench-201's operations in byte order: with them a cell's number has one digit an edge, as texts sort."""
CELL = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_EDGES = 6
_CELL = re.compile(re.escape(CELL).replace(r"\{\}", f"({'|'.join(OPERATIONS)})"))
_DIGIT = {name: digit for digit, name in enumerate(OPERATIONS)}
_CLASSIFIERS = {"cifar10": 0, "cifar100": 90 * 65, "imagenet16": 110 * 65}
"""Parameters beyond those of 10 classes: a class has 64 weights and a bias."""
_FIXED, _MULTIPLY_ADDS = 7_783_040, {"nor_conv_1x1": 3_932_160, "nor_conv_3x3": 9 * 3_932_160}
"""Of a 32x32 picture: what every network has, and what an edge adds in all 15 cells."""


class NasBench201(Table):
    """NAS-Bench-201: 15,625 cells, accuracies on validation images (arXiv 2001.00326)."""

    unit = 10_000
    """Accuracies are stored as whole numbers of 1/unit percent."""

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(_CLASSIFIERS)

    @property
    def measure(self) -> str:
        return "validation accuracy after 200 epochs, mean of one to three trainings"

    @property
    def form(self) -> str:
        return f"a cell looks like {CELL.format(*['op'] * _EDGES)}, op one of {', '.join(OPERATIONS)}"

    @property
    def operations(self) -> tuple[str, ...]:
        return OPERATIONS

    @property
    def choices(self) -> NDArray[np.int64]:
        return _digits_of_all(len(self), len(OPERATIONS), _EDGES)

    @property
    def multiply_adds(self) -> NDArray[np.int64]:
        of_operation = np.array([_MULTIPLY_ADDS.get(name, 0) for name in OPERATIONS], np.int64)
        found: NDArray[np.int64] = _FIXED + of_operation[self.choices].sum(axis=1)
        return found

    def number(self, arch: str) -> int:
        found = _CELL.fullmatch(arch)
        if found is None:
            names = re.findall(r"\|([^|~]*)~\d", arch)
            wrong = next((name for name in names if name not in _DIGIT), None)
            raise self.refused(arch) if wrong is None else unknown("operation", wrong, OPERATIONS)
        number = 0
        for name in found.groups():
            number = len(OPERATIONS) * number + _DIGIT[name]
        return number

    def arch(self, number: int) -> str:
        return CELL.format(*(OPERATIONS[digit] for digit in _digits(number, len(OPERATIONS), _EDGES)))

    def row(self, number: int) -> dict[str, Any]:
        accuracies = {_column(dataset): self._accuracy(number, dataset) for dataset in self.datasets}
        return {"arch": self.arch(number), "params": int(self.columns["params"][number]), **accuracies}

    def _accuracy(self, number: int, dataset: str) -> float:
        return int(self.columns[_column(dataset)][number]) / self.unit

    def _standing(self, dataset: str) -> Standing:
        return Standing(self.columns[_column(dataset)].astype(np.int64), self.unit)

    def _parameters(self, number: int, dataset: str) -> int:
        return int(self.columns["params"][number]) + _CLASSIFIERS[dataset]


def _digits_of_all(count: int, base: int, places: int) -> NDArray[np.int64]:
    """(N, places) the digits of the numbers from 0 on."""
    return np.stack(np.unravel_index(np.arange(count), (base,) * places), axis=1).astype(np.int64)


def _column(dataset: str) -> str:
    return f"{dataset}_valid_acc"


LAYERS = 8
_CHOICES = 3
_IMAGES_A_PERCENT = 100


class NasBenchMacro(Table):
    """NAS-Bench-Macro: 6,561 networks of 8 layers, accuracies on test images (CVPR 2021, arXiv 2103.11922)."""

    @property
    def datasets(self) -> tuple[str, ...]:
        return ("cifar10",)

    @property
    def measure(self) -> str:
        return "test accuracy, mean of three trainings"

    @property
    def form(self) -> str:
        return "a network is 8 digits, one a layer: 0 identity, 1 mb3_k3, 2 mb6_k5"

    @property
    def operations(self) -> tuple[str, ...]:
        return ("identity", "mb3_k3", "mb6_k5")

    @property
    def choices(self) -> NDArray[np.int64]:
        return _digits_of_all(len(self), _CHOICES, LAYERS)

    @property
    def multiply_adds(self) -> NDArray[np.int64]:
        return self.columns["flops"].astype(np.int64)

    def number(self, arch: str) -> int:
        if re.fullmatch("[012]{8}", arch) is None:
            raise self.refused(arch)
        return int(arch, _CHOICES)

    def arch(self, number: int) -> str:
        return "".join(map(str, _digits(number, _CHOICES, LAYERS)))

    def row(self, number: int) -> dict[str, Any]:
        trainings = self.columns["test_acc"][number].tolist()
        mean = sum(trainings) / len(trainings)
        return {
            "arch": self.arch(number),
            "test_acc": trainings,
            "mean_acc": mean,
            "std": sqrt(sum((one - mean) * (one - mean) for one in trainings) / len(trainings)),
            "params": int(self.columns["params"][number]),
            "flops": int(self.columns["flops"][number]),
        }

    def _accuracy(self, number: int, dataset: str) -> float:
        trainings = self.columns["test_acc"][number].tolist()
        return float(sum(trainings) / len(trainings))

    def _standing(self, dataset: str) -> Standing:
        # The source's accuracies are float32, one unit in the last place off here and there: images are counted.
        correct_NT = np.rint(self.columns["test_acc"].astype(np.float64) * _IMAGES_A_PERCENT).astype(np.int64)
        return Standing(correct_NT.sum(axis=1), 3 * _IMAGES_A_PERCENT)

    def _parameters(self, number: int, dataset: str) -> int:
        return int(self.columns["params"][number])


def _digits(number: int, base: int, count: int) -> list[int]:
    digits = []
    for _ in range(count):
        number, digit = divmod(number, base)
        digits.append(digit)
    return digits[::-1]


@cache
def nas_bench_201() -> NasBench201:
    """The table of NAS-Bench-201, opened once a process."""
    return NasBench201.open("nas-bench-201")


@cache
def nas_bench_macro() -> NasBenchMacro:
    """The table of NAS-Bench-Macro, opened once a process."""
    return NasBenchMacro.open("nas-bench-macro")


ORACLES: Mapping[str, Callable[[], Table]] = {"nas-bench-201": nas_bench_201, "nas-bench-macro": nas_bench_macro}
"""Every benchmark by the name of its search space."""


def oracle(name: str) -> Table:
    """The table of that name.

    Raises:
        InputError: there is none.
    """
    if name not in ORACLES:
        raise unknown("benchmark", name, ORACLES)
    return ORACLES[name]()
