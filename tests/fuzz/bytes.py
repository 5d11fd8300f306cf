"""Ways to change bytes that know what formats have in common: sizes, lengths, counts and markers."""

from __future__ import annotations

import struct
from random import Random

_WORDS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32_767, 32_768, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_LONG = (0, 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


def changed(draw: Random, content: bytes) -> bytes:
    """A copy with a few changes: often one, mostly near the beginning or the end, where headers are."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 3, 10])):
        _change(draw, data)
    return bytes(data)


def _place(draw: Random, data: bytearray) -> int:
    match draw.randrange(4):
        case 0 | 1:
            return draw.randrange(min(len(data), 256))
        case 2:
            return len(data) - 1 - draw.randrange(min(len(data), 256))
        case _:
            return draw.randrange(len(data))


def _change(draw: Random, data: bytearray) -> None:
    if not data:
        data += draw.randbytes(draw.randrange(1, 20))
        return
    place = _place(draw, data)
    match draw.randrange(10):
        case 0 | 1:
            data[place] ^= 1 << draw.randrange(8)
        case 2:
            data[place] = draw.randrange(256)
        case 3:
            data[place : place + 4] = struct.pack(draw.choice("<>") + "I", draw.choice(_WORDS))
        case 4:
            data[place : place + 2] = struct.pack(draw.choice("<>") + "H", draw.choice(_WORDS) & 0xFFFF)
        case 5:
            data[place : place + 8] = struct.pack(draw.choice("<>") + "Q", draw.choice(_LONG))
        case 6:
            del data[draw.randrange(len(data)) :]
        case 7:
            del data[place : place + draw.choice([1, 2, 4, 16, 100])]
        case 8:
            data[place:place] = data[place : place + draw.choice([1, 4, 16, 200])] * draw.choice([1, 1, 2, 50])
        case _:
            data[place : place + draw.randrange(16)] = draw.randbytes(draw.randrange(16))
