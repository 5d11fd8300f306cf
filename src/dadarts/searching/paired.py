"""What every picture loses where a part of the mixture is left out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from dadarts.architecture.supernet import Batch, Mixing
from dadarts.data import Loader
from dadarts.methods.missed import Harm
from dadarts.runs.evaluation import Counted, Name, rounds
from dadarts.searching.bilevel import Bilevel


def harms(bilevel: Bilevel, loader: Loader, mixings: Mapping[Name, Mixing]) -> Counted[Mapping[Name, Harm]]:
    """The same weights under several mixing weights, picture by picture; counted as in `diagnostics.evaluate`.

    Several processes measure a batch each in every round, and all have the harms of one process at the end.
    """
    sizes = loader.sizes()
    ends = torch.tensor(sizes).cumsum(0).tolist()
    tables = torch.zeros((len(mixings), sum(sizes), 2), dtype=torch.float64)

    def measure(step: int, batch: Batch) -> None:
        own = slice(ends[step] - sizes[step], ends[step])
        for table, mixing in zip(tables, mixings.values(), strict=True):
            logits = bilevel.forward(batch.images, mixing, batch.key)
            table[own, 0] = F.cross_entropy(logits, batch.labels, reduction="none").cpu().double()
            table[own, 1] = (logits.argmax(dim=1) != batch.labels).cpu().double()

    yield from rounds(bilevel.supernet, loader, measure)
    tables = loader.processes.summed(tables)
    return dict(zip(mixings, tables, strict=True))
