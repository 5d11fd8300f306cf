"""What a run measures of every epoch: the columns of history.csv, the line of progress, and the curves.

A column is declared here alone, and its value computed in the loop of the search or of the training: it then stands in
history.csv and in TensorBoard, and where `LINE` or a panel names it, in the line of progress or in the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

Cell: TypeAlias = float | int | None
"""None is an empty cell: not measured in that epoch."""
Row: TypeAlias = Mapping[str, Cell]
"""One line of history.csv."""


@dataclass(frozen=True)
class Column:
    """A column of history.csv.

    Args:
        name: its heading there, and the scalar's in TensorBoard.
        means: what it is, for people.
    """

    name: str
    means: str

    def of(self, row: Row) -> Cell:
        """The value in a row; None, too, where a run of before there was the column has written it."""
        return row.get(self.name)


Values: TypeAlias = Mapping[Column, Cell]
"""What has been measured of an epoch, or a part of it."""


def row_of(values: Values, always: Sequence[Column] = ()) -> Row:
    """The line of history.csv: first the columns that are `always` there, measured or not, then all others measured."""
    return {column.name: value for column, value in {**dict.fromkeys(always), **values}.items()}


EPOCH = Column("epoch", "which epoch; the first is 0")
WEIGHT_LR = Column("weight_lr", "learning rate of the weights; where it goes step by step, that of the last one")
TEMPERATURE = Column("temperature", "temperature of the relaxation: of operations on an edge, where top-k has two")
DAL_FACTOR = Column("dal_factor", "what the discretization loss is multiplied by")
TRAIN_LOSS = Column("train_loss", "mean cross entropy of the epoch's training batches")
TRAIN_TOP1 = Column("train_top1", "accuracy on them")
VALID_LOSS = Column("valid_loss", "mean cross entropy on the validation part")
VALID_TOP1 = Column(
    "valid_top1", "accuracy there; of a search with the mixing weights that the weights are trained with"
)
RELAXED_TOP1 = Column("relaxed_top1", "accuracy there of the relaxed supernet")
DISCRETE_TOP1 = Column("discrete_top1", "accuracy there of the discretized supernet, with the same weights")
DISCRETIZATION_GAP = Column("discretization_gap", "`relaxed_top1` minus `discrete_top1`")
DAL = Column("dal", "the discretization loss, without its factor")
ALPHA_ENTROPY = Column("alpha_entropy", "mean entropy of an edge's mixing weights, in nats")
CHANGED_CHOICES = Column("changed_choices", "choices that the epoch before did not make")
SKIP_SHARE = Column("skip_share", "part of the genotype's edges that are skip connections")
PARAMETER_FREE_SHARE = Column("parameter_free_share", "part of the genotype's edges without weights")
SECONDS = Column("seconds", "time of the epoch's steps")
IMAGES_PER_SECOND = Column("images_per_second", "training pictures in a second of steps")
SECONDS_VALIDATION = Column("seconds_validation", "time of the validation after them")
SHARE_LOADING = Column("share_loading", "part of the epoch's time that was spent waiting for pictures")
SHARE_ARCHITECTURE = Column("share_architecture", "part of it in steps of the architecture")
SHARE_WEIGHTS = Column("share_weights", "part of it in steps of the weights")
SHARE_VALIDATION = Column("share_validation", "part of it in the validation")
LEFT_OUT_SHARE = Column(
    "left_out_share", "part of the operations that a step of the architecture leaves out: not drawn, or of no weight"
)
ARCHITECTURE_TOP1 = Column("architecture_top1", "`valid_top1` with the mixing weights that alphas are trained with")
TEMPERATURE_NODE = Column("temperature_node", "temperature of top-k over the edges of a node")
HESSIAN_EIGENVALUE = Column(
    "hessian_eigenvalue", "dominant eigenvalue of the Hessian by the alphas (`-hessian_eigenvalue`)"
)
SECONDS_SELECTION = Column("seconds_selection", "time of a selection that does not read alphas off")
OPERATION_PICTURES = Column(
    "operation_pictures",
    "cost of the epoch's steps: active operations times pictures, forward and backward (forward alone is a third)",
)
OPERATION_PICTURES_SELECTION = Column(
    "operation_pictures_selection", "the same cost of a selection that does not read alphas off"
)
OVER_LIMIT = Column(
    "over_limit",
    "how far the expected cost is above its limit, in parts of the range of the space's networks; of several limits "
    "the one that is exceeded most",
)
LIMIT_PRICE = Column("limit_price", "what the alphas' loss has of it: the price of that limit")
DROP_PATH = Column("drop_path", "probability that a path is dropped")
VALID_BALANCED = Column(
    "valid_balanced", "mean recall of the classes on the validation part (`-class_weights balanced`)"
)

SEARCH = (
    *(EPOCH, WEIGHT_LR, TEMPERATURE, DAL_FACTOR, TRAIN_LOSS, TRAIN_TOP1, VALID_LOSS, VALID_TOP1, RELAXED_TOP1),
    *(DISCRETE_TOP1, DISCRETIZATION_GAP, DAL, ALPHA_ENTROPY, CHANGED_CHOICES, SKIP_SHARE, PARAMETER_FREE_SHARE),
    *(SECONDS, IMAGES_PER_SECOND, SECONDS_VALIDATION, SHARE_LOADING, SHARE_ARCHITECTURE, SHARE_WEIGHTS),
    *(SHARE_VALIDATION, LEFT_OUT_SHARE, ARCHITECTURE_TOP1, TEMPERATURE_NODE, OPERATION_PICTURES),
)
"""What every search's history has, in this order."""
OF_SELECTION = (SECONDS_SELECTION, OPERATION_PICTURES_SELECTION)
"""What a selection that does not read alphas off costs."""
SEARCH_SOMETIMES = (HESSIAN_EIGENVALUE, *OF_SELECTION, OVER_LIMIT, LIMIT_PRICE)
"""What a search's history has behind them with some settings."""
TRAINING = (
    *(EPOCH, WEIGHT_LR, DROP_PATH, TRAIN_LOSS, TRAIN_TOP1, VALID_LOSS, VALID_TOP1, VALID_BALANCED, SECONDS),
    *(IMAGES_PER_SECOND, SECONDS_VALIDATION, SHARE_LOADING, SHARE_WEIGHTS, SHARE_VALIDATION),
)
"""What a training's history has, in this order; no column of a validation where there is none."""
COLUMNS = tuple(dict.fromkeys((*SEARCH, *SEARCH_SOMETIMES, *TRAINING)))
"""All of them."""
TIMES = (SECONDS, SECONDS_VALIDATION, SECONDS_SELECTION)
"""What an epoch's computing time adds up from."""


