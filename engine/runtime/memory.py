"""The peak memory of the whole process tree: driver, Ray, engines and trainers, sampled in the background.

What is summed is the proportional set size: a page that n processes share counts 1/n in each, so that the shared store
of Ray counts once.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterator

import psutil

_LONGEST_PAUSE_SECONDS = 15.0
"""The longest pause, however large the tree is, so that every peak that lasts longer is seen."""


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
        """Returns the highest sum of a sample so far, in bytes."""
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
    """Returns the memory of this process and all its descendants, in bytes."""
    me = psutil.Process()
    return sum(process_bytes(process) for process in (me, *me.children(recursive=True)))


def release_gpu_memory() -> None:
    """Gives back what torch keeps of a GPU for this process's next tensors; nothing where it never used one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def process_bytes(process: psutil.Process) -> int:
    """Returns the proportional set size of a process in bytes; 0 where it has just ended or is another user's."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
