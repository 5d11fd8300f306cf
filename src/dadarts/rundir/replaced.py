"""Runs that another of their name replaces: kept beside it until that one has ended."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from dadarts.errors import InputError, RunError
from dadarts.rundir.contents import CONFIG

_STAMP = r"(\.replaced-\d{8}-\d{6})(?:-(\d+))?"
_MARK = ".replaces"
"""The file that tells a run that has replaced another from one that was begun beside what is kept."""


def replaces(name: str) -> str | None:
    """The name of the run that replaces a folder of this name; None where it is not called like a replaced one."""
    match = re.fullmatch(rf"(.+?){_STAMP}", name, re.DOTALL)
    return match[1] if match else None


def kept(folder: Path) -> list[Path]:
    """What is kept of the runs that a run's folder has replaced, the oldest first."""
    try:
        siblings = [*folder.parent.iterdir()]
    except OSError:
        return []
    return sorted((path for path in siblings if replaces(path.name) == folder.name), key=_order)


def _order(path: Path) -> tuple[str, int, str]:
    match = re.search(f"{_STAMP}$", path.name)
    return (match[1], int(match[2] or 1), path.name) if match else ("", 0, path.name)


def move_aside(folder: Path) -> Path:
    """Rename a run's folder as a replaced one. One system call: a process that dies leaves it here or there.

    Raises:
        InputError: it cannot be renamed.
    """
    # A clock may go backwards, and what is kept must not.
    now = f".replaced-{time.strftime('%Y%m%d-%H%M%S')}"
    stamp = folder.name + max([now, *(_order(path)[0] for path in kept(folder))])
    aside, more = folder.with_name(stamp), 1
    # A rename would put it in the place of an empty folder without a word.
    while aside.exists() or aside.is_symlink():
        more += 1
        aside = folder.with_name(f"{stamp}-{more}")
    try:
        return folder.rename(aside)
    except OSError as error:
        raise InputError(f"{folder} cannot be kept as {aside.name}: {error.strerror}") from error


def mark(folder: Path) -> None:
    """Let a run remove what it replaces when it has ended.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    try:
        (folder / _MARK).touch()
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}") from error


def put_back(aside: Path, folder: Path) -> None:
    """Give a replaced run its place again, which a run has that has not begun; it stays aside where that fails."""
    with suppress(OSError):
        shutil.rmtree(folder)
        aside.rename(folder)


def is_marked(folder: Path) -> bool:
    """Whether a run removes what it replaces."""
    return (folder / _MARK).is_file()


def remove(folders: list[Path]) -> list[Path]:
    """Remove replaced runs. Returns those that have gone.

    Whoever dies in the midst of it leaves what is no run any more, and what the next call removes.
    """
    gone = []
    for path in folders:
        with suppress(OSError):
            if path.is_symlink():
                path.unlink()
            else:
                CONFIG.at(path).unlink(missing_ok=True)
                shutil.rmtree(path)
            gone.append(path)
    return gone
