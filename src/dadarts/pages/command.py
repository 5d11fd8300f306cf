"""``dadarts report``: runs as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dadarts import files
from dadarts.cli import configs
from dadarts.cli.flags import Command, Flag
from dadarts.errors import InputError, shortened
from dadarts.rundir.kinds import FIT, KINDS

FOLDER = "report"
"""Below a runs folder, where pages go."""
COMMAND = Command(
    "dadarts report",
    "Write what runs have found as one HTML page that needs no other file and no network; its path is printed.",
    (
        Flag(("output",), "output", "the page (default: RUNS_DIR/report/NAMES.html)"),
        Flag(
            ("without_pictures",),
            "output",
            "read no data set: no summary of it, and no mistakes",
            boolean=True,
        ),
        Flag(("runs_dir",), "run", "where runs are looked up by their names", default="runs"),
        configs.PLUGIN,
    ),
    many=("run", "a run's name (its search and its training, where there are both), or its folder"),
)
_LONGEST = 100
"""Characters of a page's name."""


def report(words: Sequence[str]) -> int:
    """Write the page. Returns the exit code."""
    values, runs = COMMAND.parse_many(words)
    configs.load_plugins(values)
    runs_dir = Path(values.get("runs_dir", "runs"))
    leaves_out = "not asked for (-without_pictures)" if configs.truth("without_pictures", values) else ""
    output = _output(values, runs, runs_dir)
    from dadarts.pages.gather import page_of
    from dadarts.report.page.render import render

    text = render(page_of(runs, runs_dir, leaves_out))
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(output, text)
    print(output)
    return 0


def _output(values: Mapping[str, str], runs: Sequence[str], runs_dir: Path) -> Path:
    """Where the page goes.

    Raises:
        InputError: no page can be there.
    """
    if "output" not in values:
        names = "-".join(dict.fromkeys(_named(run) for run in runs))
        return runs_dir / FOLDER / f"{names[:_LONGEST]}.html"
    path = Path(values["output"])
    if not values["output"] or path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"-output {shortened(path)}: give a file in a folder that there is")
    if path.exists() and not path.is_file():
        raise InputError(f"-output {shortened(path)}: not a regular file")
    return path


def _named(run: str) -> str:
    """What a page is called by of a run: its name, and of a folder its kind too, which has another page."""
    path = Path(run.removeprefix("@"))
    kind = path.parent.name if path.parent.name in {kind.name for kind in (*KINDS, FIT)} else ""
    return "-".join(filter(None, (path.name or "run", kind)))
