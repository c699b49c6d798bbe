"""Peak memory of the whole process tree, sampled: the driver, Ray, engines, trainers.

Proportional set size: a page shared by n processes counts 1/n in each, so Ray's shared store counts once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil


class MemorySampler:
    """Samples the tree below this process every `seconds` while it runs."""

    def __init__(self, seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._peak = 0
        self._stop = threading.Event()

    def peak_bytes(self) -> int:
        """The highest sum seen so far."""
        return self._peak

    @contextlib.contextmanager
    def running(self) -> Iterator[MemorySampler]:
        """Samples in the background for as long as the context lasts."""
        self._stop.clear()
        thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _sample(self) -> None:
        resident = 0
        while True:
            # Proportional sizes walk every page, some 15 ms a gigabyte, while an engine computes: only where a sum that
            # costs next to nothing has grown.
            if (now := tree_bytes(resident_bytes)) > 1.01 * resident:
                resident = now
                self._peak = max(self._peak, tree_bytes())
            if self._stop.wait(self._seconds):
                return


def tree_bytes(measure: Callable[[int], int] | None = None) -> int:
    """Memory of this process and all its descendants, in bytes.

    Args:
        measure: of one process; by default its proportional set size.
    """
    me = psutil.Process()
    return sum((measure or process_bytes)(process.pid) for process in (me, *me.children(recursive=True)))


def resident_bytes(pid: int) -> int:
    """Resident set size of one process, shared pages included; 0 when it has just ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def process_bytes(pid: int) -> int:
    """Proportional set size of one process; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
