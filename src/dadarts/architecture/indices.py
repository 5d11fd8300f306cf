"""Six integers as a cell of NAS-Bench-201.

There are two published orders. NASLib's `op_indices` go edge by edge from
each state (0-1, 0-2, 0-3, 1-2, 1-3, 2-3) and count skip_connect, none, nor_conv_3x3, nor_conv_1x1, avg_pool_3x3; the
`arch_vector` of BRP-NAS goes node by node (0-1, 0-2, 1-2, 0-3, 1-3, 2-3) and counts none, skip_connect, nor_conv_1x1,
nor_conv_3x3, avg_pool_3x3, as the benchmark does. Without a name they are NASLib's, and `note` says so.
"""

from __future__ import annotations

import re

from dadarts.architecture.pasted import Found, pick
from dadarts.errors import InputError

BY_SOURCE = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
BY_NODE = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
ORDERS = {
    "op_indices": (BY_SOURCE, ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")),
    "arch_vector": (BY_NODE, ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")),
}
"""What six integers are called -> the edges that they stand for, (from, to), and the operations that they count."""
USUAL = "op_indices"
"""What they are taken for where they have no name."""


def spelled(found: Found, order: str | None = None) -> str:
    """The benchmark's string of six indices, in the order that they are named by or in a given one.

    Raises:
        InputError: one of them counts no operation.
    """
    edges, names = ORDERS[order or (found.name if found.name in ORDERS else USUAL)]
    indices = [int(digit) for digit in re.findall(r"\d", found.text)]
    if max(indices) >= len(names):
        raise InputError(f"not a genotype: {found.text[:40]!r}; the indices of NAS-Bench-201 are 0 to {len(names) - 1}")
    chosen = {edge: names[index] for edge, index in zip(edges, indices, strict=True)}
    return "+".join("|" + "".join(f"{chosen[state, node]}~{state}|" for state in range(node)) for node in (1, 2, 3))


def note(text: str) -> str | None:
    """What a person should know of how a text is read; None where there is nothing to say.

    Raises:
        InputError: the text cannot be read.
    """
    found = None if text.strip().startswith("{") else pick(text)
    if found is None or found.kind != "indices" or found.name in ORDERS:
        return None
    return (
        f"{found.text} is read as NASLib's {USUAL}, {spelled(found)}; for {spelled(found, 'arch_vector')}, BRP-NAS's "
        f"order, write arch_vector={found.text}"
    )
