"""``dadarts compare``: the words of the command line, and the order in which a comparison goes."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from dadarts.cli import configs
from dadarts.cli.flags import Command, Flag, flags_of
from dadarts.cli.signals import stop_signals
from dadarts.compare.executors import Local, Place
from dadarts.compare.jobs import Job, Protocol, jobs_of, listed, seeds_of
from dadarts.compare.planned import NOTHING_PLANNED, Plan
from dadarts.compare.store import Store
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.run import RunConfig
from dadarts.errors import InputError
from dadarts.machine import cores
from dadarts.rundir.kinds import COMPARISONS

_OWN = (
    Flag(("methods",), "comparison", "methods, such as dadarts,darts,dadarts:dal_factor=0.1", needed=True, usual=True),
    Flag(("seeds",), "comparison", "seeds: 0:10 is 0 to 9; also 3,5", default="0:5", usual=True),
    Flag(("search_space", "space"), "comparison", "search spaces", default="darts", usual=True),
    Flag(
        ("dataset",),
        "comparison",
        "data sets: names, folders, .npz files or tables of labels",
        default="cifar10",
        usual=True,
    ),
    Flag(("name",), "comparison", "its folder is runs/compare/NAME (default: spaces and data sets)", usual=True),
    Flag(("train",), "comparison", "train every genotype found, and test it", boolean=True, usual=True),
    Flag(("report",), "comparison", "write report.html and report.md", boolean=True, usual=True),
    Flag(("margin",), "comparison", "a planned margin in points: the report says which methods are equal within it"),
    Flag(
        ("pairs",),
        "comparison",
        "planned pairs, such as dadarts/darts,dadarts/random: the report tests these alone, as one family (default: "
        "every two methods)",
    ),
    Flag(
        ("jobs",),
        "comparison",
        "processes at a time (default: one a CUDA device, else one a core; with -engine ray, what the nodes have room "
        "for)",
    ),
    Flag(
        ("ray_address",),
        "comparison",
        "of the Ray cluster: HOST:PORT, ray://HOST:PORT, auto or local (default: RAY_ADDRESS, else auto, else local)",
    ),
    Flag(("ray_gpus",), "comparison", "GPUs of a job on Ray, or a share of one (default: 1 where the cluster has any)"),
)
_FROM_JOBS = frozenset({"name", "seed", "dataset", "search_space"})
_SHARED = frozenset(RunConfig.model_fields) - {"dataset_portion"}
"""Settings of the search that a training takes over."""
_PREFIX = "train_"
_RAY = "ray"


def compare_command() -> Command:
    """The flags of ``dadarts compare``: its own, those of a search, and with ``train_`` before them a training's."""
    search = [
        replace(flag, text=f"{flag.text}; ray: auto, the jobs sent to a Ray cluster")
        if flag.names[0] == "engine"
        else flag
        for flag in flags_of(SearchConfig)
        if flag.names[0] not in _FROM_JOBS
    ]
    training = [
        replace(
            flag, names=tuple(f"{_PREFIX}{name}" for name in flag.names), group="training", needed=False, usual=False
        )
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
    if "methods" not in values:
        raise InputError("-methods must be given")
    configs.load_plugins(values)
    spaces = listed("space", values.get("search_space", "darts"))
    datasets = listed("dataset", values.get("dataset", "cifar10"))
    store = Store(_folder(values, spaces, datasets))
    place = _place(values)
    protocol = Protocol(
        _search_settings(values, place),
        _training_settings(values),
        store.path.absolute(),
        tuple(sorted({*configs.plugin_fingerprints(values.get("plugin", "")).values()})),
    )
    methods = listed("methods", values["methods"])
    plan = Plan(_margin(values), _pairs(values, methods))
    jobs = jobs_of(protocol, methods, seeds_of(values.get("seeds", "0:5")), spaces, datasets)
    argv = ["dadarts", "compare", *words]
    return _carry_out(jobs, store, place, argv, Reporting(configs.truth("report", values), plan))


@dataclass(frozen=True)
class Reporting:
    """Whether a report is written, and what was planned that it tests."""

    wanted: bool = False
    plan: Plan = NOTHING_PLANNED


def _margin(values: dict[str, str]) -> float | None:
    text = values.get("margin")
    if text is None:
        return None
    if not configs.truth("report", values):
        raise InputError("-margin is for the report; give -report with it")
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) is None or float(text) == 0:
        raise InputError(f"-margin {text[:40]}: give points above 0 and below 1000, such as 0.2")
    return float(text)


def _pairs(values: dict[str, str], methods: Sequence[str]) -> tuple[tuple[str, str], ...] | None:
    text = values.get("pairs")
    if text is None:
        return None
    if not configs.truth("report", values):
        raise InputError("-pairs is for the report; give -report with it")
    pairs = []
    for word in listed("pairs", text):
        first, _, second = word.partition("/")
        for name in (first, second):
            if name not in methods:
                raise InputError(f"-pairs {word[:80]}: give two of the -methods with / between, and , between pairs")
        if first == second or (second, first) in pairs:
            raise InputError(f"-pairs {word[:80]}: a pair is two methods, and stands there once")
        pairs.append((first, second))
    return tuple(pairs)


def _folder(values: dict[str, str], spaces: list[str], datasets: list[str]) -> Path:
    name = values.get("name") or "-".join([*spaces, *(Path(dataset).stem for dataset in datasets)])
    # A comparison's name keeps to the rules of a run's.
    checked = SearchConfig(name=name, dataset="digits").name
    return Path(values.get("runs_dir", "runs")) / COMPARISONS / checked


