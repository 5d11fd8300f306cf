"""Which pictures a data set is made of, before any of them is opened."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from dadarts.data.split import hold_out_test
from dadarts.data.walk import Tally

HELD_OUT = "test part: a fifth of each class, held out"


@dataclass(frozen=True, eq=False)
class Part:
    """The files of a part and the class of each, int64 (N,)."""

    files: tuple[Path, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.files)

    def chosen(self, index: Tensor) -> Part:
        """The files at `index`."""
        return Part(tuple(self.files[place] for place in index.tolist()), self.labels[index])

    def without(self, files: Container[Path]) -> Part:
        """The other files."""
        kept = [place for place, file in enumerate(self.files) if file not in files]
        return self if len(kept) == len(self) else self.chosen(torch.tensor(kept, dtype=torch.int64))


def part(files: Sequence[Path], labels: Sequence[int]) -> Part:
    """A part of files and the class of each."""
    return Part(tuple(files), torch.tensor(labels, dtype=torch.int64))


@dataclass(frozen=True, eq=False)
class Listing:
    """The classes and the files of both parts; `test` None is to be held out of `train`.

    `remarks` say how the parts were found, `passed` what was passed over.
    """

    classes: tuple[str, ...]
    train: Part
    test: Part | None
    remarks: tuple[str, ...] = ()
    passed: Tally = field(default_factory=Tally)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, as they were found."""
        return self.train.files + (() if self.test is None else self.test.files)

    def without(self, files: Container[Path]) -> Listing:
        """The listing as it would be if some files were not there."""
        test = None if self.test is None else self.test.without(files)
        return replace(self, train=self.train.without(files), test=test)

    def parts(self) -> tuple[Part, Part]:
        """The training and the test part.

        Raises:
            InputError: there are too few pictures to hold any out.
        """
        if self.test is not None:
            return self.train, self.test
        kept, held = hold_out_test(self.train.labels)
        return self.train.chosen(kept), self.train.chosen(held)
