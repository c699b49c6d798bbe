"""Starts or joins Ray; no other module calls `ray.init`.

In: a ClusterConfig. Out: a running Ray, whose logs are in the run folder and which sends nothing anywhere. What Ray
would refuse only after a costly start is refused here first.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from engine.errors import UserError, check_setting
from engine.runtime.identity import placement
from engine.runtime.own_packages import WORKER_HOOK, search_path
from engine.runtime.ray_processes import only_needed_processes

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
"""Variables with which no library sends anything unasked; the driver has them and, through Ray, every worker."""


_KNOCK_SECONDS = 5.0
LEAST_STORE_BYTES = 75 * 2**20
"""The smallest object store that Ray starts with."""
_STORE_BYTES_ON_DISK = 10**10
"""Up to this size Ray puts the object store on the disk where shared memory is too small for it."""
_SHARED_MEMORY = "/dev/shm"
_LONGEST_SOCKET_BYTES = 107
"""The most bytes that the path of a socket may have: the kernel keeps it in 108 bytes with a zero at the end."""
_SOCKET_BELOW_TEMP = "/ray/session_2026-01-31_23-59-59_999999_4194304/sockets/plasma_store.99"
"""The longest path of a socket below Ray's folder for temporary files: the process id has 7 digits at most."""
_OWNER_ALONE = 0o600
_SHORT_TEMP = Path("/tmp")  # Ray's own choice where no variable names another


class Launcher(Enum):
    """What takes a run to a cluster, for `synthmill launch`."""

    none = "none"
    ray = "ray"
    kuberay = "kuberay"
    slurm = "slurm"
    aws = "aws"


@dataclass(frozen=True)
class ClusterConfig:
    """How a run joins Ray and what it may use of this machine. None of it changes a result."""

    address: str = placement("local")
    """`local` starts a Ray for this run alone; `auto` or `ray://...` joins one that runs."""
    autoscaling: bool = placement(False)
    """Whether the cluster brings nodes up on demand: what fits no node that is up is then waited for, not refused."""
    gpus_on_demand: int = placement(0)
    """The GPUs of nodes that autoscaling may bring up: engines and training ask for them though no such node is up."""
    launcher: Launcher = placement(Launcher.none)
    """What `synthmill launch` takes the run there with; the files of conf/cluster/ set it."""
    num_cpus: int = placement(0)
    """The cores of a Ray that the run starts; 0 takes those that this process may run on."""
    object_store_bytes: int = placement(512 * 2**20)
    """The shared memory of a Ray that the run starts."""
    dashboard: bool = placement(False)
    """Whether a Ray that the run starts has its dashboard; one that is joined has what it was started with."""
    dashboard_host: str = placement("127.0.0.1")
    """The address that the dashboard listens at. It asks for no password, and whoever reaches it can run code here."""
    min_free_disk_bytes: int = placement(2 * 10**9)
    """A step is refused where the disk of the store has less free space than this."""
    cache_bytes: int = placement(100 * 10**9)
    """With `runs_dir` behind a URL: what is kept on this disk of finished steps that the run does not use."""

    def __post_init__(self) -> None:
        """Refuses amounts below zero, and an object store that Ray would not start with on this machine."""
        for name in ("num_cpus", "gpus_on_demand", "min_free_disk_bytes", "cache_bytes"):
            value = getattr(self, name)
            check_setting(value >= 0, f"cluster.{name}", value, "0 or more", fault="is too small")
        self._check_object_store()

    def _check_object_store(self) -> None:
        size = self.object_store_bytes
        where = f"cluster.object_store_bytes={size}"
        if size < LEAST_STORE_BYTES:
            remedy = f"set it to {LEAST_STORE_BYTES} (75 MiB) or more"
            raise UserError(f"{size} bytes are too few for Ray's object store", where=where, remedy=remedy)
        if self.address != "local":
            return
        if size > (there := memory_bytes()):
            remedy = f"set it to a part of that; {ClusterConfig.object_store_bytes} is the default"
            raise UserError(f"the machine has {there} bytes of memory in all", where=where, remedy=remedy)
        if size > _STORE_BYTES_ON_DISK and size > (there := shared_memory_bytes()):
            remedy = "set it to less, or give the machine more (`docker run --shm-size`)"
            raise UserError(f"{_SHARED_MEMORY} has {there} bytes free", where=where, remedy=remedy)

    def cpus_here(self) -> int:
        """Returns the number of cores that this process may keep busy."""
        return self.num_cpus or len(os.sched_getaffinity(0))


def quiet() -> None:
    """Turns off telemetry and chatter of every library; it is called before any of them is imported."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def memory_bytes() -> int:
    """Returns the memory of this machine, or of the container that this process runs in, in bytes."""
    import psutil

    limits: list[int] = [psutil.virtual_memory().total]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError):  # a machine has one of the two files, or none
            text = Path(file).read_text(encoding="ascii").strip()
            limits += [int(text)] if text.isdecimal() else []  # where there is no limit, the file says `max`
    return min(limits)


def shared_memory_bytes() -> int:
    """Returns the free bytes of shared memory; no limit where a variable of Ray's allows it slower storage instead."""
    if os.environ.get("RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE"):
        return sys.maxsize
    return shutil.disk_usage(_SHARED_MEMORY).free


