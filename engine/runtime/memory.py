"""Peak memory of the whole process tree, sampled: the driver, Ray, engines, trainers.

Proportional set size: a page shared by n processes counts 1/n in each, so Ray's shared store counts once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psutil

_LONGEST_PAUSE_SECONDS = 15.0
"""However large the tree is: a peak that lasts longer than this is seen."""


class MemorySampler:
    """Samples the memory of the tree below this process while it runs.

    Args:
        seconds: the pause between two samples, at least.
        cost_share: the share of one core that samples may take; where one takes long, pauses become longer. The kernel
            walks every page of an engine for a sample, and the engine computes meanwhile.
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
    return sum(process_bytes(process) for process in (me, *me.children(recursive=True)))


def process_bytes(process: psutil.Process) -> int:
    """Proportional set size of one process in bytes; 0 when it has just ended or belongs to somebody else."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
