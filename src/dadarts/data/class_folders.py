"""Folders whose names are classes: which they are, and the pictures in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from dadarts.data import listing
from dadarts.data.listing import Part
from dadarts.data.part_names import parts_among
from dadarts.data.plain import listed, plain
from dadarts.data.walk import Identity, Tally, entries, identity, pictures_below
from dadarts.errors import InputError
from dadarts.pacing import counted

_DEEPEST_WRAPPING = 4


@dataclass(frozen=True)
class Choices:
    """What is said of a data set that its folders leave open: `classes`, in any order, and where the test part is."""

    classes: tuple[str, ...] | None = None
    test_path: Path | None = None

    def among(self, names: Sequence[str]) -> dict[str, str]:
        """The name that each of the `classes` means, of those that mean one: itself, or the only one spelt alike."""
        found = {}
        for wanted in self.classes or ():
            alike = [name for name in names if _folded(name) == _folded(wanted) or plain(name) == wanted]
            if wanted in names or len(alike) == 1:
                found[wanted] = wanted if wanted in names else alike[0]
        return found


def names_in(folder: Path, apart: frozenset[Identity] = frozenset()) -> list[str]:
    """The folders in a folder, sorted, without leftovers and without those `apart`."""
    return [name for name in entries(folder).folders if not apart or identity(folder / name) not in apart]


def unwrapped(folder: Path, apart: frozenset[Identity], classes: Container[str] | None = None, depth: int = 0) -> Path:
    """The folder that holds parts or classes: `folder`, or what a single folder in it wraps.

    Within a part (`classes` are those known so far) that folder may have any name but a class's, elsewhere any but a
    part's.
    """
    names = names_in(folder, apart)
    if len(names) != 1 or depth == _DEEPEST_WRAPPING:
        return folder
    if parts_among(names) if classes is None else names[0] in classes:
        return folder
    below = unwrapped(folder / names[0], apart, classes, depth + 1)
    inner = names_in(below, apart)
    return below if len(inner) > 1 or parts_among(inner) else folder


def tally_outside(folder: Path, inner: Path, tally: Tally) -> None:
    """Count what lies in a folder, and in those that lead from it to `inner`, beside folders."""
    for here in (inner, *inner.parents):
        held = entries(here)
        tally.add_all(held.tally)
        tally.add("outside of class folders", len(held.pictures))
        if here == folder:
            return


def classes_in(folder: Path, choices: Choices, apart: frozenset[Identity]) -> tuple[str, ...]:
    """The names of the class folders, sorted.

    Raises:
        InputError: there are fewer than two, one that was chosen is missing, or two are one.
    """
    names = names_in(folder, apart)
    if choices.classes is not None:
        among = choices.among(names)
        missing = [wanted for wanted in choices.classes if wanted not in among]
        if missing:
            raise InputError(
                f"-classes: {plain(folder)} has no folder {listed(missing)}; it has {listed(names) or 'none'}"
            )
        names = sorted(set(among.values()))
    if len(names) < 2:
        outside = len(entries(folder).pictures)
        raise InputError(
            f"{plain(folder)} holds {counted(len(names), 'class folder')}"
            + (f" and {counted(outside, 'picture')} outside of class folders" if outside else "")
            + "; it needs two or more, each with pictures, or a labels.csv beside pictures"
        )
    _refuse_twins(folder, names, chosen=choices.classes is not None)
    return tuple(names)


def _refuse_twins(folder: Path, names: Sequence[str], chosen: bool) -> None:
    by_place: dict[Identity, str] = {}
    by_letters: dict[str, str] = {}
    for name in names:
        twin = by_place.setdefault(identity(folder / name), name)
        if twin != name:
            raise InputError(f"{plain(folder)}: {plain(twin)} and {plain(name)} are one folder, so no two classes")
        twin = by_letters.setdefault(_folded(name), name)
        if twin != name and not chosen:
            raise InputError(
                f"{plain(folder)}: {plain(twin)} and {plain(name)} differ in case alone: rename one, put their "
                "pictures together, or name all classes with -classes"
            )


def part_of_folders(
    folders: Sequence[Path], classes: tuple[str, ...], apart: frozenset[Identity], tally: Tally, *, chosen: bool
) -> Part:
    """The pictures in all `folders`, class by class; the first folder must have every class.

    Where the classes were `chosen`, pictures in other folders are counted.

    Raises:
        InputError: a class folder is empty, or no class of the data set, or there are none.
    """
    for folder in folders:
        for name in names_in(folder, apart):
            if name not in classes and chosen:
                tally.add("in other folders", len(pictures_below(folder / name, Tally(), apart)))
            elif name not in classes:
                twin = next((each for each in classes if _folded(each) == _folded(name)), None)
                hint = "" if twin is None else f": {plain(twin)} there and {plain(name)} here, so rename one"
                raise InputError(f"{plain(folder / name)} is a class that the training part does not have{hint}")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before = len(files)
        for folder in folders:
            if (folder / name).is_dir():
                files += _pictures_of_class(folder / name, apart, tally)
        labels += [label] * (len(files) - before)
    if not files:
        raise InputError(f"{plain(folders[0])} holds no pictures in class folders")
    return listing.part(files, labels)


def _pictures_of_class(folder: Path, apart: frozenset[Identity], tally: Tally) -> list[Path]:
    passed = Tally()
    files = pictures_below(folder, passed, apart)
    if not files:
        but = f" (but {passed.text})" if passed.text else ""
        raise InputError(f"the class folder {plain(folder)} holds no pictures{but}; remove it, or fill it")
    tally.add_all(passed)
    return files


def label_of(name: str) -> str:
    """The class that a folder's name says: the name itself, unless its bytes are no text."""
    return name if name.isprintable() else plain(name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
