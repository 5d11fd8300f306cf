"""``dadarts compare``: the words of the command line, and the order in which a comparison goes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dadarts import doors
from dadarts.compare.executors import Executor, Local
from dadarts.compare.jobs import Job, Protocol, jobs_of, listed, seeds_of
from dadarts.compare.store import Store
from dadarts.config import RunConfig, SearchConfig, TrainConfig
from dadarts.errors import InputError
from dadarts.flags import Command, Flag, flags_of
from dadarts.processes import cores

_OWN = (
    Flag(("methods",), "comparison", "methods, such as dadarts,darts,dadarts:dal_factor=0.1", needed=True),
    Flag(("seeds",), "comparison", "seeds: 0:10 is 0 to 9; also 3,5", default="0:5"),
    Flag(("search_space", "space"), "comparison", "search spaces", default="darts"),
    Flag(("dataset",), "comparison", "data sets: names, folders or .npz files", needed=True),
    Flag(("name",), "comparison", "its folder is runs/compare/NAME (default: spaces and data sets)"),
    Flag(("train",), "comparison", "train every genotype found, and test it", boolean=True),
    Flag(("report",), "comparison", "write report.html and report.md", boolean=True),
    Flag(("jobs",), "comparison", "processes at a time (default: one a core)"),
)
_FROM_JOBS = frozenset({"name", "seed", "dataset", "search_space"})
_SHARED = frozenset(RunConfig.model_fields) - {"dataset_portion"}
"""Settings of the search that a training takes over."""
_PREFIX = "train_"


def compare_command() -> Command:
    """The flags of ``dadarts compare``: its own, those of a search, and with ``train_`` before them a training's."""
    search = [flag for flag in flags_of(SearchConfig) if flag.names[0] not in _FROM_JOBS]
    training = [
        Flag(tuple(f"{_PREFIX}{name}" for name in flag.names), "training", flag.text, flag.boolean, flag.default)
        for flag in flags_of(TrainConfig)
        if flag.names[0] not in _SHARED | {"genotype"}
    ]
    about = (
        "Compare methods: every method with every seed in every space on every data set, under one protocol. "
        "A comparison that was stopped goes on with the same command; more seeds or methods add to it."
    )
    return Command("dadarts compare", about, (*_OWN, *search, *training))


def compare(words: Sequence[str]) -> int:
    """Run what is not done yet, and write the results. Returns the exit code.

    Raises:
        InputError: a word cannot be used; nothing was created.
    """
    values = compare_command().parse(words)
    for name in ("methods", "dataset"):
        if name not in values:
            raise InputError(f"-{name} must be given")
    spaces, datasets = listed("space", values.get("search_space", "darts")), listed("dataset", values["dataset"])
    store = Store(_folder(values, spaces, datasets))
    executor = _executor(values)
    protocol = Protocol(_search_settings(values, executor), _training_settings(values), store.path.absolute())
    methods = listed("methods", values["methods"])
    jobs = jobs_of(protocol, methods, seeds_of(values.get("seeds", "0:5")), spaces, datasets)
    return _carry_out(jobs, store, executor, ["dadarts", "compare", *words], doors.truth("report", values))


def _folder(values: dict[str, str], spaces: list[str], datasets: list[str]) -> Path:
    name = values.get("name") or "-".join([*spaces, *(Path(dataset).stem for dataset in datasets)])
    # A comparison's name keeps to the rules of a run's.
    checked = SearchConfig(name=name, dataset="digits").name
    return Path(values.get("runs_dir", "runs")) / "compare" / checked


def _search_settings(values: dict[str, str], executor: Executor) -> dict[str, str]:
    own = {flag.names[0] for flag in _OWN}
    settings = {name: value for name, value in values.items() if name not in own and not name.startswith(_PREFIX)}
    settings.pop("runs_dir", None)
    if executor.threads is not None:
        settings.setdefault("threads", str(executor.threads))
    return settings


def _training_settings(values: dict[str, str]) -> dict[str, str] | None:
    own = {name.removeprefix(_PREFIX): value for name, value in values.items() if name.startswith(_PREFIX)}
    if not doors.truth("train", values):
        if own:
            raise InputError(f"-{_PREFIX}{next(iter(own))} is a setting of trainings; give -train with it")
        return None
    shared = {name: values[name] for name in _SHARED & set(values) - _FROM_JOBS - {"runs_dir"}}
    return {**shared, **own}


def _executor(values: dict[str, str]) -> Executor:
    jobs = values.get("jobs", str(cores()))
    if not jobs.isdecimal() or not jobs.isascii() or len(jobs) > 4 or not int(jobs):
        raise InputError(f"-jobs {jobs[:40]}: give a whole number from 1 to 9999")
    return Local(int(jobs))


def _carry_out(jobs: list[Job], store: Store, executor: Executor, argv: list[str], report: bool) -> int:
    from dadarts.compare import results
    from dadarts.compare.schedule import Schedule
    from dadarts.compare.table import JobTable

    if not all(store.is_done(job) for job in jobs):
        _check(jobs)
    with store.claimed():
        table = JobTable()
        schedule = Schedule(jobs, store, executor, table)
        with table.showing(schedule.statuses):
            ended = schedule.run()
        found = results.collect(schedule.statuses, store)
        paths: tuple[Path, ...] = results.write([result.row for result in found], store.path)
        if report:
            from dadarts.compare.provenance import provenance
            from dadarts.compare.report import write

            paths = (*paths, *write(found, provenance(argv, found, paths), store.path))
    print(*paths, sep="\n", flush=True)
    failed = [status for status in schedule.statuses if status.state == "failed"]
    for status in failed:
        print(f"dadarts compare: job {status.job.key} failed: {status.why}", file=sys.stderr)
    if not ended:
        print(f"stopped, and what is done is kept; go on with: {shlex.join(argv)}", file=sys.stderr)
        return 130
    return 1 if failed else 0


def _check(jobs: Sequence[Job]) -> None:
    """Build the search of one seed of every method, space and data set, as its process will, before any is begun.

    Raises:
        InputError: data, device or batch size cannot be used.
    """
    from dadarts import search_state

    for group in dict.fromkeys(job.group for job in jobs):
        search_state.build(next(job for job in jobs if job.group == group).search)
