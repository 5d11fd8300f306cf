"""Ways to damage a file: its bytes, its values, and what it is in the file system."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Values = Callable[[Random], Any]

_WORDS = ("", "x", "NaN", "-1", "1e999", "9" * 400, "a\nb", "\x00", "\ud800", "<b>&|`", "x" * 20_000, "../../x", "=1+1")
_NUMBERS = (0, -1, 1, 2, 7, 10**5, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.5, 1e-300, 1e300)


def plain_value(draw: Random) -> Any:
    """A value of JSON, most of them at home nowhere."""
    return draw.choice(
        [
            *(None, True, False, float("nan"), float("inf"), [], {}, [[]], {"": None}, [None] * 3, {"x": 1}),
            *_WORDS,
            *_NUMBERS,
        ]
    )


def changed(draw: Random, value: Any, values: Values = plain_value) -> Any:
    """A copy of a nested value of which one part is another, missing or too many."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(list(value))
        match draw.randrange(8):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {**value, draw.choice([*_WORDS[:8], "more"]): values(draw)}
            case _:
                return {**value, key: changed(draw, value[key], values)}
    if isinstance(value, list | tuple) and value and draw.random() < 0.85:
        items = list(value)
        place = draw.randrange(len(items))
        match draw.randrange(8):
            case 0:
                del items[place]
            case 1:
                items.insert(place, items[place])
            case _:
                items[place] = changed(draw, items[place], values)
        return tuple(items) if isinstance(value, tuple) else items
    return values(draw)


def change_json(draw: Random, path: Path) -> None:
    """Change values of a JSON document."""
    value = json.loads(path.read_text())
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        value = changed(draw, value)
    path.write_text(json.dumps(value))


def change_csv(draw: Random, path: Path) -> None:
    """Change cells and rows of a table."""
    rows = list(csv.reader(io.StringIO(path.read_text())))
    row = draw.choice(rows or [[]])
    if not row:
        change_bytes(draw, path)
        return
    match draw.randrange(5):
        case 0:
            rows.remove(row)
        case 1:
            rows.append(row)
        case 2:
            row.append(draw.choice(_WORDS))
        case 3:
            del row[draw.randrange(len(row))]
        case _:
            row[draw.randrange(len(row))] = str(plain_value(draw))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_bytes(text.getvalue().encode(errors="surrogatepass"))


def change_bytes(draw: Random, path: Path) -> None:
    """Flip bits, cut short, empty, repeat or overwrite."""
    data = bytearray(path.read_bytes())
    match draw.randrange(6) if data else 5:
        case 0 | 1:
            for _ in range(draw.choice([1, 1, 3, 30])):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        case 2:
            del data[draw.randrange(len(data)) :]
        case 3:
            place = draw.randrange(len(data))
            data[place : place + draw.randrange(64)] = draw.randbytes(draw.randrange(64))
        case 4:
            data += data * draw.randrange(1, 4)
        case _:
            data = bytearray(draw.choice([b"", b"\x00" * 100, b"\xff" * 100, b"[" * 100_000, b"1" * 100_000]))
    path.write_bytes(data)


def replace(draw: Random, path: Path) -> None:
    """Put something else than a regular file of a reasonable size in its place."""
    path.unlink()
    match draw.randrange(8):
        case 0 | 1:
            os.mkfifo(path)
        case 2:
            path.mkdir()
        case 3:
            path.symlink_to(path.name)
        case 4:
            path.symlink_to("/dev/zero")
        case 5:
            path.symlink_to("/dev/full")
        case 6:
            with path.open("wb") as file:
                file.truncate(1 << 36)
        case _:
            pass
