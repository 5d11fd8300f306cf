"""What happens in a run, as typed events: whoever iterates over a run decides what becomes of them.

Each says itself in words, as the command line does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dadarts.errors import in_python
from dadarts.pacing import duration
from dadarts.rundir.history import Row, in_words

if TYPE_CHECKING:
    from dadarts.architecture.genotype import Genotype
    from dadarts.architecture.verdict import Verdict


@dataclass(frozen=True)
class RunStarted:
    """The first checkpoint is written and the first step comes next.

    Args:
        data: what was read, in one line.
        summary: what is computed with it, in one line.
    """

    folder: Path
    data: str
    summary: str

    def __str__(self) -> str:
        return f"{in_python(self.data)}\n{self.summary}"


@dataclass(frozen=True)
class Note:
    """Something that a reader of the log should know, said once.

    Args:
        marked: what it says, with a dash before the names of settings, for a command line.
        text: the same, for who iterates in Python.
    """

    marked: str = field(repr=False)
    text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", in_python(self.marked))

    def __str__(self) -> str:
        return f"note: {self.text}"


@dataclass(frozen=True)
class PartBegun:
    """A part of a fit begins.

    Args:
        what: which one, and of what.
        left: seconds that all of the fit has left.
        after: seconds that follow the training that begins, where no other one does.
    """

    what: str
    left: float
    after: float | None = None

    def __str__(self) -> str:
        return f"{self.what}; {duration(self.left)} left for everything"


@dataclass(frozen=True)
class StepDone:
    """A step has been taken: means of the epoch so far, and pictures a second."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_second: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch + 1}/{self.epochs}  step {self.step}/{self.steps}  loss {self.loss:.4f}  "
            f"accuracy {self.accuracy:.1%}  {self.images_per_second:,.0f} images/s"
        )


@dataclass(frozen=True)
class ValidationStep:
    """A validation batch has been measured."""

    epoch: int
    epochs: int
    step: int
    steps: int

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}/{self.epochs}  validating {self.step}/{self.steps}"


@dataclass(frozen=True)
class AssessmentStep:
    """So many of the test set's batches have been measured, of a training that has no step left."""

    step: int
    steps: int

    def __str__(self) -> str:
        return f"testing {self.step}/{self.steps}"


@dataclass(frozen=True)
class SelectionStep:
    """So many of the validation batches of a whole selection have been measured."""

    step: int
    steps: int

    def __str__(self) -> str:
        return f"selecting {self.step}/{self.steps}"


@dataclass(frozen=True)
class EpochDone:
    """An epoch's row of history is complete and saved."""

    epoch: int
    epochs: int
    row: Row

    def __str__(self) -> str:
        return "  ".join([f"epoch {self.epoch + 1}/{self.epochs}", *in_words(self.row)])


@dataclass(frozen=True)
class SearchDone:
    """A search has ended: its result."""

    folder: Path
    genotype: Genotype
    pictures: tuple[Path, ...]

    @property
    def verdict(self) -> Verdict | None:
        """Whether the search has decided anything, and what to mistrust; None of a run of before verdicts."""
        return self.genotype.verdict

    def __str__(self) -> str:
        return f"{self.folder}: {self.genotype}"

    def _repr_html_(self) -> str:
        from dadarts.runs import shown

        return shown.of_search(self.folder, self.genotype)


@dataclass(frozen=True)
class TrainDone:
    """A training has ended: its result.

    Args:
        metrics: what is in metrics.json.
    """

    folder: Path
    metrics: Mapping[str, Any]
    pictures: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.folder}: test accuracy {self.metrics['test_top1']:.2%}"

    def _repr_html_(self) -> str:
        from dadarts.runs import shown

        return shown.of_training(self.folder, f"training {self.folder.name}", self.metrics)


@dataclass(frozen=True)
class FitDone:
    """A fit has ended: its result.

    Args:
        training: the folder of its last training.
        title: what the network is called in a sentence.
        metrics: what is in the metrics.json of its training.
        verdict: whether searching paid, in a sentence; None where nothing was searched.
        search_minutes: what the search took; 0 where nothing was searched.
        metric: what it was chosen by.
    """

    folder: Path
    training: Path
    title: str
    metrics: Mapping[str, Any]
    verdict: str | None
    search_minutes: float = 0.0
    metric: str = "accuracy"

    def __str__(self) -> str:
        return f"{self.folder}: {self.title}, test accuracy {self.metrics['test_top1']:.2%}"

    def _repr_html_(self) -> str:
        from dadarts.runs import shown

        said = ". ".join(filter(None, [f"The network is {self.title}", self.verdict]))
        return shown.of_training(self.training, f"fit {self.folder.name}", self.metrics, f"{said}.")


Event: TypeAlias = (
    RunStarted
    | Note
    | PartBegun
    | StepDone
    | ValidationStep
    | SelectionStep
    | EpochDone
    | SearchDone
    | AssessmentStep
    | TrainDone
    | FitDone
)
