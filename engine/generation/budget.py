"""How long a run may generate: `samples.max_seconds`, counted over all jobs of all its pools.

In: when a pool has an engine that can be given units, and when its job is over. Out: the seconds that are left. What
lies between two jobs is not counted: engines load or sleep in it, samples are curated, and nothing is generated.
"""

from __future__ import annotations

import math
import time


class Budget:
    """Seconds that run between `start` and `stop`.

    Args:
        max_seconds: how many there are; 0 for no limit.
    """

    def __init__(self, max_seconds: float) -> None:
        self._left = max_seconds or math.inf
        self._since: float | None = None

    def start(self) -> None:
        """Begins to count, or goes on after `stop`; does nothing where it counts already."""
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> None:
        """Counts no more until the next `start`."""
        self._left, self._since = self.left(), None

    def left(self) -> float:
        """Returns the seconds that are left; negative when they are overdrawn, infinite without a limit."""
        return self._left - (0.0 if self._since is None else time.monotonic() - self._since)

    @property
    def is_used_up(self) -> bool:
        """Tells whether no time is left."""
        return self.left() <= 0
