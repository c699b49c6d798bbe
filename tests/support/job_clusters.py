"""A Ray cluster of two nodes on loopback that takes jobs with a token: a head that offers no CPUs, and one worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.clusters import free_port
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS, wait_until

_RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block"]
_STORE = "--object-store-memory=150000000"


@dataclass(frozen=True)
class JobCluster:
    """Where the cluster answers."""

    dashboard: str
    """The URL for jobs."""


@contextlib.contextmanager
def ray_with_jobs(worker_cpus: int) -> Iterator[JobCluster]:
    """Starts the two nodes as `ray start` makes them; the environment has the token as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # a longer path would be too long for Ray's sockets
    port, dashboard, client = free_port(), free_port(), free_port()
    head = ["--head", "--num-cpus=0", f"--port={port}", "--node-ip-address=127.0.0.1", f"--temp-dir={folder}"]
    head += [f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", f"--ray-client-server-port={client}"]
    worker = [f"--address=127.0.0.1:{port}", f"--num-cpus={worker_cpus}", "--node-ip-address=127.0.0.1"]
    processes: list[subprocess.Popen[bytes]] = []
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "token")
        environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        environment.setenv("PYTHONPATH", str(ROOT))
        environment.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # a job calls synthmill
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        try:
            for arguments, listening in ((head, dashboard), (worker, 0)):
                with (folder / f"start-{len(processes)}.log").open("w", encoding="utf-8") as log:
                    command = [*_RAY, *arguments, _STORE, f"--dashboard-agent-listen-port={free_port()}"]
                    processes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
                if listening:
                    wait_until(lambda: _listens(dashboard, processes[0]), "the dashboard")
            yield JobCluster(f"http://127.0.0.1:{dashboard}")
        finally:
            for process in reversed(processes):
                _end(process)
            shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int, head: subprocess.Popen[bytes]) -> bool:
    assert head.poll() is None, "ray start has failed"
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the processes of one `ray start`, and no other."""
    with contextlib.suppress(psutil.NoSuchProcess):
        processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
        psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
