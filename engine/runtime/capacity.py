"""What the nodes of the cluster hold, and what is said or refused before anything waits for them.

In: processes that are to be asked of Ray at the same time. Out: how many fit, each whole on one node, and how many CPUs
each may take. Ray waits for ever and without a word, for what no node can hold as for what others hold. Here the first
is a UserError, and the second a line on the terminal.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.errors import UserError

if TYPE_CHECKING:
    from engine.runtime.cluster import ClusterConfig
    from engine.runtime.console import Console

TASK_CPUS = 0.25
"""What a small task of Ray Data asks for at least: blocks of curation, rows of a training step. Engines and training
workers leave a node so much, or tasks that they wait for would wait for them."""

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""The variable by which Ray tells the driver of a submitted job, and no worker of it, which one it is."""
_JOBS = "job"
"""Where Ray keeps what is known of submitted jobs."""
_RUNNING = "RUNNING"
"""What Ray says of a job whose driver runs."""
_SETTLE_SECONDS = 5.0
"""Nodes report what is free a moment after it is: so long nothing is said to be missing."""
_POLL_SECONDS = 0.2
_STEPS_PER_CPU = 10_000
"""Ray counts CPUs in these fractions."""
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Node:
    """What one machine of the cluster has, or has free."""

    cpus: float
    gpus: float = 0.0

    def less(self, held: Node) -> Node:
        """Returns what is left where so much is held."""
        return Node(max(0.0, self.cpus - held.cpus), max(0.0, self.gpus - held.gpus))


@dataclass(frozen=True)
class Ask:
    """Processes that run at the same time, each whole on one node.

    Attributes:
        name: what one of them is, in the singular.
        count: how many there are.
        cpus: what each asks of Ray; it may keep more threads busy than that.
        gpus: likewise.
    """

    name: str
    count: int
    cpus: float
    gpus: float = 0.0

    def __str__(self) -> str:
        """Returns the processes in words, such as `2 engines of 4 CPUs and 1 GPU each`."""
        each = _in_words(self.cpus, self.gpus) + (" each" if self.count > 1 else "")
        return f"{self.count} {self.name}{'s' if self.count > 1 else ''} of {each}"

    def places(self, nodes: Sequence[Node]) -> int:
        """Returns how many such processes the nodes can hold."""
        return sum(_times(node, self.cpus, self.gpus) for node in nodes)

    def fits(self, nodes: Sequence[Node]) -> bool:
        """Returns whether the nodes can hold all of them."""
        return self.places(nodes) >= self.count


@dataclass(frozen=True)
class Capacity:
    """What processes can be given.

    Attributes:
        nodes: what Ray may give out on each node.
        cores: what can be kept busy there; on a Ray of the run's own that is less, see `start_ray`.
        task_cpus: what a task asks for that runs beside processes which hold all they can.
        may_grow: whether more nodes may come up.
        gpus_on_demand: the GPUs that there can be once they have.
        in_all: what `nodes` are once the jobs that began later than this one have ended; empty where there are none.
        held_gpus: the GPUs that drivers of jobs hold beside those of `nodes`.
    """

    nodes: tuple[Node, ...]
    cores: tuple[Node, ...]
    task_cpus: float = TASK_CPUS
    may_grow: bool = False
    gpus_on_demand: float = 0.0
    in_all: tuple[Node, ...] = ()
    held_gpus: float = 0.0

    @property
    def num_gpus(self) -> float:
        """Returns the GPUs of all nodes, whoever holds them, or those that may come up where they are more."""
        return max(self.held_gpus + sum(node.gpus for node in self.nodes), self.gpus_on_demand)

    @property
    def num_cores(self) -> int:
        """Returns the cores of all nodes; at least one."""
        return max(1, int(sum(node.cpus for node in self.cores)))

    def most_cores(self, count: int, gpus: float = 0.0) -> int:
        """Returns how many cores each of some processes of one size can have to itself; at least one.

        Args:
            count: how many processes there are.
            gpus: what each takes beside the cores.
        """
        largest = int(max((node.cpus for node in self.cores), default=0))
        sizes = range(largest, 0, -1)
        return next((cpus for cpus in sizes if Ask("", count, cpus, gpus).fits(self.cores)), 1)

    def places(self, cpus: int, gpus: float = 0.0) -> int:
        """Returns how many processes the nodes hold that take so many whole cores each, as `most_cores` gives them."""
        return Ask("", 1, cpus, gpus).places(self.nodes)

    def cpus_beside(self, gpus: float, count: int) -> float:
        """Returns the CPUs that each of some processes can have for which GPUs are what counts; one at most.

        Args:
            gpus: what each takes.
            count: how many there are.
        """
        slots = [(node.cpus, min(count, gpu_slots(node.gpus, gpus))) for node in self.nodes]
        return min([1.0, *(cpus / number for cpus, number in slots if number)])

    def ask(self, name: str, count: int, cpus: float, gpus: float = 0.0) -> Ask:
        """Returns what is asked of Ray for processes that keep `cpus` cores busy each.

        It is a little less than that where as many as fit would leave no task room on some node, also where other nodes
        have room: they may be gone in a moment, or dead already and not yet missed, and then everybody would wait for
        ever. Where no node is up that holds one, those that come are taken to be as large as one. Tasks that run
        meanwhile are few and short. So are the seconds in which drivers compute: nobody waits for one of another job to
        end, as long as there is anything beside it.
        """
        ask = Ask(name, count, cpus, gpus)
        if not cpus or not (self.may_grow or ask.fits(self.in_all or self.nodes)):
            return ask
        if not (self.may_grow or ask.fits(self.nodes)):
            ask = self._beside_drivers(ask)
        while (less := self._with_room(ask, cpus)) < ask.cpus:
            ask = replace(ask, cpus=less)  # of which a larger node may hold more
        return ask

    def _beside_drivers(self, ask: Ask) -> Ask:
        """Returns the largest ask of as many processes that fits beside the drivers of all jobs; as it is without."""
        sizes = {node.cpus / number for node in self.nodes for number in range(1, ask.count + 1) if node.cpus}
        smaller = (replace(ask, cpus=size) for size in sorted(sizes, reverse=True) if size < ask.cpus)
        return next((each for each in smaller if each.fits(self.nodes)), ask)

    def _with_room(self, ask: Ask, size: float) -> float:
        """Returns what each may take so that as many as fit leave a task room on every node."""
        times = [(node.cpus, min(ask.count, _times(node, ask.cpus, ask.gpus))) for node in (*self.nodes, *self.in_all)]
        holding = [(cpus, number) for cpus, number in times if number] or [(size, 1)]
        most = max(0.0, min((cpus - TASK_CPUS) / number for cpus, number in holding))
        return math.floor(most * _STEPS_PER_CPU) / _STEPS_PER_CPU


