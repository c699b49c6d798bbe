"""Ray clusters of a test's own, which touch nobody else's on this machine: own ports and folder, ended by id."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from engine.runtime.ray_processes import LEAN_ENVIRONMENT
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

_PORTS = range(20_000, 32_000)
"""Above the ports of Ray's workers, and below those that the system gives to connections while nobody looks."""
_STORE_BYTES = 150_000_000
_HEAD_ID, _HEAD_TYPE = "f" * 51 + "00000", "ray.head.default"
"""What Ray's provider of nodes for tests takes for the head."""
_NODES_HERE = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
"""That provider. By its own name version 2 does not find it: Ray's package lacks the file of its defaults."""


@contextlib.contextmanager
def ray_start(num_cpus: int, num_gpus: int = 0) -> Iterator[str]:
    """One node with exactly so many CPUs, as `ray start` makes it; yields its address. Its GPUs are numbers only."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # a longer path would be too long for Ray's sockets
    port, client_port = free_port(), free_port()
    code = "from ray.scripts.scripts import main; main()"
    command = [sys.executable, "-c", code, "start", "--head", "--block", "--disable-usage-stats"]
    command += [f"--port={port}", f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"]
    command += [
        f"--num-cpus={num_cpus}",
        f"--num-gpus={num_gpus}",
        f"--object-store-memory={_STORE_BYTES}",
        "--include-dashboard=false",
        "--include-log-monitor=false",
        "--no-monitor",
    ]
    with _started(command, folder, port, {}) as address:
        yield address


@contextlib.contextmanager
def ray_that_scales(num_cpus: int, node: Mapping[str, int], most: int, version: int) -> Iterator[str]:
    """A head with so many CPUs, whose own autoscaler starts further nodes when they are asked for, and ends idle ones.

    The nodes are processes on this machine: Ray's provider for its own tests.

    Args:
        num_cpus: the CPUs of the head.
        node: the resources of each other node.
        most: how many of these there may be at a time; none is there at first.
        version: of the autoscaler; `ray up` has 1, KubeRay 2.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    port = free_port()
    provider: dict[str, object] = {"type": "external", "module": _NODES_HERE, "gcs_address": f"127.0.0.1:{port}"}
    provider |= {"launch_multiple": True, "head_node_id": _HEAD_ID, "use_node_id_as_ip": True}
    provider |= {"disable_node_updaters": True, "disable_launch_config_check": True}
    types = {
        _HEAD_TYPE: {"resources": {"CPU": num_cpus}, "node_config": {}, "max_workers": 0},
        "node": {"resources": dict(node), "node_config": {}, "min_workers": 0, "max_workers": most},
    }
    config: dict[str, object] = {
        "cluster_name": "test",
        "max_workers": most,
        "provider": provider,
        "idle_timeout_minutes": 0.05,
    }
    config |= {"available_node_types": types, "head_node_type": _HEAD_TYPE, "upscaling_speed": 10.0}
    config |= {"idle_timeout_minutes": 0.25}
    # What `ray up` fills in for machines that are reached by SSH, and version 1 reads.
    config |= {"auth": {}, "docker": {}, "file_mounts": {}, "file_mounts_sync_continuously": False}
    lists = ["cluster_synced_files", "initialization_commands", "rsync_exclude", "rsync_filter", "setup_commands"]
    lists += [f"{kind}_{what}_commands" for kind in ("head", "worker") for what in ("setup", "start_ray")]
    config |= {name: [] for name in lists}
    (folder / "autoscaler.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--head", "--block"]
    command += [f"--autoscaling-config={folder / 'autoscaler.json'}", f"--port={port}", f"--num-cpus={num_cpus}"]
    command += [f"--ray-client-server-port={free_port()}", f"--temp-dir={folder}", "--disable-usage-stats"]
    command += [f"--object-store-memory={_STORE_BYTES}", "--include-dashboard=false", "--include-log-monitor=false"]
    variables = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    if version == 2:
        variables |= {"RAY_enable_autoscaler_v2": "1"}
        variables |= {"RAY_CLOUD_INSTANCE_ID": _HEAD_ID, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_ID}
    with _started(command, folder, port, variables) as address:
        yield address


@contextlib.contextmanager
def _started(command: Sequence[str], folder: Path, port: int, variables: Mapping[str, str]) -> Iterator[str]:
    """Runs `ray start`, with variables of its own, for as long as the block lasts; removes its folder then."""
    with (folder / "start.log").open("w", encoding="utf-8") as log, pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "disabled")  # drivers that name an address send no token unasked
        environment.setenv("PYTHONPATH", str(ROOT))
        for name, value in LEAN_ENVIRONMENT.items():  # as in a Ray that a run starts
            environment.setenv(name, value)
        head = subprocess.Popen(
            command, env=os.environ | dict(variables), stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(port, head)
            yield f"127.0.0.1:{port}"
        finally:
            _end(head)
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens at, and that is not likely to be the next one of another process of the tests."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", random.choice(_PORTS)))
            return int(listener.getsockname()[1])


def run_driver(file: str, *arguments: str, timeout: float = 200) -> str:
    """Runs a test file as the driver that it is as a program, in a process of its own; returns what it printed."""
    done = subprocess.run(
        [sys.executable, file, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wait_for(port: int, head: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert head.poll() is None, "ray start has failed"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise TimeoutError(f"nobody listens at {port}")


def _end(head: subprocess.Popen[bytes]) -> None:
    """Ends the processes of one `ray start`, and no other."""
    processes = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
    for process in processes:  # at once: left to themselves, Ray's agents need ten seconds to notice
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    head.wait()
    psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
