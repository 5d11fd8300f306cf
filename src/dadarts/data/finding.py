"""Which of its readings a folder has: class folders, or a table of labels beside pictures."""

from __future__ import annotations

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

    Where both can be read, they must say the same.

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
    if not _agree(by_folders, tables):
        names, classes = table.named(tables), by_folders.classes
        chosen = ",".join(classes[:3]) + (",..." if len(classes) > 3 else "")
        raise InputError(
            f"{plain(root)} has the classes {listed(classes)} by its folders, and {names} says "
            f"otherwise: give -dataset {plain(tables[0].file)} to read the table, or "
            f"-classes {chosen} to read the folders"
        )
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


def _agree(by_folders: Listing, tables: list[Table]) -> bool:
    """Whether folders and tables put the same pictures together, by whatever names."""
    try:
        by_table = table.find(tables, Choices())
    except InputError:
        return False
    pairs = _classes_of(by_folders), _classes_of(by_table)
    both = {(pairs[0][file], pairs[1][file]) for file in pairs[0].keys() & pairs[1].keys()}
    return len(both) == len({first for first, _ in both}) == len({second for _, second in both})


def _classes_of(found: Listing) -> dict[Path, str]:
    parts = (found.train, *([] if found.test is None else [found.test]))
    return {
        file: found.classes[label]
        for part in parts
        for file, label in zip(part.files, part.labels.tolist(), strict=True)
    }
