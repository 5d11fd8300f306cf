"""How alpha becomes the mixing weights of a forward pass."""

from dadarts.methods.relaxations.base import Relaxation
from dadarts.methods.relaxations.gibbs import Gibbs
from dadarts.methods.relaxations.hard import Hard
from dadarts.methods.relaxations.sampled import Dirichlet, Gumbel, Perturbed, SampledTopK, UniformPath
from dadarts.methods.relaxations.soft import AuxiliarySkip, Soft
from dadarts.methods.relaxations.top_k import TopK

RELAXATIONS: dict[str, type[Relaxation]] = {
    kind.__name__: kind
    for kind in (Soft, Hard, TopK, AuxiliarySkip, Gumbel, Dirichlet, Perturbed, SampledTopK, UniformPath, Gibbs)
}
"""Every relaxation by the name that a method's text calls it."""

__all__ = [
    "RELAXATIONS",
    "AuxiliarySkip",
    "Dirichlet",
    "Gibbs",
    "Gumbel",
    "Hard",
    "Perturbed",
    "Relaxation",
    "SampledTopK",
    "Soft",
    "TopK",
    "UniformPath",
]