def _by_rounding(gap: float) -> str:
    return f"rounding {'loses' if gap >= 0 else 'gains'} {abs(100 * gap):.1f} points"


LINE: Mapping[Column, Callable[[Any], str]] = MappingProxyType(
    {
        TRAIN_LOSS: "loss {:.4f}".format,
        TRAIN_TOP1: "train {:.1%}".format,
        VALID_TOP1: "valid {:.1%}".format,
        DISCRETIZATION_GAP: _by_rounding,
        TEMPERATURE: "temperature {:.4g}".format,
        ALPHA_ENTROPY: "entropy of alpha {:.3f}".format,
        CHANGED_CHOICES: "{} choices changed".format,
        IMAGES_PER_SECOND: "{:,.0f} images/s".format,
        SHARE_LOADING: "loading {:.1%}".format,
    }
)
"""What a line of progress says of an epoch, in this order, and how."""


def in_words(row: Row) -> list[str]:
    """What `LINE` says of a row."""
    return [said(column.of(row)) for column, said in LINE.items() if column.of(row) is not None]


Colour: TypeAlias = Literal["blue", "orange", "green", "grey", "purple", "ink"]


@dataclass(frozen=True)
class Series:
    """One curve.

    Args:
        label: what the legend says.
        right: whether it has the right axis.
        elsewhere: what other programs call the column, whose histories are drawn too.
    """

    column: Column
    label: str
    colour: Colour
    dash: str = "-"
    right: bool = False
    elsewhere: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names of its column, our own first."""
        return (self.column.name, *self.elsewhere)


@dataclass(frozen=True)
class Panel:
    """Curves over one another, the names of the left and the right axis, and which of them is written in percent."""

    left: str
    series: tuple[Series, ...]
    right: str = ""
    percent: str = ""


ACCURACY = Panel(
    "top-1",
    (
        Series(TRAIN_TOP1, "train", "blue", "--"),
        Series(VALID_TOP1, "valid", "orange"),
        Series(RELAXED_TOP1, "relaxed", "green", "-."),
        Series(DISCRETE_TOP1, "discrete", "purple", ":"),
    ),
    percent="left",
)
GAP = Panel("top-1 lost by rounding", (Series(DISCRETIZATION_GAP, "discretization gap", "ink"),), percent="left")
ALPHAS = Panel(
    "entropy",
    (
        Series(ALPHA_ENTROPY, "entropy of alpha", "blue"),
        Series(TEMPERATURE, "temperature", "orange", "--", right=True),
    ),
    right="temperature",
)
CHOICES = Panel(
    "choices",
    (
        Series(CHANGED_CHOICES, "changed choices", "ink"),
        Series(SKIP_SHARE, "skip", "green", "--", right=True),
        Series(PARAMETER_FREE_SHARE, "parameter-free", "green", ":", right=True),
    ),
    right="share of edges",
    percent="right",
)
LOSS = Panel("loss", (Series(TRAIN_LOSS, "train", "blue", "--"), Series(VALID_LOSS, "valid", "orange")))
TOP1 = Panel("top-1", ACCURACY.series[:2], percent="left")
RATE = Panel("learning rate", (Series(WEIGHT_LR, "learning rate", "grey", elsewhere=("learning_rate", "lr")),))

SEARCH_PANELS = (ACCURACY, GAP, ALPHAS, CHOICES)
"""The picture of a search."""
TRAINING_PANELS = (LOSS, TOP1, RATE)
"""The picture of a training."""
