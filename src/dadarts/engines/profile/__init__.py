"""What operations cost on this machine, measured once: ``dadarts profile``."""

from dadarts.engines.profile.cost import Cost
from dadarts.engines.profile.place import Place, places_of, places_of_genotype
from dadarts.engines.profile.table import Profile, Scale, kept, profiled

__all__ = ["Cost", "Place", "Profile", "Scale", "kept", "places_of", "places_of_genotype", "profiled"]
