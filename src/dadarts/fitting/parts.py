"""What candidates are trained and judged on while they race: the test part is not among it."""

from __future__ import annotations

from dataclasses import replace

from dadarts.data import Chosen, DataSet, hold_out, stratified_part

FRACTION, MOST = 0.2, 5000
"""The part of every class that judges, and how many pictures do at most."""


def judges(data: DataSet) -> bool:
    """Whether a validation part can be held out: some class has a third training picture."""
    return int(data.train.labels.bincount().max()) > 2


def racing(data: DataSet, seed: int) -> DataSet:
    """The training part alone, divided: pictures to train on, and as `test` a validation part, by class.

    Where nothing can be held out both are all of it, so that speeds can be measured.
    """
    pictures = data.train
    if not judges(data):
        return replace(data, test=pictures, remarks=(), notes=())
    kept, held = hold_out(pictures.labels, min(FRACTION, MOST / len(pictures)), seed)
    return replace(data, train=Chosen(pictures, kept), test=Chosen(pictures, held), remarks=(), notes=())


def portion(data: DataSet, part: float, seed: int) -> DataSet:
    """With a part of every class of the training pictures."""
    return (
        data if part == 1 else replace(data, train=Chosen(data.train, stratified_part(data.train.labels, part, seed)))
    )
