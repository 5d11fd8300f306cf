"""``python -m tests.fuzz --minutes 60``: all fuzzers by turns, what became of their inputs, and the failing ones."""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import Campaign, Outcome, fuzzers

_TURN_S = 20.0
_KEPT = 3
"""Failing inputs that are kept of a kind of fault."""
_LARGEST = 1 << 26
"""Bytes of a file that is kept."""


@dataclass
class Tally:
    """What became of the inputs of each fuzzer; faults are kept in `folder`."""

    folder: Path
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, campaign: Campaign, outcome: Outcome) -> None:
        """Count an input, and keep one that is at fault."""
        name = campaign.fuzzer.name
        with self.lock:
            counts = self.kinds.setdefault(name, Counter())
            counts[outcome.kind if not outcome.is_bad else f"BAD {outcome.kind}"] += 1
            seen = counts[f"BAD {outcome.kind}"]
        if outcome.is_bad and seen <= _KEPT:
            place = self.folder / name / str(outcome.seed)
            place.mkdir(parents=True, exist_ok=True)
            _copy(campaign.input, place / "input")
            (place / "report.txt").write_text(f"{outcome.kind}\n\n{outcome.text}\n", encoding="utf-8")
            print(f"BAD {name} {outcome.seed}: {outcome.kind}", flush=True)

    def bad(self) -> int:
        return sum(number for counts in self.kinds.values() for kind, number in counts.items() if kind[:3] == "BAD")

    def table(self) -> str:
        lines = []
        for name, counts in sorted(self.kinds.items()):
            lines.append(f"{name}: {sum(counts.values()):,} inputs")
            lines += [f"  {number:8,}  {kind}" for kind, number in sorted(counts.items())]
        return "\n".join(lines)


def _copy(source: Path, target: Path) -> None:
    """Copy an input but for pipes and what is too large, which the same seed makes again."""

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if not _is_kept(Path(folder) / name)]

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True, ignore=left_out)


def _is_kept(path: Path) -> bool:
    return path.is_symlink() or path.is_dir() or (path.is_file() and path.stat().st_size <= _LARGEST)


@dataclass(frozen=True)
class Work:
    """What a thread does: its fuzzers by turns, until a time, with the same seeds for each."""

    modules: dict[str, str]
    seeds: range
    deadline: float
    tally: Tally
    scratch: Path

    def __call__(self) -> None:
        campaigns = {}
        left = {name: iter(self.seeds) for name in self.modules}
        while left and time.monotonic() < self.deadline:
            for name in list(left):
                if name not in campaigns:
                    folder = self.scratch / name
                    folder.mkdir(parents=True)
                    campaigns[name] = Campaign(self.modules[name], name, folder, self.scratch / "bases")
                if not self._turn(campaigns[name], left[name]):
                    del left[name]
        for campaign in campaigns.values():
            campaign.close()

    def _turn(self, campaign: Campaign, seeds: Iterator[int]) -> bool:
        """Whether there are seeds left."""
        ends = min(self.deadline, time.monotonic() + _TURN_S)
        for outcome in campaign.outcomes(seeds):
            self.tally.add(campaign, outcome)
            if time.monotonic() > ends:
                return True
        return False


def main() -> int:
    known = fuzzers()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="for all fuzzers together [60]")
    parser.add_argument("--only", action="append", metavar="NAME", choices=sorted(known), help="may be repeated")
    parser.add_argument("--seed", type=int, help="of the first input [from the clock]")
    parser.add_argument("--inputs", type=int, default=10**9, help="of each fuzzer, at most")
    parser.add_argument("--jobs", type=int, default=2, help="fuzzers at a time [2]")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="where failing inputs go [fuzz-found]")
    given = parser.parse_args()
    first = int(time.time()) * 1000 if given.seed is None else given.seed
    names = given.only or sorted(known)
    print(f"first seed {first}, {given.minutes:g} minutes, {len(names)} fuzzers: {', '.join(names)}", flush=True)
    tally = Tally(given.keep.absolute())
    deadline = time.monotonic() + 60 * given.minutes
    seeds = range(first, first + given.inputs)
    with TemporaryDirectory(prefix="fuzz-") as scratch:
        workers = [
            threading.Thread(
                target=Work({name: known[name] for name in names[job :: given.jobs]}, seeds, deadline, tally, place)
            )
            for job in range(min(given.jobs, len(names)))
            for place in [Path(scratch) / str(job)]
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    print(tally.table())
    if tally.bad():
        print(f"{tally.bad()} inputs are at fault; the first of each kind lie in {tally.folder}", file=sys.stderr)
    return 1 if tally.bad() else 0


if __name__ == "__main__":
    sys.exit(main())
