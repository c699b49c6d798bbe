"""How points of a search that are behind are stopped while they train; apart from the code that needs Ray."""

from __future__ import annotations

from enum import Enum


class Stop(Enum):
    """How points that are behind are stopped while they train."""

    none = "none"
    asha = "asha"
    """Asynchronous successive halving (Li et al. 2020): at validations 2, 6, 18 ... the best third goes on."""
    median = "median"
    """A point ends whose best validation is below the median of the others' means so far (Golovin et al. 2017)."""
