"""Where results come from: the command, the program, the machine, and hashes of what was computed and read."""

from __future__ import annotations

import platform
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from dadarts.compare.results import Result, truth_of
from dadarts.config.run import ENVIRONMENT
from dadarts.machine import cores

_PACKAGES = ("dadarts", "torch", "numpy", "scipy", "pyarrow")


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to make the same results again, as (what, value) rows."""

    rows: tuple[tuple[str, str], ...]

    def table(self) -> tuple[tuple[str, ...], ...]:
        return (("what", "value"), *self.rows)


def provenance(argv: Sequence[str], results: Sequence[Result], files: Sequence[Path]) -> Provenance:
    """Of a comparison whose results lie in `files`."""
    sources = sorted({str(r.row["source"]) for r in results if r.row["source"]})
    devices = sorted(
        {
            f"{r.row['device']}, {r.row['engine']} engine, threads a job: {r.row['threads']}"
            for r in results
            if r.row["device"]
        }
    )
    rows = [
        ("command", shlex.join(argv)),
        ("written", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("versions", ", ".join([f"python {platform.python_version()}", *(f"{p} {version(p)}" for p in _PACKAGES)])),
        ("system", platform.platform()),
        ("processor", f"{_processor()}, {cores()} cores"),
        ("searched on", "; ".join(devices) or "-"),
        (
            "program",
            f"sources {', '.join(sources) or '-'}"
            + (": DIFFERENT PROGRAMS computed these results" if len(sources) > 1 else ""),
        ),
        *((path.name, f"sha256 {sha256(path.read_bytes()).hexdigest()}") for path in files),
    ]
    rows += [("plugins", plugin) for plugin in results[0].job.plugins]
    read = sorted({(result.job.search.dataset, result.row["data"]) for result in results if result.row["data"]})
    rows += [(f"{dataset}, training part", f"fingerprint {data}") for dataset, data in read]
    tables = {table.name: table for result in results if (table := truth_of(result.job)) is not None}
    rows += [(f"{name} table", f"source sha256 {table.metadata['source_sha256']}") for name, table in tables.items()]
    return Provenance(tuple(rows))


def settings_of(results: Sequence[Result]) -> tuple[tuple[str, ...], ...]:
    """The settings that all searches share, every method in full, and those of the trainings."""
    configs = [result.job.search.to_json() for result in results]
    shared = {
        name: value
        for name, value in configs[0].items()
        if name not in {"name", "method", "seed", *ENVIRONMENT} and all(config[name] == value for config in configs)
    }
    methods = {result.job.method: repr(result.job.search.method) for result in results}
    rows = [(f"search, {name}", str(value)) for name, value in shared.items()]
    rows += [(f"method {word}", text) for word, text in methods.items()]
    training = results[0].job.training or {}
    rows += [
        (f"training, {name}", str(value)) for name, value in training.items() if name not in {"seed", *ENVIRONMENT}
    ]
    return (("setting", "value"), *rows)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
