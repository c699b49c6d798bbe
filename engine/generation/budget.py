"""How long a run may generate: `samples.max_seconds`, from the first unit on, whichever pool of engines works.

In: seconds. Out: what is left of them. The time in which engines load is not counted: it differs from machine to
machine, and nothing is written in it.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator


class Budget:
    """Seconds that run from `start` on.

    Args:
        max_seconds: how many there are; 0 for no limit.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._end: float | None = None

    def start(self) -> None:
        """Begins to count, unless it was begun before."""
        if self._end is None:
            self._end = time.monotonic() + self._max_seconds

    def left(self) -> float:
        """Seconds that are left; negative when they are overdrawn, infinite without a limit."""
        if not self._max_seconds:
            return math.inf
        return self._max_seconds if self._end is None else self._end - time.monotonic()

    @property
    def is_used_up(self) -> bool:
        """Whether no time is left."""
        return self.left() <= 0

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Does not count what the body takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            if self._end is not None:
                self._end += time.monotonic() - began
