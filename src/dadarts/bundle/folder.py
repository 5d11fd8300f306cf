"""A folder that appears whole or not at all, with all that people have put into the one that it replaces."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from dadarts import files
from dadarts.bundle.described import FILE, FORMAT
from dadarts.errors import InputError, RunError, shortened


def check(out: Path, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or that holds something that is to stay.

    What a killed process has left beside it is put in order first.

    Raises:
        InputError: it is so.
    """
    shown = shortened(out)
    if out.name in ("", ".."):
        raise InputError(f"-out {shown}: give a folder of its own")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"-out {shown}: not a folder; give another")
    _put_in_order(out.absolute())
    if out.is_dir() and any(out.iterdir()):
        written = _written(out)
        if written is None:
            raise InputError(f"-out {shown}: it holds what no export wrote; give another")
        if not overwrite:
            raise InputError(f"-out {shown}: there is a model already; replace it with -overwrite, or give another")
        changed = ", ".join(name for name, digest in written.items() if not _is_as_written(out / name, digest))
        if changed:
            raise InputError(
                f"-out {shown}: changed since the export: {shortened(changed)}; rename or move what you want to keep, "
                "or give another"
            )
    nearest = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"-out {shown}: {shortened(nearest)} cannot be written; give another")


def digests(folder: Path) -> dict[str, str]:
    """What every file in a folder holds, by its name: the SHA-256 of it."""
    return {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _digest(path: Path) -> str:
    digest = sha256()
    with files.open_bytes(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _written(folder: Path) -> Mapping[str, str] | None:
    """The files that an export has written into a folder, with their digests; None where none has."""
    try:
        found = json.loads(files.read_text(folder / FILE))
        return dict(found["files"]) if found["format"] == FORMAT else None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def _is_as_written(path: Path, digest: str) -> bool:
    """Whether a file is what the export wrote, or is gone."""
    try:
        return not os.path.lexists(path) or _digest(path) == digest
    except OSError:
        return False


@contextmanager
def appearing(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to fill, which stands at `out` where the block ends, and is gone where it fails.

    What people have put into an earlier export there is in the new one, too.

    Raises:
        InputError: as `check`; RunError: the disk is full, or fails.
    """
    check(out, overwrite)
    out = out.absolute()
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    aside = out.with_name(f"{beside.name}.old")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        yield beside
        _carry_over(out, beside)
        try:
            if out.exists():
                out.rename(aside)
            beside.rename(out)
        except BaseException:
            # A signal, too, may come between the two.
            if aside.exists() and not out.exists():
                aside.rename(out)
            raise
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if out.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _carry_over(earlier: Path, new: Path) -> None:
    """Copy what no export has written from an earlier one into a new one."""
    exported = {FILE, *(_written(earlier) or ())}
    for path in sorted(earlier.iterdir()) if earlier.is_dir() else ():
        if path.name in exported:
            continue
        target = new / path.name
        if target.exists():
            raise RunError(f"cannot write {earlier}: its {path.name} is of no export; rename or move it")
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, target, symlinks=True)
        else:
            shutil.copy2(path, target, follow_symlinks=False)


def _put_in_order(out: Path) -> None:
    """Put back an earlier export that a killed process has set aside, and remove what such ones have left else."""
    for path in sorted(out.parent.glob(f".{glob.escape(out.name)}.*"), reverse=True):
        found = re.fullmatch(r"\.(\d+)(\.old)?", path.name.removeprefix(f".{out.name}"))
        if found is not None and found[2] and not out.exists():
            # Of one that is alive after all the renaming fails, and nothing is lost.
            with suppress(OSError):
                path.rename(out)
        elif found is not None and not _is_another_s(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_another_s(process: int) -> bool:
    """Whether another process of that number is alive; in containers all have the same."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
