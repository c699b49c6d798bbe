"""The settings of where a model is trained: keys of `model.*` that change no result, and stay out of fingerprints.

In: values from YAML and the command line. Out: a frozen WorkerSettings, which refuses what cannot work. `ModelConfig`
is one of these, so that each of them is a key of `model`. It imports neither torch nor Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.runtime.identity import placement


@dataclass(frozen=True)
class WorkerSettings:
    """The processes that train, and what they keep for a later start."""

    num_workers: int = placement(0)
    """The number of training processes; 0 stands for one per GPU of the cluster, or one where there is no GPU."""
    gpus_per_worker: float = placement(1.0)
    """The GPUs that a training process takes, where there are any."""
    checkpoint_steps: int = placement(0)
    """A checkpoint is kept each so many steps; after a crash training goes on from the last one. 0: about every minute,
    by the pace of the first steps."""
    max_failures: int = placement(2)
    """Training starts again so often after it lost a worker, with no new checkpoint in between, before it gives up."""

    def check_workers(self, check: Callable[[str, bool, str], None]) -> None:
        """Refuses values that could only fail later.

        Args:
            check: refuses a setting by its name, where it is not allowed, and says what is.
        """
        for name in ("num_workers", "checkpoint_steps", "max_failures"):
            check(name, getattr(self, name) >= 0, "0 or more")
