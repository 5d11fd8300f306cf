"""What the rounds say, as figures and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.peers.task import Step, Task

COMMAND = "make bench-peers"


@dataclass(frozen=True)
class Round:
    """The counted steps of one epoch in both searches, and what each said of itself."""

    theirs: Sequence[Step]
    ours: Sequence[Step]
    their_facts: Mapping[str, Any]
    our_facts: Mapping[str, Any]

    def ratio(self, clock: str = "seconds") -> float:
        """How many times as long the peer takes for the same steps, by either clock of a step."""
        return _sum(self.theirs, clock) / _sum(self.ours, clock)


def summary(rounds: Sequence[Round], task: Task) -> dict[str, Any]:
    """Means over all steps, and the ratio of the rounds: median, lowest, highest."""
    ratios = [each.ratio() for each in rounds]
    cpu_ratios = [each.ratio("cpu_seconds") for each in rounds]
    steps = {
        "nni": [step for each in rounds for step in each.theirs],
        "dadarts": [step for each in rounds for step in each.ours],
    }
    seconds = {name: _sum(taken, "seconds") / len(taken) for name, taken in steps.items()}
    return {
        "ratio": median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "cpu_ratio": median(cpu_ratios),
        "cpu_low": min(cpu_ratios),
        "cpu_high": max(cpu_ratios),
        "seconds_per_step": seconds,
        "cpu_seconds_per_step": {name: _sum(taken, "cpu_seconds") / len(taken) for name, taken in steps.items()},
        "images_per_second": {name: 2 * task.batch / each for name, each in seconds.items()},
    }


def _sum(steps: Sequence[Step], clock: str) -> float:
    return sum(float(getattr(step, clock)) for step in steps)


def table(rounds: Sequence[Round], task: Task) -> str:
    """The figures, the work that is the same, and the work that is not."""
    found = summary(rounds, task)
    facts = {"nni": rounds[0].their_facts, "dadarts": rounds[0].our_facts}
    theirs, ours = facts["nni"], facts["dadarts"]
    lines = [
        f"`{COMMAND}`: {len(rounds)} epochs of {len(rounds[0].ours)} steps of first-order DARTS after "
        f"{task.steps - len(rounds[0].ours)} steps of warm-up, {task.channels} channels, {task.cells} cells, "
        f"4 nodes, 8 operations, batch {task.batch} of 32x32 pictures, float32, {task.threads} "
        f"thread{'s' * (task.threads > 1)}, by turns:",
        "",
        "| search | seconds a step | of the processor | images/s | convolutions and classifier | batch norm | alphas |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, own in facts.items():
        versions = ", ".join(f"{package} {version}" for package, version in own["versions"].items())
        lines.append(
            f"| {versions} | {found['seconds_per_step'][name]:.2f} | {found['cpu_seconds_per_step'][name]:.2f} "
            f"| {found['images_per_second'][name]:.1f} "
            f"| {own['weights']:,} | {own['norm_parameters']:,} in {own['norms']} | {own['alphas']} |"
        )
    lines += [
        "",
        f"nni takes {found['ratio']:.2f} times as long ({found['low']:.2f} to {found['high']:.2f}), and "
        f"{found['cpu_ratio']:.2f} times the processor's time ({found['cpu_low']:.2f} to {found['cpu_high']:.2f}).",
        "",
        "What differs in the work:",
        "",
        f"- nni's batch norms have scales, shifts and running statistics, which SGD trains with w "
        f"({theirs['norm_parameters']:,} parameters more); those of the supernet here have none.",
        f"- A pool is followed by a batch norm here, as in DARTS, and by none in nni "
        f"({ours['norms'] - theirs['norms']} batch norms more here).",
        "- nni's architecture step computes gradients of w too and throws them away, as DARTS' own code does; here it "
        "asks for those of alpha alone.",
        "- Pictures are cropped and flipped at random here; nni is given pictures that are normalised beforehand, and "
        "never augmented. Loading counts in both.",
        "- Lightning runs nni's steps without logger, checkpoints, metrics or progress bar; here accuracy, timing and "
        "the look for a loss that is not finite belong to a step.",
    ]
    return "\n".join(lines) + "\n"
