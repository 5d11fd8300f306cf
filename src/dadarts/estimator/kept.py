"""What is kept of a run after its folder: its network and its record, as bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dadarts import files
from dadarts.rundir import contents
from dadarts.rundir.kinds import RECORD

if TYPE_CHECKING:
    from dadarts.report.page.content import Page

_SMALL = frozenset(
    entry.name
    for entry in (
        *(contents.CONFIG, contents.GENOTYPE_TEXT, contents.GENOTYPE, contents.HISTORY, contents.ALPHAS),
        *(contents.LIMITS, contents.METRICS, contents.RESULT, contents.LOG),
    )
) | {RECORD}
"""Files of any run that are kept; of the networks it is the last training's alone."""


@dataclass(frozen=True)
class Kept:
    """A run without what it could be resumed from.

    Args:
        folder: what its folder is called.
        training: where its network is in that: empty for a training.
        held: file -> content.
    """

    folder: str
    training: str
    held: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, folder: Path, training: Path) -> Kept:
        """Read what is kept of the run in a folder."""
        network = contents.NETWORK.at(training)
        paths = [path for path in folder.rglob("*") if path.name in _SMALL or path == network]
        held = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}
        return cls(folder.name, training.relative_to(folder).as_posix(), held)

    def read(self, entry: contents.Entry) -> bytes:
        """A file of the training."""
        return self.held[(Path(self.training) / entry.name).as_posix()]

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """A folder that has all of it, for as long as this lasts."""
        with TemporaryDirectory(prefix="dadarts-") as place:
            folder = Path(place) / self.folder
            for name, content in self.held.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            yield folder


@dataclass(frozen=True)
class Report:
    """The page of a run: what ``dadarts report`` writes."""

    kept: Kept

    def html(self) -> str:
        """The page, which needs no other file."""
        from dadarts.report.page.render import render

        return render(self._page())

    def save(self, path: str | Path) -> Path:
        """Write the page; its path."""
        target = Path(path)
        files.write_text(target, self.html())
        return target

    def _repr_html_(self) -> str:
        """What it says first, the cells and the curves, for a notebook."""
        from dadarts.report.page.inline import html, summary_of

        return html(summary_of(self._page()))

    def _page(self) -> Page:
        from dadarts.pages.gather import page_of

        with self.kept.unpacked() as folder:
            return page_of([str(folder)], folder.parent)
