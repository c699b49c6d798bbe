"""Peak memory of the whole process tree, sampled: the driver, Ray, engines, trainers.

Proportional set size: a page shared by n processes counts 1/n in each, so Ray's shared store counts once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

_LONGEST_PAUSE_SECONDS = 15.0
"""However large the tree is: a peak that lasts longer than this is seen."""


class MemorySampler:
    """Samples the tree below this process every `seconds` while it runs, or less often where a sample takes long.

    `cost_share`: of one core, what the samples may take. The kernel walks every page of an engine for a sample, and
    the engine computes meanwhile.
    """

    def __init__(self, seconds: float = 2.0, cost_share: float = 0.005) -> None:
        self._seconds = seconds
        self._cost_share = cost_share
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
        while True:
            began = time.thread_time()
            self._peak = max(self._peak, tree_bytes())
            cost = time.thread_time() - began
            pause = max(self._seconds, min(cost / self._cost_share, _LONGEST_PAUSE_SECONDS))
            if self._stop.wait(pause):
                return


def tree_bytes() -> int:
    """Memory of this process and all its descendants, in bytes."""
    me = psutil.Process()
    return sum(process_bytes(process.pid) for process in (me, *me.children(recursive=True)))


def process_bytes(pid: int) -> int:
    """Proportional set size of one process; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
