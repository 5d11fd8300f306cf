"""Which columns of a table name a picture's file, its class and its part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dadarts.data.part_names import PartKind, part_of
from dadarts.data.plain import listed, plain
from dadarts.errors import InputError

_FILE = (
    "file|files|filename|filenames|filepath|filepaths|path|paths|image|images|img|imagepath|imgpath|imagefile|"
    "imagename|imgname|imagefilename|picture|pictures|photo",
    "id|ids|imageid|imgid|pictureid|idcode|name|key",
)
_LABEL = (
    "label|labels|labelname|class|classes|classname|classlabel|category|categories|categoryname|target|targets",
    "species|breed|diagnosis|dx|type|tag|y|level|grade",
)
_PART = ("split|splits|set|subset|partition|phase|dataset|usage", "part|fold")
_FLAGS: dict[str, PartKind] = {
    **dict.fromkeys(("istrain", "train"), "train"),
    **dict.fromkeys(("isvalid", "isval", "isvalidation"), "validation"),
    **dict.fromkeys(("istest", "test"), "test"),
}
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})


@dataclass(frozen=True)
class Columns:
    """Places of columns: the file's, the label's, and where there is one, that of the part.

    `flag` is the part that a column of truth values is about.
    """

    file: int
    label: int
    part: int | None = None
    flag: PartKind | None = None

    @property
    def needed(self) -> int:
        """How many cells a row must have."""
        return max(self.file, self.label, -1 if self.part is None else self.part) + 1

    def part_in(self, row: Sequence[str]) -> PartKind | None:
        """The part that a row says it belongs to; None where what it says is none."""
        if self.part is None:
            return "train"
        word = row[self.part].strip().lower()
        if self.flag is None:
            return part_of(word.replace("public", "").replace("private", ""))
        if word in _TRUE:
            return self.flag
        return ("test" if self.flag == "train" else "train") if word in _FALSE else None


def columns_of(header: Sequence[str], table: Path) -> Columns:
    """The columns that the names in a table's first line say.

    Raises:
        InputError: no column, or more than one, can be the file's or the label's, or two the part's.
    """
    names = [_letters(name) for name in header]
    file = file_column(header, table)
    label = _only(names, _LABEL, header, table, "its class", "label")
    if file is None or label is None:
        noun, wanted = ("the file of a picture", "file_name") if file is None else ("its class", "label")
        raise InputError(
            f"{plain(table)} has no column that names {noun}; its first line has "
            f"{listed(header, most=8) or 'nothing'}: "
            f"call the column {wanted}"
        )
    part = _only(names, _PART, header, table, "its part", "split")
    flags = [place for place, name in enumerate(names) if name in _FLAGS]
    if part is None and len(flags) == 1:
        return Columns(file, label, flags[0], _FLAGS[names[flags[0]]])
    if flags:
        both = [header[place] for place in ([] if part is None else [part]) + flags]
        raise InputError(f"{plain(table)}: the columns {listed(both)} can all say a picture's part; keep one, as split")
    return Columns(file, label, part)


def file_column(header: Sequence[str], table: Path) -> int | None:
    """The column that names a picture's file, where there is one; raises InputError where there are several."""
    names = [_letters(name) for name in header]
    return _only(names, _FILE, header, table, "the file of a picture", "file_name")


def names_files(header: Sequence[str]) -> bool:
    """Whether a column can name the files of pictures."""
    return any(re.fullmatch("|".join(_FILE), _letters(name)) for name in header)


def names_labels(header: Sequence[str]) -> bool:
    """Whether a column can name classes."""
    return any(re.fullmatch("|".join(_LABEL), _letters(name)) for name in header)


def _only(
    names: Sequence[str], patterns: tuple[str, str], header: Sequence[str], table: Path, noun: str, usual: str
) -> int | None:
    """The one column of a usual name, else the one of a less usual name."""
    for pattern in patterns:
        found = [place for place, name in enumerate(names) if re.fullmatch(pattern, name)]
        if len(found) > 1:
            raise InputError(
                f"{plain(table)}: the columns {listed([header[place] for place in found])} can all be {noun}; "
                f"rename all but one, which may be called {usual}"
            )
        if found:
            return found[0]
    return None


def _letters(name: str) -> str:
    return re.sub(r"[\W\d_]+", "", name.lower())
