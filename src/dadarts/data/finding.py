"""Which of its readings a folder has: class folders, or a table of labels beside pictures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dadarts.data import layout, table
from dadarts.data.class_folders import Choices, names_in, unwrapped
from dadarts.data.listing import Listing
from dadarts.data.part_names import PartKind, parts_among
from dadarts.data.plain import listed, plain
from dadarts.data.table import Table
from dadarts.data.walk import holds_pictures
from dadarts.errors import InputError


def find(root: Path, choices: Choices) -> Listing:
    """The pictures of a folder, labelled by the folders that they lie in or by a table of labels.

    Where both can be read, they must say the same; a test part may be what one of them says alone.

    Raises:
        InputError: as `layout.find` and `table.find` do, or where both can be read and say different things.
        OSError: something cannot be read.
    """
    try:
        place, tables = _tables(root)
    except InputError:
        if not _has_class_folders(root):
            raise
        place, tables = root, []
    if not tables:
        return layout.find(root, choices)
    if not _has_class_folders(place):
        return table.find(tables, choices)
    if choices.classes is not None or choices.test_path is not None:
        return layout.find(root, choices)
    try:
        by_folders = layout.find(root, choices)
    except InputError:
        return table.find(tables, choices)
    by_table = _sound(tables)
    contradiction = _contradiction(by_folders, by_table, table.named(tables))
    if contradiction:
        chosen = ",".join(by_folders.classes[:3]) + (",..." if len(by_folders.classes) > 3 else "")
        raise InputError(
            f"{plain(root)} has {contradiction}: give -dataset {plain(tables[0].file)} to read the table, or "
            f"-classes {chosen} to read the folders"
        )
    # A table that says which pictures are for the test says more than folders of classes alone.
    if by_table is not None and by_table.test is not None and by_folders.test is None:
        return by_table
    return by_folders


def _tables(root: Path, deepest: int = 4) -> tuple[Path, list[Table]]:
    """The tables of labels in a folder, or one in each of its parts, or in the single folder that it holds."""
    names = names_in(root)
    found = table.beside(root) or _tables_of_parts(root, parts_among(names))
    if found or len(names) != 1 or not deepest:
        return root, found
    return _tables(root / names[0], deepest - 1)


def _tables_of_parts(root: Path, parts: dict[str, PartKind]) -> list[Table]:
    inside = {name: [replace(each, part=part) for each in table.beside(root / name)] for name, part in parts.items()}
    found = sorted((each for tables in inside.values() for each in tables), key=lambda each: each.part != "train")
    lacking = [name for name, tables in inside.items() if not tables and holds_pictures(root / name)]
    if found and lacking:
        raise InputError(
            f"{plain(root / lacking[0])} holds pictures but no table of their labels, as {table.named(found)} is one; "
            f"give -dataset {plain(found[0].file)} to read that alone"
        )
    return found


def _has_class_folders(root: Path) -> bool:
    names = names_in(root)
    train = [name for name, part in parts_among(names).items() if part == "train"]
    if train:
        root = unwrapped(root / train[0], frozenset(), classes=())
        names = names_in(root)
    return sum(holds_pictures(root / name) for name in names) > 1


def _sound(tables: list[Table]) -> Listing | None:
    """What tables list; None where they cannot be read."""
    with suppress(InputError):
        return table.find(tables, Choices())
    return None


def _contradiction(by_folders: Listing, by_table: Listing | None, names: str) -> str:
    """What folders have and tables do not, or put otherwise; empty where both say the same, by whatever names."""
    classes = f"the classes {listed(by_folders.classes)} by its folders, and {names} says otherwise"
    if by_table is None:
        return classes
    own, other = _classes_of(by_folders), _classes_of(by_table)
    outside = sorted(other.keys() - own.keys())
    if outside:
        return f"class folders, and {names} has labels of pictures outside of them, as {plain(outside[0].name)}"
    both = {(own[file], label) for file, label in other.items()}
    if not len(both) == len({first for first, _ in both}) == len({second for _, second in both}):
        return classes
    if by_folders.test and by_table.test and set(by_table.test.files) != other.keys() & set(by_folders.test.files):
        return f"one test part by its folders, and another by {names}"
    return ""


def _classes_of(found: Listing) -> dict[Path, str]:
    parts = (found.train, *([] if found.test is None else [found.test]))
    return {
        file: found.classes[label]
        for part in parts
        for file, label in zip(part.files, part.labels.tolist(), strict=True)
    }
