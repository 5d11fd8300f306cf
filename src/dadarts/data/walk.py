"""The pictures below a folder, and a count of everything there that is none."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dadarts.data import formats
from dadarts.data.plain import plain

Identity = tuple[int, int]
"""Device and inode: which folder it really is."""

_LEFTOVERS = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin"),
        *("__pycache__", "lost+found", "system volume information", "icon\r"),
    }
)
_LONGEST_ENDING = 12
_KINDS_SHOWN = 8
_REPEATED = "repeated link"


@dataclass(frozen=True)
class Tally:
    """How many entries were passed over, by their ending, or by their name where that says more."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, count: int = 1) -> None:
        """Count entries under a word of their own."""
        if count:
            self.counts[what] += count

    def add_all(self, other: Tally) -> None:
        """Count what another tally has counted."""
        self.counts.update(other.counts)

    def add_file(self, name: str) -> None:
        """Count a file by its ending; a leftover or a hidden one by its name."""
        ending = formats.suffix(name)
        if name.startswith("._"):
            self.add("._*")
        elif is_leftover(name):
            self.add(plain(name))
        elif 1 < len(ending) <= _LONGEST_ENDING and ending.isprintable():
            self.add(ending)
        else:
            self.add("without ending")

    def add_folder(self, name: str) -> None:
        """Count a folder by its name."""
        self.add(f"{plain(name)}/")

    @property
    def text(self) -> str:
        """The counts in a row, most first; empty where nothing was passed over."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{count:,} {what}" for what, count in ordered[:_KINDS_SHOWN]]
        rest = sum(count for _, count in ordered[_KINDS_SHOWN:])
        return ", ".join([*shown, f"{rest:,} others"] if rest else shown)


@dataclass(frozen=True)
class Entries:
    """What a folder holds, each sorted: folders, pictures, and names of other files, links and leftovers counted."""

    folders: tuple[str, ...]
    pictures: tuple[str, ...]
    tally: Tally
    linked: frozenset[str]
    """Those of the folders that are symbolic links."""


def is_leftover(name: str) -> bool:
    """Whether an archiver, a file manager or an editor has left a file or folder of this name; hidden ones count."""
    return name.startswith(".") or name.lower() in _LEFTOVERS


def entries(folder: Path) -> Entries:
    """What is in a folder itself.

    Raises:
        OSError: it cannot be read.
    """
    folders, pictures, linked, tally = [], [], set(), Tally()
    with os.scandir(folder) as found:
        for entry in found:
            kind = _kind(entry)
            if kind == "folder" and is_leftover(entry.name):
                tally.add_folder(entry.name)
            elif kind == "folder" and entry.is_symlink() and identity(Path(entry)) in _at_and_above(folder):
                tally.add(_REPEATED)
            elif kind == "folder":
                folders.append(entry.name)
                if entry.is_symlink():
                    linked.add(entry.name)
            elif kind != "file":
                tally.add(kind)
            elif formats.is_picture(entry.name) and not is_leftover(entry.name):
                pictures.append(entry.name)
            else:
                tally.add_file(entry.name)
    return Entries(tuple(sorted(folders)), tuple(sorted(pictures)), tally, frozenset(linked))


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # A link to itself.
        return "dangling link"
    # Pipes and devices would hang or never end.
    return "dangling link" if entry.is_symlink() else "special file"


def identity(folder: Path) -> Identity:
    """Which folder a path leads to."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def _at_and_above(folder: Path) -> set[Identity]:
    """A folder and those that it lies in, both where it is named and where it really is."""
    return {identity(above) for above in {folder, *folder.absolute().parents, *folder.resolve().parents}}


def pictures_below(folder: Path, tally: Tally, apart: Iterable[Identity] = ()) -> list[Path]:
    """The pictures in a folder and in all folders below it, sorted; the rest is counted in `tally`.

    Symbolic links to folders are followed, each real folder once: one that the folder lies in itself, or that was read
    by another way, is counted as a repeated link. Folders `apart` are left out.

    Raises:
        OSError: a folder cannot be read.
    """
    seen = {*apart, *(_at_and_above(folder) - {identity(folder)})}
    found: list[Path] = []
    waiting, links = [folder], list[Path]()
    while waiting or links:
        # Links come last, so that what lies here keeps its own path whatever links lead to it.
        here = waiting.pop() if waiting else links.pop(0)
        place = identity(here)
        if place in seen:
            tally.add(_REPEATED)
            continue
        seen.add(place)
        held = entries(here)
        tally.add_all(held.tally)
        found += [here / name for name in held.pictures]
        waiting += [here / name for name in held.folders if name not in held.linked]
        links += [here / name for name in held.folders if name in held.linked]
    return sorted(found)


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture in a folder or, links aside, in one below it."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        held = entries(here)
        if held.pictures:
            return True
        waiting += [here / name for name in held.folders if name not in held.linked]
    return False
