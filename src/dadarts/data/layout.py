"""How folders of pictures are laid out: which are parts, which are classes, and which cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dadarts.data.class_folders import (
    Choices,
    classes_in,
    label_of,
    names_in,
    part_of_folders,
    tally_outside,
    unwrapped,
)
from dadarts.data.listing import HELD_OUT, Listing
from dadarts.data.part_names import PartKind, parts_among
from dadarts.data.plain import listed, plain
from dadarts.data.walk import Identity, Tally, entries, holds_pictures, identity, pictures_below
from dadarts.errors import InputError

_NOUNS: dict[PartKind, str] = {"train": "training", "validation": "validation", "test": "test"}
_MOST_IN_A_FLAG = 6


@dataclass(frozen=True)
class _Plan:
    """Folders of class folders: those of the training part, the first of which has every class, and the test part's.

    `remark` says where the test part comes from.
    """

    train: tuple[Path, ...]
    test: Path | None
    remark: str


def find(root: Path, choices: Choices) -> Listing:
    """The pictures below `root`: in parts that hold class folders, or in class folders.

    A single folder around everything is looked through. Where names can be read in two ways, or a part has
    pictures without class folders, nothing is guessed.

    Raises:
        InputError: the layout is ambiguous, a class or a part is empty, or has a class that the training part lacks.
        OSError: a folder cannot be read.
    """
    apart = frozenset() if choices.test_path is None else frozenset({identity(choices.test_path)})
    if identity(root) in apart:
        raise InputError(f"-test_path {plain(root)} is the data set itself; give a folder of other pictures")
    tally = Tally()
    top = unwrapped(root, apart)
    names = names_in(top, apart)
    parts = parts_among(names)
    all_here = choices.classes is not None and len(choices.among(names)) == len(choices.classes)
    if not parts or all_here or (choices.classes and "train" not in parts.values()):
        plan = _Plan((top,), None, HELD_OUT)
        if choices.classes is None:
            _refuse_parts_in_classes(top, names)
    else:
        plan = _planned(top, names, parts, choices, tally)
    if top != root:
        tally_outside(root, top.parent, tally)
    if plan.train[0] != top:
        tally_outside(top, top, tally)
    if choices.test_path is not None:
        plan = _Plan(plan.train, choices.test_path, f"test part: {plain(choices.test_path)}")
    return _listed(root, top, plan, choices, apart, tally)


def _listed(root: Path, top: Path, plan: _Plan, choices: Choices, apart: frozenset[Identity], tally: Tally) -> Listing:
    first = top if plan.train[0] == top else unwrapped(plan.train[0], apart, classes=())
    classes, chosen = classes_in(first, choices, apart), choices.classes is not None
    inner = [first]
    for folder in (*plan.train[1:], *([] if plan.test is None else [plan.test])):
        within = frozenset() if folder == choices.test_path else apart
        below = unwrapped(folder, within, classes)
        place = _unlabelled(below, names_in(below, within), classes)
        if place is not None and (count := len(entries(place).pictures)):
            raise InputError(_without_classes(folder, place, count, plan, choices))
        inner.append(below)
    for outer, below in zip((*plan.train, *([] if plan.test is None else [plan.test])), inner, strict=True):
        tally_outside(outer, below, tally)
    train = part_of_folders(inner[: len(plan.train)], classes, apart, tally, chosen=chosen)
    test = None
    if plan.test is not None:
        test = part_of_folders(inner[-1:], classes, frozenset(), tally, chosen=chosen)
    is_wrapped = top != root or first != plan.train[0]
    wrapped = (f"classes below {plain(first.relative_to(root))}/",) if is_wrapped else ()
    return Listing(tuple(map(label_of, classes)), train, test, (plan.remark, *wrapped), tally)


def _planned(top: Path, names: Sequence[str], parts: dict[str, PartKind], choices: Choices, tally: Tally) -> _Plan:
    own = {kind: [name for name in names if parts.get(name) == kind] for kind in _NOUNS}
    if not own["train"]:
        raise InputError(_part_among_classes(top, names, parts))
    for kind, noun in _NOUNS.items():
        if len(own[kind]) > 1 and not (kind == "test" and choices.test_path):
            first, second = own[kind][:2]
            raise InputError(
                f"{plain(top)} holds {plain(first)} and {plain(second)}, which both read as the {noun} part; give the "
                f"folder of the training part as -dataset and that of the test part as -test_path"
            )
    train = top / own["train"][0]
    _look_beside(top, train, [name for name in names if name not in parts], choices, tally)
    validation = [top / name for name in own["validation"]]
    if choices.test_path is not None:
        for name in own["test"]:
            tally.add(f"in {plain(name)}/", len(pictures_below(top / name, Tally())))
        return _Plan((train, *validation), None, "")
    if own["test"]:
        test = own["test"][0]
        joins = "".join(f", {plain(folder.name)}/ joins the training part" for folder in validation)
        return _Plan((train, *validation), top / test, f"test part: {plain(test)}/{joins}")
    if validation:
        return _Plan((train,), validation[0], f"test part: {plain(validation[0].name)}/, as there is no other")
    return _Plan((train,), None, HELD_OUT)


def _look_beside(top: Path, train: Path, names: Sequence[str], choices: Choices, tally: Tally) -> None:
    """Refuse folders of pictures beside `train` that are no part, or count their pictures where classes are chosen."""
    strange = [name for name in names if holds_pictures(top / name)]
    if choices.classes is not None:
        for name in strange:
            tally.add("in other folders", len(pictures_below(top / name, Tally())))
    elif strange and holds_pictures(train):
        raise InputError(
            f"{plain(top)} holds {plain(train.name)}/ and beside it pictures in {listed(strange)}, by name no part of "
            f"data: give -dataset {plain(train)} (and -test_path FOLDER) if {plain(train.name)}/ is the training "
            f"part, or -classes {_in_a_flag(sorted([train.name, *strange]))} if these are classes"
        )


def _part_among_classes(top: Path, names: Sequence[str], parts: dict[str, PartKind]) -> str:
    name = next(iter(parts))
    others = [each for each in names if each not in parts]
    if not others:
        return f"{plain(top)} holds {listed(names)} and no training part: name its folder train" + (
            f", or give -classes {_in_a_flag(names)} if these are classes" if len(names) > 1 else ""
        )
    held = entries(top / name)
    as_test = f", or -test_path {plain(top / name)} to take it for the test part" if held.folders else ""
    what = f"with {len(held.pictures):,} pictures without class folders" if not held.folders else "with folders"
    return (
        f"{plain(top)} holds {listed(others)} and {plain(name)}/ {what}, which by its place is a class and by its name "
        f"the {_NOUNS[parts[name]]} part: give -classes {_in_a_flag(names)} to read it as a class, "
        f"-classes {_in_a_flag(others)} to pass it over{as_test}"
    )


def _unlabelled(folder: Path, names: Sequence[str], classes: Sequence[str]) -> Path | None:
    """Where pictures without classes can lie in a part: beside no folder, or in one that is no class."""
    if not names:
        return folder
    is_class = names[0].casefold() in {name.casefold() for name in classes}
    return None if len(names) > 1 or is_class else folder / names[0]


def _without_classes(folder: Path, place: Path, count: int, plan: _Plan, choices: Choices) -> str:
    said = f"{plain(place)} holds {count:,} pictures without class folders, so that their classes are unknown; "
    if folder == choices.test_path:
        return f"{said}give a -test_path of class folders"
    given = f"give -dataset {plain(plan.train[0])}"
    if len(plan.train) > 1 and plan.train[1] != folder:
        return f"{said}{given} -test_path {plain(plan.train[1])} to test on that part"
    return f"{said}{given} to hold out a fifth of each class, or with it a -test_path of class folders"


def _refuse_parts_in_classes(top: Path, names: Sequence[str]) -> None:
    for name in names:
        parts = parts_among(entries(top / name).folders)
        if "train" in parts.values() and len(parts) > 1:
            raise InputError(
                f"{plain(top / name)} holds {listed(list(parts))}: are these parts of a class, or is {plain(name)}/ "
                f"a data set of its own? Give -dataset {plain(top / name)} to read it alone, or "
                f"-classes {_in_a_flag(names)} to read all pictures below each of these folders as one class"
            )


def _in_a_flag(names: Sequence[str]) -> str:
    shown = ",".join(map(plain, names[:_MOST_IN_A_FLAG]))
    return shown if len(names) <= _MOST_IN_A_FLAG else f"{shown},..."
