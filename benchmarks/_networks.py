"""What joins the nodes of a cluster on one machine, so that a node can be cut off and live on.

In: the numbers of nodes. Out: an address for each, and the command that enters it. Where the kernel lets this process
make networks, each node has one of its own behind one switch, and is cut off by a port that is down: it lives on, and
nobody hears it. Elsewhere all nodes are on loopback, and a node that is cut off is one whose processes stand still.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Protocol

import psutil


class Network(Protocol):
    """What joins the nodes: node 0 is the first, and no number is used twice."""

    def join(self, node: int) -> None:
        """Gives a node that is about to start its place in the network."""

    def address(self, node: int) -> str:
        """Returns the address that a node has."""

    def inside(self, node: int) -> list[str]:
        """Returns the command before a command that is to run on a node."""

    def cut(self, node: int, processes: Sequence[psutil.Process]) -> None:
        """Has nobody hear a node any more, whose processes live on."""

    def mend(self, node: int, processes: Sequence[psutil.Process]) -> None:
        """Has a node that was cut off be heard again."""

    def leave(self, node: int) -> None:
        """Removes the place of a node whose processes have ended."""


class Loopback:
    """All nodes on 127.0.0.1."""

    def join(self, node: int) -> None:
        """Does nothing; see Network."""

    def address(self, node: int) -> str:  # noqa: ARG002 (all have one)
        """Returns the one address of all nodes; see Network."""
        return "127.0.0.1"

    def inside(self, node: int) -> list[str]:  # noqa: ARG002 (all are in one)
        """Returns nothing: a command runs as it is; see Network."""
        return []

    def cut(self, node: int, processes: Sequence[psutil.Process]) -> None:  # noqa: ARG002 (processes tell)
        """Stops the processes; see Network."""
        send(processes, signal.SIGSTOP)

    def mend(self, node: int, processes: Sequence[psutil.Process]) -> None:  # noqa: ARG002 (processes tell)
        """Lets the processes go on; see Network."""
        send(processes, signal.SIGCONT)

    def leave(self, node: int) -> None:
        """Does nothing; see Network."""


class Namespaces:
    """A network namespace for each node, and a bridge in that of the first; nothing of the machine's own is changed."""

    def __init__(self) -> None:
        self._name = f"synthmill-{os.getpid()}-{secrets.token_hex(2)}"

    @classmethod
    def are_allowed(cls) -> bool:
        """Tells whether this process may make such networks."""
        if os.geteuid() or not shutil.which("ip"):
            return False
        trial = cls()
        try:
            trial.join(0)
            trial.join(1)
        except subprocess.CalledProcessError:
            return False
        finally:
            for node in (1, 0):
                with contextlib.suppress(subprocess.CalledProcessError):
                    trial.leave(node)
        return True

    def join(self, node: int) -> None:
        """Makes the namespace of a node and its cable to the bridge; see Network."""
        name, head = self._space(node), self._space(0)
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        if node:
            _ip("-n", head, "link", "add", f"port{node}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", head, "link", "set", f"port{node}", "master", "switch", "up")
        else:
            _ip("-n", head, "link", "add", "switch", "type", "bridge")
        device = "eth0" if node else "switch"
        _ip("-n", name, "addr", "add", f"{self.address(node)}/16", "dev", device)
        _ip("-n", name, "link", "set", device, "up")

    def address(self, node: int) -> str:
        """Returns the address of a node, which means nothing outside; see Network."""
        return f"10.231.{(node + 1) // 250}.{(node + 1) % 250 + 1}"

    def inside(self, node: int) -> list[str]:
        """Returns the command that enters the node's namespace and becomes the command behind it; see Network."""
        return ["ip", "netns", "exec", self._space(node)]

    def cut(self, node: int, processes: Sequence[psutil.Process]) -> None:  # noqa: ARG002 (a port does)
        """Takes the node's port at the bridge down; see Network."""
        _ip("-n", self._space(0), "link", "set", f"port{node}", "down")

    def mend(self, node: int, processes: Sequence[psutil.Process]) -> None:  # noqa: ARG002 (a port does)
        """Takes the node's port up again; see Network."""
        _ip("-n", self._space(0), "link", "set", f"port{node}", "up")

    def leave(self, node: int) -> None:
        """Removes the namespace, and its cable with it; see Network."""
        _ip("netns", "del", self._space(node))

    def _space(self, node: int) -> str:
        return f"{self._name}-{node}"


def send(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    """Sends a signal to those processes that live."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
