"""The settings of where a model is trained: keys of `model.*` that change no result, and stay out of fingerprints.

In: values from YAML and the command line. Out: a frozen WorkerSettings, which refuses what cannot work. `ModelConfig`
is one of these, so that each of them is a key of `model`. It imports neither torch nor Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.runtime.identity import placement

_HALF = 0.5
"""Two processes that take so much of a GPU may be given the same one."""


@dataclass(frozen=True)
class WorkerSettings:
    """The processes that train, and what they keep for a later start."""

    num_workers: int = placement(0)
    """The number of training processes; 0 stands for one per GPU of the cluster, or one where there is no GPU."""
    gpus_per_worker: float = placement(1.0)
    """The GPU that a training process takes, where there are any; less than 1 leaves the rest of it to others, such as
    another run, and 0 trains on CPUs. More than half a GPU belongs to each process where there are several."""
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
        name = "gpus_per_worker"
        check(
            name, 0 <= self.gpus_per_worker <= 1, "1 or less: a worker computes on one GPU; model.num_workers adds more"
        )
        several = "more than 0.5, or model.num_workers to 1: no two workers can exchange gradients (NCCL) on one GPU"
        check(name, self.num_workers <= 1 or not self.shares_gpu, several)

    @property
    def shares_gpu(self) -> bool:
        """Tells whether two workers could be given the same GPU."""
        return 0 < self.gpus_per_worker <= _HALF