def read_capacity(cluster: ClusterConfig) -> Capacity:
    """Returns what the nodes of the running Ray have, busy or free, but for what the drivers of running jobs hold.

    Two jobs that counted on the core of each other's driver would wait for each other for ever.
    """
    if cluster.address == "local":
        nodes = nodes_in_all()
        return Capacity(nodes, tuple(replace(node, cpus=cluster.cpus_here()) for node in nodes))
    drivers = _job_drivers()
    nodes = _nodes_less(drivers)
    return Capacity(
        nodes,
        nodes,
        may_grow=cluster.autoscaling,
        gpus_on_demand=cluster.gpus_on_demand if cluster.autoscaling else 0,
        in_all=_nodes_less(_here_to_stay(drivers)),
        held_gpus=sum(node.gpus for node in _nodes_less([])) - sum(node.gpus for node in nodes),
    )


def nodes_in_all() -> tuple[Node, ...]:
    """Returns what the nodes of the running Ray can have for this run once whoever it may wait for has ended.

    That is whatever the drivers of jobs do not hold which began no later than this one: a later job never waits for an
    earlier one's driver to end, so that no two wait for each other.
    """
    return _nodes_less(_here_to_stay(_job_drivers()) if own_job() else [])


def own_job() -> str:
    """Returns what Ray told the driver of a submitted job of that job, as it stands in JOB_VARIABLE; else nothing."""
    return os.environ.get(JOB_VARIABLE, "")


@dataclass(frozen=True)
class JobDriver:
    """What Ray holds for the driver of a submitted job until it ends, and on which node; none while it waits for one.

    That is `ray job submit --entrypoint-num-cpus`, or `entrypointNumCpus` of a RayJob.

    Attributes:
        key: the name under which Ray keeps the job.
        began: when it was submitted, in milliseconds of the epoch.
        node_id: the node of the driver.
        holds: what it holds there.
        is_running: whether its driver runs.
    """

    key: str
    began: int
    node_id: str
    holds: Node
    is_running: bool


def _nodes_less(drivers: Sequence[JobDriver]) -> tuple[Node, ...]:
    import ray

    nodes = []
    for found in (node for node in ray.nodes() if node["Alive"]):
        node = _node(found["Resources"])
        for driver in drivers:
            node = node.less(driver.holds) if driver.node_id == found["NodeID"] else node
        nodes.append(node)
    return tuple(nodes)


def _here_to_stay(drivers: Sequence[JobDriver]) -> list[JobDriver]:
    """Returns the drivers that this run never waits for: its own, and those of earlier jobs."""
    own = next((driver for driver in drivers if driver.key == _own_key()), None)
    return [driver for driver in drivers if own and (driver.began, driver.key) <= (own.began, own.key)]


