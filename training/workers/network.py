"""Which network the workers of a training use among each other, where they are on several nodes.

In: the workers that Ray Train has started. Out: a process group of torch whose members reach each other. Left alone,
gloo listens where the machine's own name leads, and /etc/hosts often gives that name as loopback: no other node gets
through. Ray knows an address by which each node is reached; gloo is told its network. NCCL passes loopback over itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend

GLOO_NETWORK = "GLOO_SOCKET_IFNAME"
"""The variable that gloo reads; what a user has set there stays."""


@dataclass
class NodeNetwork(TorchConfig):
    """Sets torch's process group up on the network by which Ray reaches each node."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """Returns what Ray Train sets the workers up with."""
        return _OnNodeNetwork


class _OnNodeNetwork(_TorchBackend):
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Names the network in every worker before torch connects them; within one node nothing is named."""
        if len({worker.metadata.node_id for worker in worker_group.get_workers()}) > 1:
            worker_group.execute(name_network)
        super().on_start(worker_group, backend_config)


def name_network() -> None:
    """Has gloo, in this process, use the network whose address Ray gives this node."""
    import ray.util

    if network := network_of(ray.util.get_node_ip_address()):
        os.environ.setdefault(GLOO_NETWORK, network)


def network_of(address: str) -> str:
    """Returns the name of the network interface that has an address; empty where none has it."""
    import psutil

    interfaces = psutil.net_if_addrs().items()
    return next((name for name, given in interfaces if any(each.address == address for each in given)), "")
