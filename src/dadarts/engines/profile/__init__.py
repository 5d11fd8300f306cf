"""What operations cost on this machine, measured once: ``dadarts profile``."""

from dadarts.engines.profile.cost import Cost
from dadarts.engines.profile.table import Profile, Scale, keep, kept, kept_like, profiled

__all__ = ["Cost", "Profile", "Scale", "keep", "kept", "kept_like", "profiled"]
