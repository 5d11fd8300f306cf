"""What the file of a trained network says of it, held against the tensors beside it before anything is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.operations import ALL_OPS
from dadarts.architecture.skeletons import Macro
from dadarts.data import ValueRange
from dadarts.runs import fitting

_EDGES_WITHOUT_WEIGHTS = 1000 * 32
"""Of the largest network that can be asked for: what has no weights leaves no other trace of how large it is."""
_REDUCTIONS = 2

Number = Annotated[float, Field(allow_inf_nan=False)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=65_536)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Sizes(_Document):
    """`Macro`, in the bounds of settings."""

    channels: int = Field(ge=1, le=4096)
    layers: int = Field(ge=1, le=1000)
    image_shape: tuple[Side, Side, Side]
    classes: int = Field(ge=1, le=10**6)
    stem_multiplier: int = Field(ge=1, le=64)


class Facts(_Document):
    """All that a network's use needs besides its weights.

    Args:
        genotype: as text.
        classes: name of every class.
        mean, std: per channel, of pixels in [0, 1].
        value_range: what is black and white in pictures deeper than 8 bits; None is their type's range.
    """

    format: Literal["dadarts-network/1"] = "dadarts-network/1"
    genotype: str
    macro: Sizes
    classes: list[str]
    mean: list[Number]
    std: list[Deviation]
    value_range: tuple[Number, Number] | None = None

    @model_validator(mode="after")
    def _sizes_agree(self) -> Facts:
        if len(self.classes) != self.macro.classes:
            raise ValueError(f"{len(self.classes)} names for {self.macro.classes} classes")
        if not len(self.mean) == len(self.std) == self.macro.image_shape[0]:
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} deviations of {self.macro.image_shape[0]}")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise ValueError("black is not below white")
        return self

    def limits(self) -> ValueRange | None:
        """The range of values, where there is one."""
        return None if self.value_range is None else ValueRange(*self.value_range)

    def to_text(self) -> str:
        """The document; without the range of values where there is none, as older files have it."""
        values = self.model_dump()
        return json.dumps({name: value for name, value in values.items() if value is not None})


def facts_of(text: str) -> Facts:
    """Read the document.

    Raises:
        ValueError: it is another, and the text says in which place.
    """
    try:
        # From JSON, where a list is a tuple and nothing else is.
        return Facts.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "metadata"
        raise ValueError(f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def network_of(facts: Facts, tensors: Mapping[str, Tensor]) -> Network:
    """The network that a file describes, with its weights.

    Raises:
        InputError: the genotype is none.
        ValueError: the weights are not those of such a network.
    """
    genotype, macro = Genotype.parse(facts.genotype), Macro(**dict(facts.macro))
    _refuse_other_size(genotype, macro, len(tensors))
    with torch.device("meta"):
        own = Network(genotype, macro).state_dict()
    found = {name: _as(own.get(name), saved) for name, saved in tensors.items()}
    weights = fitting.tensors_like("weights", found, own)
    network = Network(genotype, macro)
    network.load_state_dict(weights)
    return network


def _as(own: Tensor | None, saved: Tensor) -> Tensor:
    """Weights of another precision, as somebody may have saved a network of their own, in the network's."""
    is_same_kind = own is not None and own.is_floating_point() and saved.is_floating_point()
    return saved.to(own.dtype) if own is not None and is_same_kind else saved


def _refuse_other_size(genotype: Genotype, macro: Macro, tensors: int) -> None:
    """Building a network takes as long as it is large: ask before whether the weights are as many."""
    for kind, cell in genotype.cells.items():
        names = [op for node in cell.nodes for op, _ in node]
        with_weights = sum(not ALL_OPS[op].parameter_free for op in names)
        # Two layers of the darts skeleton are reduction cells.
        fewest, most = (max(0, macro.layers - _REDUCTIONS), macro.layers) if kind == "normal" else (0, _REDUCTIONS)
        if fewest * with_weights > tensors or most * len(names) > _EDGES_WITHOUT_WEIGHTS + tensors:
            raise ValueError(f"{tensors:,} tensors are too few for {macro.layers:,} layers of such cells")
