"""Start or join Ray: the only room that calls `ray.init`.

In: a ClusterConfig. Out: a Ray that is up, its logs in the run folder, nothing phoned home.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.runtime.identity import placement

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


_KNOCK_SECONDS = 5.0


@dataclass(frozen=True)
class ClusterConfig:
    """How a run joins Ray and what it may use of this machine. None of it changes a result."""

    address: str = placement("local")
    """`local` starts a Ray for this run alone; `auto` or `ray://...` joins one that runs."""
    num_cpus: int = placement(0)
    """Cores to use when starting Ray; 0 takes those that this process may run on."""
    object_store_bytes: int = placement(512 * 2**20)
    """Ray's shared memory when starting Ray."""
    min_free_disk_bytes: int = placement(2 * 10**9)
    """A step is refused when the store's disk has less."""

    def __post_init__(self) -> None:
        """Refuses amounts below zero."""
        for name in ("num_cpus", "object_store_bytes", "min_free_disk_bytes"):
            value = getattr(self, name)
            if value < 0:
                raise UserError(f"{value} is too small", where=f"cluster.{name}={value}", remedy="set it to 0 or more")

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
        with _naming_no_cluster(config.address):
            _knock(config.address)
            ray.init(address=config.address, log_to_driver=False, logging_level="ERROR", runtime_env=runtime_env)
        return
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # workers nobody asked for, beside a busy engine
    on_terminate = signal.getsignal(signal.SIGTERM)
    # Logical CPUs exceed cores: Ray Data tasks and zero-work actors must not wait for a busy engine.
    with _deaf_to_hang_ups():
        ray.init(
            address="local",
            num_cpus=config.cpus_here() + 4,
            object_store_memory=config.object_store_bytes,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env=runtime_env,
        )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray's own handler would drop the open parts
    session = Path(ray._private.worker.global_worker.node.get_session_dir_path())
    link = logs / "ray"
    link.unlink(missing_ok=True)
    link.symlink_to(session / "logs")


@contextlib.contextmanager
def _deaf_to_hang_ups() -> Iterator[None]:
    """Lets processes that are started inside the block not notice that the terminal is closed.

    The driver notices, has them commit, and ends them; a signal during the block reaches it afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at `HOST:PORT` or `ray://HOST:PORT`; Ray would keep trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


@contextlib.contextmanager
def _naming_no_cluster(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ConnectionError of Ray's is one
        reason = str(error).split(".")[0] or type(error).__name__
        raise UserError(
            f"no Ray cluster answers there ({reason})",
            where=f"cluster.address={address}",
            remedy="start one (`ray start --head`), name its address, or set cluster=local",
        ) from error
