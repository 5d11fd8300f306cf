"""What a network has and does: its parameters and its multiply-adds, counted without building it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from dadarts.architecture.counting import count_parameters, multiply_adds
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.places import Place, walked
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace

DEEP = 24
"""Layers up to which a network's costs are counted layer by layer."""


@dataclass(frozen=True)
class Costs:
    """What a network has and does: trainable parameters, and multiply-adds of one picture's forward pass.

    Neither counts the auxiliary head; multiply-adds are those of convolutions and the classifier.
    """

    parameters: int
    multiply_adds: int

    def within(self, parameters: int | None, multiply_adds: int | None) -> bool:
        """Whether there are at most so many of each; None is any number."""
        pairs = ((self.parameters, parameters), (self.multiply_adds, multiply_adds))
        return all(most is None or own <= most for own, most in pairs)


def count_costs(genotype: Genotype, macro: Macro) -> Costs:
    """What a genotype's network costs at a size, however large; nothing is allocated.

    Three layers more are one cell more in every stage, and behind a stage's third cell all cells are alike: above
    `DEEP` layers the costs of two shallow networks give those of a deep one.
    """
    if macro.layers <= DEEP:
        return _costs(genotype, macro)
    shallow = 9 + macro.layers % 3
    one, other = (_costs(genotype, replace(macro, layers=layers)) for layers in (shallow, shallow + 3))
    steps = (macro.layers - shallow) // 3
    return Costs(
        one.parameters + steps * (other.parameters - one.parameters),
        one.multiply_adds + steps * (other.multiply_adds - one.multiply_adds),
    )


def count_multiply_adds(genotype: Genotype, macro: Macro) -> int:
    """Multiply-adds of one picture's forward pass (convolutions and classifier)."""
    return count_costs(genotype, macro).multiply_adds


def _costs(genotype: Genotype, macro: Macro) -> Costs:
    network = walked(genotype, macro)
    parameters, total = network.parameters, network.multiply_adds
    for place, times in network.places.items():
        own = count_place(genotype.space, place)
        parameters += times * own.parameters
        total += times * own.multiply_adds
    return Costs(parameters, total)


def count_place(space: SearchSpace, place: Place) -> Costs:
    """What an operation has and does: one that cannot be asked for a shape alone computes a picture."""
    try:
        return _costs_on("meta", space, place)
    except Exception:
        # Anybody's operation may raise anything where tensors have no numbers.
        return _costs_on("cpu", space, place)


def _costs_on(device: str, space: SearchSpace, place: Place) -> Costs:
    # Weights that are drawn for a count must not move torch's generator.
    with torch.device(device), torch.random.fork_rng(devices=[]):
        operation = space.ops[place.operation].build(place.channels, place.stride, True).eval()
        return Costs(count_parameters(operation), multiply_adds(operation, torch.zeros((1, *place.inputs))))