def _search_settings(values: dict[str, str], place: Place) -> dict[str, str]:
    own = {flag.names[0] for flag in _OWN}
    settings = {name: value for name, value in values.items() if name not in own and not name.startswith(_PREFIX)}
    settings.pop("runs_dir", None)
    if settings.get("engine") == _RAY:
        del settings["engine"]
    # The cores are for jobs, and seconds of methods that train no forks are compared with these.
    settings.setdefault("fork_jobs", "1")
    if place.threads is not None:
        settings.setdefault("threads", str(place.threads))
    return settings


def _training_settings(values: dict[str, str]) -> dict[str, str] | None:
    own = {name.removeprefix(_PREFIX): value for name, value in values.items() if name.startswith(_PREFIX)}
    if not configs.truth("train", values):
        if own:
            raise InputError(f"-{_PREFIX}{next(iter(own))} is a setting of trainings; give -train with it")
        return None
    shared = {name: values[name] for name in _SHARED & set(values) - _FROM_JOBS - {"runs_dir"}}
    return {**shared, **own}


def _place(values: dict[str, str]) -> Place:
    jobs = _whole("jobs", values["jobs"]) if "jobs" in values else None
    if values.get("engine") == _RAY:
        return _ray(values, jobs)
    for name in ("ray_address", "ray_gpus"):
        if name in values:
            raise InputError(f"-{name} is for Ray clusters; give -engine ray with it")
    from dadarts.runs.device import cuda_devices

    # Who names a device has all jobs on it.
    devices = () if "gpus" in values else cuda_devices(values.get("device", "auto"))
    return Local(jobs or len(devices) or cores(), values.get("plugin", ""), devices)


def _ray(values: dict[str, str], jobs: int | None) -> Place:
    try:
        from dadarts.compare.on_ray import RayCluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError("-engine ray needs Ray, which is not installed: pip install 'dadarts[ray]'") from None
    device = values.get("device", "auto")
    gpus = {"auto": None, "cuda": 1.0}.get(device, 0.0)
    if "ray_gpus" in values:
        gpus = _gpus(values["ray_gpus"])
        if device != "auto" and (device == "cuda") != (gpus > 0):
            raise InputError(f"-ray_gpus {values['ray_gpus'][:40]} does not go with -device {device}")
    return RayCluster(
        values.get("ray_address"), _whole("threads", values.get("threads", "1")), gpus, jobs, values.get("plugin", "")
    )


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 4 or not int(text):
        raise InputError(f"-{name} {text[:40]}: give a whole number from 1 to 9999")
    return int(text)


def _gpus(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text) is None or 1 < float(text) != int(float(text)):
        raise InputError(f"-ray_gpus {text[:40]}: give a whole number from 0 to 999, or a share such as 0.25")
    return float(text)


def _carry_out(jobs: list[Job], store: Store, place: Place, argv: list[str], reporting: Reporting) -> int:
    from dadarts.compare import ending, results
    from dadarts.compare.schedule import Schedule
    from dadarts.compare.table import JobTable

    sound = [job for job in jobs if not store.damage(job)]
    is_done = all(store.is_done(job) for job in sound)
    if not is_done:
        with stop_signals():
            _check(sound, store, place)
        for name in sorted({job.search.search_space for job in sound if results.is_unjudged(job)}):
            print(
                f"note: {name} has no ground truth and nothing is trained: no score of this comparison will rank its "
                "methods; --train trains what they find",
                file=sys.stderr,
            )
    with nullcontext(Local(1)) if is_done else place.opened(store.path) as executor, store.claimed():
        table = JobTable()
        schedule = Schedule(jobs, store, executor, table)
        with table.showing(schedule.statuses):
            stopped = schedule.run()
        found = results.collect(schedule.statuses, store)
        paths: tuple[Path, ...] = results.write([result.row for result in found], store.path)
        if reporting.wanted:
            from dadarts.compare.provenance import provenance
            from dadarts.compare.report import write

            paths = (*paths, *write(found, provenance(argv, found, paths), store.path, reporting.plan))
    ending.show(found, sys.stderr, paths[2] if reporting.wanted else None)
    print(*paths, sep="\n", flush=True)
    failed = ending.show_missing(found, sys.stderr, store.path, store.others(jobs))
    if stopped:
        print(f"stopped, and what is done is kept; go on with: {shlex.join(argv)}", file=sys.stderr)
        return 128 + stopped
    return 1 if failed else 0


def _check(jobs: Sequence[Job], store: Store, place: Place) -> None:
    """Build the search of one seed of every method, space and data set, as its process will, before any is begun.

    Raises:
        InputError: data, device or batch size cannot be used, or the data is not what the jobs so far have read.
    """
    from dadarts.data import load
    from dadarts.searching.state import build

    # Methods share their data, and of several sets one at a time is held.
    loaded = lru_cache(maxsize=1)(load)
    here = {"device": "cpu", "gpus": None, "precision": "float32"} if place.elsewhere else {}
    first = {(*job.group, job.method): job for job in reversed(jobs)}
    read = {
        dataset: build(job.search.model_copy(update=here), loaded=loaded).foundation.data.fingerprint
        for (_, dataset, _), job in sorted(first.items(), key=lambda one: one[0][1])
    }
    for job in jobs:
        before = store.data_of(job)
        if before is not None and before != read[job.search.dataset]:
            raise InputError(
                f"-dataset {job.search.dataset} holds other training pictures or labels than when jobs of {store.path} "
                "were begun; put those back, or give another -name"
            )
