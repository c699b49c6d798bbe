"""Waiting for what another process or thread does: as long as a machine with far too much to do may need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""Nothing that a test waits for takes so long, whatever else the machine does; where it does, there is a fault."""


def wait_until(there: Callable[[], T], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Waits until something is there, and returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := there():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come in {seconds:g} s")
