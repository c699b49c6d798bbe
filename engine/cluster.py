"""Start or join Ray: the only room that calls `ray.init`.

In: a ClusterConfig. Out: a Ray that is up, its logs in the run folder, nothing phoned home.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.identity import place

QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_SILENT": "true",
    "WANDB__DISABLE_STATS": "true",
    "WANDB_ERROR_REPORTING": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Nothing leaves the machine unasked; set in the driver and, through Ray, in every worker."""


@dataclass(frozen=True)
class ClusterConfig:
    """How a run joins Ray and what it may use of this machine. None of it changes a result."""

    address: str = place("local")
    """`local` starts a Ray for this run alone; `auto` or `ray://...` joins one that runs."""
    num_cpus: int = place(0)
    """Cores to use when starting Ray; 0 takes those that this process may run on."""
    object_store_bytes: int = place(512 * 2**20)
    """Ray's shared memory when starting Ray."""
    min_free_disk_bytes: int = place(2 * 10**9)
    """A step is refused when the store's disk has less."""

    def cpus_here(self) -> int:
        """Cores this process may keep busy."""
        return self.num_cpus or len(os.sched_getaffinity(0))


def quiet() -> None:
    """Turns off telemetry and chatter of every library; before any of them is imported."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def start_ray(config: ClusterConfig, logs: Path) -> None:
    """Starts or joins Ray, once per process; later calls return at once.

    Ray's own logs are linked as `logs/ray`.
    """
    import ray

    if ray.is_initialized():
        return
    runtime_env = {"env_vars": {name: os.environ[name] for name in QUIET_ENVIRONMENT if name in os.environ}}
    if config.address != "local":
        ray.init(address=config.address, log_to_driver=False, logging_level="ERROR", runtime_env=runtime_env)
        return
    # Logical CPUs exceed cores: Ray Data tasks and zero-work actors must not wait for a busy engine.
    ray.init(
        address="local",
        num_cpus=config.cpus_here() + 4,
        object_store_memory=config.object_store_bytes,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env=runtime_env,
    )
    session = Path(ray._private.worker.global_worker.node.get_session_dir_path())
    link = logs / "ray"
    link.unlink(missing_ok=True)
    link.symlink_to(session / "logs")
