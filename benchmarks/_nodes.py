"""A Ray cluster of several nodes on this machine, whose nodes can be killed and cut off.

In: how many nodes, and their CPUs. Out: a cluster that programs join from its first node, which is never hurt: Ray's
head is there, and the driver. What joins the nodes is a network of `benchmarks/_networks.py`. No process is touched
that was not started here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks._networks import Loopback, Namespaces, Network, send
from engine.runtime.ray_processes import LEAN_ENVIRONMENT

_ROOT = Path(__file__).resolve().parent.parent
_RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block"]
_STORE_BYTES = 150_000_000
_PATIENCE_SECONDS = 90.0
_POLL_SECONDS = 0.1
_UP = "Ray runtime started"
"""What `ray start` prints once its node has joined."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "REPORTER_UPDATE_INTERVAL_MS": "3600000",
}


@dataclass
class Node:
    """A node of the cluster: `ray start` and all that it started."""

    number: int
    process: subprocess.Popen[bytes]
    seen: list[psutil.Process] = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        """Returns the processes of the node that live, and those that it had when it was asked before."""
        with contextlib.suppress(psutil.NoSuchProcess):
            mine = psutil.Process(self.process.pid)
            self.seen = list({*self.seen, mine, *mine.children(recursive=True)})
        self.seen = [process for process in self.seen if process.is_running()]
        return self.seen


class Cluster:
    """Nodes of Ray that come and go; use it as `with Cluster(...) as cluster`.

    Args:
        cpus: the CPUs that each node offers.
        network: what joins them; by default namespaces where they are allowed.
        environment: variables of all processes on all nodes.
    """

    def __init__(self, cpus: int, network: Network | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.network = network or (Namespaces() if Namespaces.are_allowed() else Loopback())
        self._cpus = cpus
        self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # longer paths are too long for Ray's sockets
        self._port = _free_port()
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        ours = LEAN_ENVIRONMENT | _QUIET | token | {"PYTHONPATH": str(_ROOT)}
        self._environment = os.environ | ours | dict(environment or {})
        self._next = 0
        self._cut: list[Node] = []
        self.nodes: list[Node] = []
        """The nodes that are up, the first before all others."""

    def __enter__(self) -> Cluster:
        """Starts the first node."""
        try:
            self.add()
            self.wait_until_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all nodes."""
        self.close()

    @property
    def address(self) -> str:
        """Returns what a driver on the first node joins."""
        return f"{self.network.address(0)}:{self._port}"

    def add(self) -> Node:
        """Starts a node; it joins the others within seconds."""
        number, self._next = self._next, self._next + 1
        self.network.join(number)
        here = self.network.address(number)
        where = [f"--address={self.address}"]
        if not number:
            where = ["--head", f"--port={self._port}", f"--temp-dir={self._folder}", "--include-dashboard=false"]
            where += ["--no-monitor", f"--ray-client-server-port={_free_port()}"]
        command = [*self.network.inside(number), *_RAY, *where, f"--node-ip-address={here}", f"--num-cpus={self._cpus}"]
        command += [f"--object-store-memory={_STORE_BYTES}", "--include-log-monitor=false"]
        command += ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={_free_port()}"]
        with self._log(number).open("wb") as log:
            process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        node = Node(number, process)
        self.nodes.append(node)
        return node

    def replace_failed(self) -> None:
        """Starts another node for each that gave up before it had joined, as a fleet does.

        Raises:
            RuntimeError: the first node has ended, which nothing can replace; the message is its log.
        """
        failed = [node for node in self.nodes if node.process.poll() is not None]
        if first := next((node for node in failed if not node.number), None):
            raise RuntimeError(f"node 0 has ended:\n{self._log(first.number).read_text(errors='replace')}")
        self.kill(failed)
        for _ in failed:
            self.add()

    def kill(self, nodes: Sequence[Node]) -> None:
        """Kills all processes of some nodes at once."""
        processes = [process for node in nodes for process in node.processes()]
        send(processes, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=_PATIENCE_SECONDS)
        for node in nodes:
            node.process.wait()
            self.network.leave(node.number)
            self.nodes.remove(node)

    def cut_off(self, node: Node) -> None:
        """Has nobody hear a node, which lives on."""
        self.network.cut(node.number, node.processes())
        self.nodes.remove(node)
        self._cut.append(node)

    def mend(self) -> None:
        """Has the nodes that were cut off be heard again: Ray, which took them for dead, has them end themselves."""
        for node in self._cut:
            self.network.mend(node.number, node.processes())

    def popen(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Starts a program on the first node.

        Args:
            command: the program.
            log: the end of this file gets all that it prints.
            environment: variables on top of those of the nodes.
        """
        with log.open("ab") as out:
            return subprocess.Popen(
                [*self.network.inside(0), *command],
                env=self._environment | dict(environment),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """Ends every process of every node, and removes what was made for them."""
        self.mend()
        nodes = [*self._cut, *reversed(self.nodes)]
        self._cut, self.nodes = [], list(nodes)
        self.kill(nodes)
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_until_up(self) -> None:
        """Waits until every node has joined.

        Raises:
            RuntimeError: a node does not start; the message is its log.
            TimeoutError: it takes too long.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        waiting = list(self.nodes)
        while waiting:
            logs = {node.number: self._log(node.number).read_text(errors="replace") for node in waiting}
            ended = next((node for node in waiting if node.process.poll() is not None), None)
            if ended:
                raise RuntimeError(f"node {ended.number} does not start:\n{logs[ended.number]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"nodes are not up after {_PATIENCE_SECONDS:g} s: {sorted(logs)}")
            waiting = [node for node in waiting if _UP not in logs[node.number]]
            time.sleep(_POLL_SECONDS)

    def _log(self, number: int) -> Path:
        return self._folder / f"node-{number}.log"


@contextlib.contextmanager
def cluster_of(num_nodes: int, cpus: int, network: Network | None = None) -> Iterator[Cluster]:
    """Starts a cluster of so many nodes, and ends it after the block."""
    with Cluster(cpus, network) as cluster:
        for _ in range(num_nodes - 1):  # Ray gives each 30 s, which three at once may need
            cluster.add()
            cluster.wait_until_up()
        yield cluster


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