def _own_key() -> str:
    """Returns the name under which Ray keeps the job that this process is the entrypoint of; empty: it is of none."""
    submission = (json.loads(own_job() or "{}").get("metadata") or {}).get("job_submission_id")
    if not submission:
        return ""
    from ray.dashboard.modules.job.common import JobInfoStorageClient

    key: str = JobInfoStorageClient.JOB_DATA_KEY.format(job_id=submission)
    return key


def _job_drivers() -> list[JobDriver]:
    """Returns the drivers of this job and of all others that run."""
    from ray.dashboard.modules.job.common import JobInfoStorageClient
    from ray.experimental.internal_kv import _internal_kv_list

    own = _own_key()
    kept = [key.decode() for key in _internal_kv_list(JobInfoStorageClient.JOB_DATA_KEY_PREFIX, namespace=_JOBS)]
    return [driver for driver in map(_job_driver, kept) if driver.is_running or driver.key == own]


def _job_driver(key: str) -> JobDriver:
    from ray.experimental.internal_kv import _internal_kv_get

    found = _internal_kv_get(key, namespace=_JOBS)
    job = json.loads(found) if found else {}
    held = Node(float(job.get("entrypoint_num_cpus") or 0), float(job.get("entrypoint_num_gpus") or 0))
    is_running = job.get("status") == _RUNNING
    return JobDriver(key, int(job.get("start_time") or 0), job.get("driver_node_id") or "", held, is_running)


def free_nodes() -> list[Node]:
    """Returns what is free on each node; through a Ray Client, which tells no nodes apart, on all of them together."""
    import ray
    from ray.util.client import ray as client

    if client.is_connected():
        return [_node(ray.available_resources())]
    return [_node(resources) for resources in ray._private.state.available_resources_per_node().values()]


def check_room(ask: Ask, cluster: ClusterConfig, console: Console, *, where: str, remedy: str) -> None:
    """Says on the terminal what is waited for, where what is about to be asked of Ray is not free.

    Args:
        ask: what will be asked.
        cluster: says whether nodes may come up on demand.
        console: the terminal.
        where: the key that asks for it.
        remedy: what to do where no node can hold it.

    Raises:
        UserError: no node can ever hold it.
    """
    nodes = nodes_in_all()
    if not ask.fits(nodes):
        if not cluster.autoscaling:
            verb = "do" if ask.count > 1 else "does"
            if ask.fits(_nodes_less([driver for driver in _job_drivers() if driver.key == _own_key()])):
                remedy += ", or start it again once the jobs have ended whose drivers hold the rest"
            remedy += "; where nodes come up on demand, set cluster.autoscaling=true"
            raise UserError(f"{ask} {verb} not fit {nodes_in_words(nodes)}", where=where, remedy=remedy)
        console.step("cluster", f"waiting for nodes to come up: {ask}; what is up: {nodes_in_words(nodes)}")
    elif not is_free_soon(ask):
        console.step("cluster", f"waiting until others give back what they hold: {ask}")


def is_free_soon(ask: Ask) -> bool:
    """Returns whether the nodes have room for it, now or once what has just ended is no longer counted."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not (is_free := ask.fits(free_nodes())) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return is_free


def _node(resources: dict[str, Any]) -> Node:
    return Node(float(resources.get("CPU", 0)), float(resources.get("GPU", 0)))


def gpu_slots(held: float, asked: float) -> int:
    """Counts how many processes can be given GPUs of one node; what is less than one is a part of a single GPU."""
    if asked >= 1:
        return int(held / asked + _ROUNDING)
    rest = held - int(held + _ROUNDING)  # of a GPU that others hold a part of
    return int(held + _ROUNDING) * int(1 / asked + _ROUNDING) + int(max(0.0, rest) / asked + _ROUNDING)


def _times(node: Node, cpus: float, gpus: float) -> int:
    """Counts how many processes of a size one node can hold."""
    counts = [int(node.cpus / cpus + _ROUNDING)] if cpus else []
    counts += [gpu_slots(node.gpus, gpus)] if gpus else []
    return min(counts, default=1)


def _in_words(cpus: float, gpus: float) -> str:
    parts = [f"{number:g} {kind}{'' if number == 1 else 's'}" for number, kind in ((cpus, "CPU"), (gpus, "GPU"))]
    return " and ".join(parts if gpus else parts[:1])


def nodes_in_words(nodes: Sequence[Node]) -> str:
    """Names nodes of a kind together, such as `2 nodes of 4 CPUs, 1 node of 8 CPUs and 1 GPU`."""
    kinds = {node: nodes.count(node) for node in sorted(nodes, key=lambda node: (node.gpus, node.cpus))}
    words = [f"{n} node{'s' if n > 1 else ''} of {_in_words(node.cpus, node.gpus)}" for node, n in kinds.items()]
    return ", ".join(words) or "0 nodes"
