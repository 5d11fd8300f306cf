"""A folder that appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dadarts import files
from dadarts.bundle.described import FILE, FORMAT
from dadarts.errors import InputError, RunError, shortened


def check(out: Path, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or that holds something that is to stay.

    Raises:
        InputError: it is so.
    """
    shown = shortened(out)
    if out.name in ("", ".."):
        raise InputError(f"-out {shown}: give a folder of its own")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"-out {shown}: not a folder; give another")
    if out.is_dir() and any(out.iterdir()):
        if not _is_bundle(out):
            raise InputError(f"-out {shown}: it holds what no export wrote; give another")
        if not overwrite:
            raise InputError(f"-out {shown}: there is a model already; replace it with -overwrite, or give another")
    nearest = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"-out {shown}: {shortened(nearest)} cannot be written; give another")


def _is_bundle(folder: Path) -> bool:
    try:
        found = json.loads(files.read_text(folder / FILE))
        return isinstance(found, dict) and found.get("format") == FORMAT
    except (OSError, ValueError, RecursionError):
        return False


@contextmanager
def appearing(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to fill, which stands at `out` where the block ends, and is gone where it fails.

    Raises:
        InputError: as `check`; RunError: the disk is full, or fails.
    """
    check(out, overwrite)
    out = out.absolute()
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    aside = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        yield beside
        if out.exists():
            out.rename(aside)
        try:
            beside.rename(out)
        except OSError:
            if aside.exists():
                aside.rename(out)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
