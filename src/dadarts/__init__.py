"""Discretization-aware differentiable architecture search: the network you search is the network you get.

>>> import dadarts
>>> config = dadarts.SearchConfig(name="first", dataset="digits")
>>> for event in dadarts.search(config):  # doctest: +SKIP
...     print(event)

Names are imported when they are first used, so that ``dadarts --help`` need not wait for torch.
"""

from __future__ import annotations

# As typing has it; but that takes a while to import, in which a signal could not be answered.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from dadarts import oracle
    from dadarts.architecture.discretization import Rule, discretize
    from dadarts.architecture.genotype import Genotype
    from dadarts.architecture.network import Network
    from dadarts.architecture.skeletons import Macro
    from dadarts.architecture.spaces import SPACES, SearchSpace, space
    from dadarts.architecture.supernet import Supernet
    from dadarts.bundle.making import Bundle, export
    from dadarts.cli.watching import progress
    from dadarts.config import FitConfig, SearchConfig, TrainConfig
    from dadarts.errors import DadartsError, InputError, RunError
    from dadarts.estimator.classifier import DADARTSClassifier
    from dadarts.methods.alphas import Alphas
    from dadarts.methods.catalogue import METHODS
    from dadarts.methods.method import Method, Objective
    from dadarts.methods.penalties import Penalty
    from dadarts.methods.relaxations import Hard, Relaxation, Soft, TopK
    from dadarts.methods.relaxations.soft_top_k import soft_top_k
    from dadarts.methods.schedules import Constant, Linear, Progress
    from dadarts.methods.selection import Selection
    from dadarts.pages.fit import fit
    from dadarts.plugins import register
    from dadarts.searching.loop import search
    from dadarts.training.export import TrainedNetwork, load
    from dadarts.training.loop import train
    from dadarts.training.prediction import Prediction

_HOMES = {
    "methods.alphas": ("Alphas",),
    "methods.method": ("Method", "Objective"),
    "architecture.skeletons": ("Macro",),
    "bundle.making": ("Bundle", "export"),
    "cli.watching": ("progress",),
    "config": ("FitConfig", "SearchConfig", "TrainConfig"),
    "architecture.discretization": ("Rule", "discretize"),
    "errors": ("DadartsError", "InputError", "RunError"),
    "estimator.classifier": ("DADARTSClassifier",),
    "plugins": ("register",),
    "training.export": ("TrainedNetwork", "load"),
    "architecture.genotype": ("Genotype",),
    "methods.catalogue": ("METHODS",),
    "architecture.network": ("Network",),
    "training.prediction": ("Prediction",),
    "methods.penalties": ("Penalty",),
    "methods.selection": ("Selection",),
    "methods.relaxations": ("Hard", "Relaxation", "Soft", "TopK"),
    "methods.schedules": ("Constant", "Linear", "Progress"),
    "searching.loop": ("search",),
    "architecture.spaces": ("SPACES", "SearchSpace", "space"),
    "architecture.supernet": ("Supernet",),
    "methods.relaxations.soft_top_k": ("soft_top_k",),
    "training.loop": ("train",),
    "pages.fit": ("fit",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "METHODS",
    "SPACES",
    "Alphas",
    "Bundle",
    "Constant",
    "DADARTSClassifier",
    "DadartsError",
    "FitConfig",
    "Genotype",
    "Hard",
    "InputError",
    "Linear",
    "Macro",
    "Method",
    "Network",
    "Objective",
    "Penalty",
    "Prediction",
    "Progress",
    "Relaxation",
    "Rule",
    "RunError",
    "SearchConfig",
    "SearchSpace",
    "Selection",
    "Soft",
    "Supernet",
    "TopK",
    "TrainConfig",
    "TrainedNetwork",
    "discretize",
    "export",
    "fit",
    "load",
    "oracle",
    "progress",
    "register",
    "search",
    "soft_top_k",
    "space",
    "train",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("dadarts")
    if name == "oracle":
        return import_module("dadarts.oracle")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dadarts' has no attribute {name!r}")
    value = getattr(import_module(f"dadarts.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
