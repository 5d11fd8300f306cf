"""Files that cannot be read as pictures: how many may be missing, and what is remembered of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL

from dadarts import files
from dadarts.data.cache import Cache, digest
from dadarts.data.listing import Listing
from dadarts.data.plain import plain
from dadarts.errors import InputError

_SHARE, _MOST, _FEW = 100, 5, 50
_NAMED = 3
_BLOCK = 1 << 20
_LONGEST = 160

Broken = Mapping[Path, str]
"""Files that cannot be read, and what is wrong with each."""


def allowance(count: int) -> int:
    """How many pictures of a part may be skipped: 1 %, at most 5; 1 of 50 to 100, and none of fewer.

    >>> allowance(49), allowance(50), allowance(250), allowance(10_000)
    (0, 1, 2, 5)
    """
    return 0 if count < _FEW else min(_MOST, max(1, count // _SHARE))


def refuse_too_many(found: Listing, broken: Broken) -> None:
    """Raise InputError, with counts and the first names, where a part would lose more than its allowance."""
    parts = [("the data set" if found.test is None else "the training part", found.train)]
    if found.test is not None:
        parts.append(("the test part", found.test))
    for name, part in parts:
        lost = [broken[file] for file in part.files if file in broken]
        allowed = allowance(len(part))
        if len(lost) > allowed:
            few = f"up to {allowed} of {len(part):,}" if allowed else f"none of fewer than {_FEW}"
            first = "; ".join(plain(why)[:_LONGEST] for why in lost[:_NAMED])
            more = f"; and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else ""
            raise InputError(
                f"{len(lost):,} of {len(part):,} pictures of {name} cannot be read, and {few} are skipped; mend or "
                f"remove them: {first}{more}"
            )


def key_of(found: Listing, image_size: int | None) -> str:
    """What a verdict on these files is kept under; another Pillow may read what this one cannot."""
    return f"{digest(found.files, 'broken', image_size, PIL.__version__)}-broken"


def remembered(cache: Cache, key: str, found: Listing) -> Broken | None:
    """What an earlier look at all files has found; None where there was none."""
    kept = cache.find(key)
    if kept is None or kept.dtype != np.uint8:
        return None
    try:
        rows = json.loads(kept.tobytes())
        return {found.files[int(place)]: str(why) for place, why in dict(rows).items()}
    except (ValueError, TypeError, IndexError, RecursionError):  # Others may write into a shared cache.
        return None


def remember(cache: Cache, key: str, found: Listing, broken: Broken) -> None:
    """Keep what a look at all files has found, unless a file might be read another time."""
    if not all(map(_gives_its_bytes, broken)):
        return
    rows = {place: plain(broken[file]) for place, file in enumerate(found.files) if file in broken}
    cache.keep(key, np.frombuffer(json.dumps(rows).encode(), np.uint8))


def _gives_its_bytes(file: Path) -> bool:
    """Whether a file is broken in its content, and not for want of permission or of a disk that answers."""
    try:
        with files.open_bytes(file) as stream:
            while stream.read(_BLOCK):
                pass
    except OSError:
        return False
    return True