def temp_folder() -> str | None:
    """Chooses the folder of Ray's sessions: None leaves it to Ray; `/tmp/ray` is for where paths are too long.

    Raises:
        UserError: the paths are too long, and nothing may be written in /tmp.
    """
    variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), "TMPDIR")
    folder = os.environ.get(variable, str(_SHORT_TEMP))
    longest = _LONGEST_SOCKET_BYTES - len(_SOCKET_BELOW_TEMP)
    if len(os.fsencode(folder)) <= longest:
        return None
    if os.access(_SHORT_TEMP, os.W_OK | os.X_OK):
        return str(_SHORT_TEMP / "ray")
    raise UserError(
        f"is {len(os.fsencode(folder))} bytes long, and the paths of Ray's sockets below it would be too long",
        where=f"{variable}={folder}",
        remedy=f"set RAY_TMPDIR to a folder of at most {longest} bytes that you may write in",
    )


def worker_environment() -> dict[str, Any]:
    """Returns the runtime environment of every worker: it sends nothing, and imports our packages before any other."""
    variables = {name: os.environ[name] for name in QUIET_ENVIRONMENT if name in os.environ}
    return {"env_vars": variables | search_path(), "worker_process_setup_hook": WORKER_HOOK}


def is_started() -> bool:
    """Tells whether this process has started or joined Ray."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def start_ray(config: ClusterConfig, logs: Path, variables: Mapping[str, str] | None = None) -> str:
    """Starts or joins Ray, once per process; later calls return at once.

    Args:
        config: which Ray, and how large one is that is started.
        logs: the folder in which Ray's own logs are linked, as `ray`.
        variables: what the environment of its workers has besides.

    Returns:
        The address of the dashboard of a Ray that was started, as `HOST:PORT`; empty where there is none.

    Raises:
        UserError: no cluster answers at the address, Ray does not start in time, or its sockets would have paths that
            are too long.
    """
    if is_started():
        return ""
    import ray

    runtime_env = worker_environment()
    runtime_env["env_vars"] |= dict(variables or {})
    if config.address != "local":
        with _naming_no_cluster(config.address), _terminated_as_before():
            _knock(config.address)
            ray.init(address=config.address, log_to_driver=False, logging_level="ERROR", runtime_env=runtime_env)
        return ""
    _give_token()
    # Logical CPUs exceed cores: tasks of Ray Data must not wait for a busy engine (on a Ray that is joined an engine
    # leaves them a quarter of a CPU, see capacity.py).
    needed = only_needed_processes(dashboard=config.dashboard)
    with _terminated_as_before(), _hang_ups_blocked(), _naming_a_slow_start(), needed:
        context = ray.init(
            address="local",
            num_cpus=config.cpus_here() + 4,
            object_store_memory=config.object_store_bytes,
            include_dashboard=config.dashboard,
            dashboard_host=config.dashboard_host,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env=runtime_env,
            _temp_dir=temp_folder(),
        )
    session = Path(ray._private.worker.global_worker.node.get_session_dir_path())
    link = logs / "ray"
    link.unlink(missing_ok=True)
    link.symlink_to(session / "logs")
    dashboard: str = context.address_info["webui_url"] or "" if config.dashboard else ""
    return dashboard


@contextlib.contextmanager
def _naming_a_slow_start() -> Iterator[None]:
    """Says in one line that Ray's processes did not come up in time, for which Ray raises a bare Exception.

    Raises:
        UserError: they did not.
    """
    try:
        yield
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        where, remedy = "cluster.address=local", "start again when the machine has less to do"
        raise UserError("Ray's processes did not start in time", where=where, remedy=remedy) from error


@contextlib.contextmanager
def _terminated_as_before() -> Iterator[None]:
    """Keeps what this process does on a SIGTERM, whether it comes while Ray starts or afterwards.

    Ray sets a handler of its own before it starts or joins anything, and leaves it there: one that exits with the
    signal's number, without a word, and without the parts that engines have open. One that Ray answered already comes
    again for the handler that was there before.
    """
    if threading.current_thread() is not threading.main_thread():  # there Ray sets none
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as end:
        if end.code == signal.SIGTERM:
            signal.signal(signal.SIGTERM, before)
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _hang_ups_blocked() -> Iterator[None]:
    """Starts processes so that they do not notice when the terminal is closed.

    The driver notices it, lets them commit, and ends them; a signal during the block reaches it afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _give_token() -> None:
    """Sees to the token without which nobody reaches a Ray that a run starts.

    Ray keeps one in the home folder, but in a file that it leaves readable to everybody on the machine: it is made here
    before, or closed to others. Where nothing can be kept there, the token is for this run alone.
    """
    has_token = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if has_token or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    folder = Path.home() / ".ray"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _keep_token(folder / "auth_token")
    except OSError:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _keep_token(file: Path) -> None:
    """Makes the file of a token, or closes the one that is there, so that its owner alone can read it."""
    new = file.with_name(f".auth_token-{secrets.token_hex(8)}")
    try:
        new.touch(_OWNER_ALONE, exist_ok=False)
        new.write_text(secrets.token_hex(32), encoding="ascii")
        os.link(new, file)  # whole, or not at all: another run may start at the same time
    except FileExistsError:
        state = file.stat()
        if state.st_uid == os.geteuid() and stat.S_IMODE(state.st_mode) & ~_OWNER_ALONE:
            file.chmod(_OWNER_ALONE)
    finally:
        new.unlink(missing_ok=True)


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at `HOST:PORT` or `ray://HOST:PORT`; Ray would keep trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


@contextlib.contextmanager
def _naming_no_cluster(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # the ConnectionError that Ray raises is an OSError
        reason = str(error).split(".")[0] or type(error).__name__
        raise UserError(
            f"no Ray cluster answers there ({reason})",
            where=f"cluster.address={address}",
            remedy="start one (`ray start --head`), name its address, or set cluster=local; where it wants a token, "
            "RAY_AUTH_MODE=token sends yours",
        ) from error
