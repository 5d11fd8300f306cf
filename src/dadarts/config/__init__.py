"""What a run needs to know: typed, frozen, and validated once, here.

A field is at once the original's ``-flag``, ``dadarts ... --flag`` and an argument in Python.
Torch is imported only when a configuration is made, so that ``--help`` answers at once.
"""

from dadarts.config.fitting import FitConfig
from dadarts.config.search import SearchConfig
from dadarts.config.training import TrainConfig

__all__ = ["FitConfig", "SearchConfig", "TrainConfig"]
