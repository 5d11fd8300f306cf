"""Tables of labels: a `.csv` or `.tsv` file whose rows name a picture and its class, beside the pictures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dadarts.data import declared, formats, listing
from dadarts.data.class_folders import Choices
from dadarts.data.columns import Columns, columns_of, file_column, names_files, names_labels
from dadarts.data.listing import HELD_OUT, Listing, Part
from dadarts.data.part_names import PartKind, part_of
from dadarts.data.plain import listed, plain
from dadarts.data.walk import Tally, pictures_below
from dadarts.errors import InputError, shortened

SUFFIXES = (".csv", ".tsv")
_USUAL = re.compile("labels?|metadata|annotations?|targets?|classes")
_NAMED = 4
_SHOWN = 60


@dataclass(frozen=True)
class Table:
    """A table's file, the names in its first line, and its other rows with their numbers.

    `part` is what the name of the table, or of the folder that it stands for, says of all its rows.
    """

    file: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...] = field(repr=False)
    part: PartKind | None


def beside(root: Path) -> list[Table]:
    """The tables of usual names in a folder whose first line names files, as `labels.csv` and `train.csv`.

    Raises:
        InputError: one of them cannot be read as a table.
    """
    names = [path.name for path in sorted(root.iterdir()) if formats.suffix(path.name) in SUFFIXES and path.is_file()]
    usual = [name for name in names if _USUAL.fullmatch(_letters(name)) or part_of(Path(name).stem)]
    tables = [table for name in usual if names_files((table := read_table(root / name)).header)]
    # A table of other facts, such as boxes, is none of labels; but one of a test part is missing its labels.
    return tables if any(names_labels(table.header) for table in tables) else []


def read_table(file: Path) -> Table:
    """The rows of a table, as text.

    Raises:
        InputError: it is no UTF-8 text, or damaged, or larger than the memory.
        OSError: it cannot be read.
    """
    try:
        text = declared.read_all(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{plain(file)} is no UTF-8 text; save it as UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = "\t" if formats.suffix(file.name) == ".tsv" else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{plain(file)} is no table: {error} near line {reader.line_num}") from None
    header = tuple(name.strip() for name in rows[0][1]) if rows else ()
    return Table(file, header, tuple(rows[1:]), part_of(file.stem))


@dataclass(frozen=True)
class _Row:
    file: Path
    label: str
    part: PartKind


def find(tables: Sequence[Table], choices: Choices) -> Listing:
    """The pictures that tables name, one for all parts or one for each.

    Files are named from the table's folder, or from a folder below, with or without their ending, as long as one
    picture alone is meant. A class folder's worth of rows is sorted by file, whatever the order of the rows.

    Raises:
        InputError: columns or tables are ambiguous, or rows are wrong, of which it names the first.
    """
    if choices.test_path is not None:
        raise InputError("-test_path is for folders; a table of labels says the part in a column split")
    unlabelled = [table for table in tables if len(tables) > 1 and _is_unlabelled(table)]
    tables = [table for table in tables if table not in unlabelled]
    _refuse_several(tables)
    tally = Tally()
    folders = sorted({table.file.parent for table in tables})
    pictures = {folder: _Pictures(folder, pictures_below(folder, tally)) for folder in folders}
    chosen = _chosen(tables, choices)
    rows = [row for table in tables for row in _rows_of(table, pictures[table.file.parent], chosen, tally)]
    others = {file for each in pictures.values() for file in each.files} - {row.file for row in rows}
    for table in unlabelled:
        found = others & _files_of(table, pictures.get(table.file.parent))
        tally.add(f"without a label in {table.file.name}", len(found))
        others -= found
    tally.add("in no row", len(others))
    for table in (*tables, *unlabelled):
        tally.counts[formats.suffix(table.file.name)] -= 1
    return _listing(rows, tables, Tally(+tally.counts))


def named(tables: Sequence[Table]) -> str:
    """What tables are called, with their folders where these differ."""
    several = len({table.file.parent for table in tables}) > 1
    return listed([f"{table.file.parent.name}/{table.file.name}" if several else table.file.name for table in tables])


def _is_unlabelled(table: Table) -> bool:
    """Whether a table lists pictures of a part that is not for training, as Kaggle's test.csv does, without classes.

    One that is called `test_labels.csv` and has none is a mistake.
    """
    promises = _USUAL.search(_letters(table.file.name))
    return table.part in ("test", "validation") and not promises and not names_labels(table.header)


def _files_of(table: Table, pictures: _Pictures | None) -> set[Path]:
    """The pictures that a table without classes lists."""
    column = file_column(table.header, table.file)
    found = set()
    for _, cells in table.rows:
        with suppress(LookupError):
            found |= {pictures.find(cells[column].strip(), "test")} if pictures and column is not None else set()
    return found


def _refuse_several(tables: Sequence[Table]) -> None:
    parts = [table.part for table in tables]
    if len(tables) > 1 and (None in parts or len(set(parts)) < len(parts)):
        raise InputError(
            f"{plain(tables[0].file.parent)} holds {named(tables)}, each of which can "
            f"be the table of labels; give one, as -dataset {plain(tables[0].file)}"
        )
    if len(tables) > 1 and "train" not in parts:
        raise InputError(f"{plain(tables[0].file)} is no training part, and no table beside it is; call one train.csv")


def _chosen(tables: Sequence[Table], choices: Choices) -> frozenset[str] | None:
    """The labels that the chosen classes mean among those of all rows; None where no classes are chosen."""
    if choices.classes is None:
        return None
    columns = [(table, columns_of(table.header, table.file).label) for table in tables]
    there = sorted({label for table, place in columns for _, cells in table.rows if (label := _label(cells, place))})
    among = choices.among(there)
    missing = [wanted for wanted in choices.classes if wanted not in among]
    if missing:
        raise InputError(
            f"-classes: no row of {plain(tables[0].file)} has the class {listed(missing)}; there are {listed(there)}"
        )
    return frozenset(among.values())


def _label(cells: Sequence[str], place: int) -> str:
    """The label in a row; empty where it has none."""
    return plain(cells[place].strip()) if len(cells) > place else ""


class _Pictures:
    """The pictures below a folder, to be found by what a table calls them."""

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self.folder = folder
        self.files = files
        self._there = frozenset(files)
        self._by_steps: dict[int, dict[tuple[str, ...], list[Path]]] = {}

    def find(self, name: str, part: PartKind) -> Path:
        """The picture of a name; raises LookupError with what is wrong with it."""
        steps = [step for step in name.replace("\\", "/").split("/") if step not in ("", ".")]
        if name.startswith(("/", "\\", "~")) or ".." in steps or re.match(r"[A-Za-z]:", name):
            raise LookupError("leads out of the folder")
        exact = self.folder.joinpath(*steps)
        if exact in self._there:
            return exact
        alike = self._alike(steps)
        found = [file for file in alike if file.name == steps[-1]] or alike
        if len(found) > 1:
            of_part = [file for file in found if part in map(part_of, self._folders(file))]
            found = of_part if len(of_part) == 1 else found
        if not found:
            raise LookupError("is not there, or no picture")
        if len(found) > 1:
            raise LookupError(f"can be {listed([str(file.relative_to(self.folder)) for file in found], most=2)}")
        return found[0]

    def _folders(self, file: Path) -> tuple[str, ...]:
        return file.relative_to(self.folder).parts[:-1]

    def _alike(self, steps: list[str]) -> list[Path]:
        """The pictures whose paths end with `steps`, the last with its ending or without."""
        folders = len(steps) - 1
        # By all steps at once, since files of one name in many folders would each be looked at for every row.
        if len(steps) not in self._by_steps:
            known = self._by_steps.setdefault(len(steps), {})
            for file in self.files:
                own = self._folders(file)
                for name in (file.name, file.stem) if len(own) >= folders else ():
                    known.setdefault((*own[len(own) - folders :], name), []).append(file)
        return self._by_steps[len(steps)].get(tuple(steps), [])


def _rows_of(table: Table, pictures: _Pictures, chosen: frozenset[str] | None, tally: Tally) -> list[_Row]:
    """The rows of a table; raises InputError where any is wrong."""
    columns = columns_of(table.header, table.file)
    good: dict[Path, tuple[int, _Row]] = {}
    wrong: list[str] = []
    for number, cells in table.rows:
        try:
            row = _row(cells, columns, table.part, pictures)
            if chosen is not None and row.label not in chosen:
                tally.add("of other classes")
                continue
            first, earlier = good.setdefault(row.file, (number, row))
            if earlier != row:
                raise LookupError(f"{_short(row.file.name)} is said to be something else in line {first}")
        except LookupError as error:
            wrong.append(f"line {number}: {error.args[0]}")
    if wrong:
        more = f"; and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        raise InputError(
            f"{plain(table.file)}: {len(wrong):,} of {len(table.rows):,} rows are wrong: {'; '.join(wrong[:_NAMED])}"
            f"{more}"
        )
    return [row for _, row in good.values()]


def _row(cells: list[str], columns: Columns, own: PartKind | None, pictures: _Pictures) -> _Row:
    if len(cells) < columns.needed:
        raise LookupError(f"{len(cells)} of the {columns.needed} cells that are needed")
    name, label = cells[columns.file].strip(), _label(cells, columns.label)
    if not name:
        raise LookupError("no file")
    if not label:
        raise LookupError(f"{_short(name)} has no label")
    part = own if columns.part is None and own else columns.part_in(cells)
    if part is None:
        said = cells[columns.part or 0].strip()
        raise LookupError(f"{_short(name)} is of part {_short(said) or 'none'}, which is neither train, val nor test")
    try:
        return _Row(pictures.find(name, part), label, part)
    except LookupError as error:
        raise LookupError(f"{_short(name)} {error.args[0]}") from None


def _listing(rows: Sequence[_Row], tables: Sequence[Table], tally: Tally) -> Listing:
    given = {row.part for row in rows}
    testing: PartKind | None = next((part for part in ("test", "validation") if part in given), None)
    training = [row for row in rows if row.part != testing]
    classes = _classes(row.label for row in training)
    if len(classes) < 2:
        raise InputError(f"{plain(tables[0].file)} names {len(classes)} classes of training pictures; give two or more")
    names = named(tables)
    remark = HELD_OUT
    if testing is not None:
        strange = next((row for row in rows if row.label not in classes), None)
        if strange is not None:
            raise InputError(
                f"{names}: class {_short(strange.label)} of the {testing} part is none of the training part"
            )
        joins = ", validation joins the training part" if testing == "test" and "validation" in given else ""
        remark = f"test part: {testing}{joins}"
    test = _part([row for row in rows if row.part == testing], classes) if testing else None
    return Listing(classes, _part(training, classes), test, (f"labels from {names}", remark), tally)


def _part(rows: Sequence[_Row], classes: Sequence[str]) -> Part:
    places = {name: place for place, name in enumerate(classes)}
    ordered = sorted((places[row.label], row.file) for row in rows)
    return listing.part([file for _, file in ordered], [label for label, _ in ordered])


def _classes(labels: Iterator[str]) -> tuple[str, ...]:
    """Whole numbers by size, other names by letters."""
    distinct = set(labels)
    if all(re.fullmatch(r"\d{1,18}", label) for label in distinct):
        return tuple(sorted(distinct, key=lambda label: (int(label), label)))
    return tuple(sorted(distinct))


def _short(text: str) -> str:
    return shortened(plain(text), _SHOWN)


def _letters(name: str) -> str:
    return re.sub(r"[\W\d_]+", "", Path(name).stem.lower())
