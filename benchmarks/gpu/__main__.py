"""Checks and timings on a GPU, in under seven minutes: ``python -m benchmarks.gpu``.

Every check says held, failed or not applicable; a timing for which no time is left is not in the table. Table and
figures go to benchmarks/results/<device>.md and .json. ``--device cpu --tiny`` shows in seconds, without a GPU, that
every line runs. The exit code is 1 where a check failed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.gpu.checks import Outcome, Site, carried_out
from benchmarks.gpu.size import TINY, WHOLE
from benchmarks.gpu.timings import AS_OTHERS, Timing, steps_timed, whole_epoch
from dadarts.rundir.history import Row
from dadarts.runs.device import versions

RESULTS = Path(__file__).parents[1] / "results"
SHARES = ("share_loading", "share_architecture", "share_weights", "share_validation")


def table(outcomes: Sequence[Outcome], timings: Sequence[Timing], epoch: Row) -> str:
    """Checks, timings and the whole epoch as Markdown."""
    lines = ["| check | verdict | figures |", "|---|---|---|"]
    lines += [f"| {each.check} | {each.verdict} | {each.figures.replace('|', '/')} |" for each in outcomes]
    lines += [
        "",
        f"| step | form | precision | ms | launches | peak (MB) | {AS_OTHERS} / this |",
        "|---|---|---|---|---|---|---|",
    ]
    others = {each.step: each.seconds for each in timings if each.form in (AS_OTHERS, "NCHW")}
    for each in timings:
        counted = "" if each.launches is None else f"{each.launches:,}"
        peak = "" if each.peak_bytes is None else f"{each.peak_bytes / 1e6:,.0f}"
        ratio = f"{others[each.step] / each.seconds:.2f}" if each.step in others else ""
        cells = (each.step, each.form, each.precision, f"{1e3 * each.seconds:.2f}", counted, peak, ratio)
        lines.append(f"| {' | '.join(cells)} |")
    shares = ", ".join(f"{name.removeprefix('share_')} {epoch[name] or 0:.1%}" for name in SHARES)
    lines += ["", f"A whole epoch of a search: {epoch['images_per_second']:,.0f} images/s; {shares}."]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Check and measure everything, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="networks of a few channels, one round")
    parser.add_argument("--minutes", type=float, default=6.5, help="after which no timing begins")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("benchmarks.gpu: this machine has no CUDA device; --device cpu --tiny runs without one", file=sys.stderr)
        return 2
    device = torch.device(args.device)
    size = TINY if args.tiny else WHOLE
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    outcomes, timings = [], []
    with tempfile.TemporaryDirectory() as folder:
        for outcome in carried_out(Site(device, size, Path(folder))):
            outcomes.append(outcome)
            told(f"{outcome.check}: {outcome.verdict}  {outcome.figures}")
        epoch = whole_epoch(device, size, Path(folder))
    for timing in steps_timed(device, size, began + 60 * args.minutes):
        timings.append(timing)
        told(f"{timing.step}, {timing.form}, {timing.precision}: {1e3 * timing.seconds:.2f} ms")
    name = "-".join(re.findall(r"[a-z0-9]+", str(versions(device)["device_name"]).lower())) or device.type
    found = {
        "command": " ".join(["python -m benchmarks.gpu", *(sys.argv[1:] if argv is None else argv)]),
        "versions": versions(device),
        "checks": [asdict(each) for each in outcomes],
        "timings": [asdict(each) for each in timings],
        "epoch": epoch,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    (args.out / f"{name}.md").write_text(table(outcomes, timings, epoch))
    print(table(outcomes, timings, epoch))
    return int(any(each.verdict == "failed" for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
