"""The place of a run: folders, cluster, terminal and tracker, which every step is given and no fingerprint holds."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.runtime.capacity import (
    TASK_CPUS,
    Ask,
    Capacity,
    check_room,
    free_nodes,
    is_free_soon,
    nodes_in_all,
    read_capacity,
)
from engine.runtime.cluster import ClusterConfig
from engine.storage.digests import digest
from engine.storage.sharing import Sharing, Unshared

if TYPE_CHECKING:
    from engine.runtime.console import Console
    from engine.runtime.memory import MemorySampler
    from engine.runtime.tracking import Tracker


class Engines(Protocol):
    """The engines of a run as the steps see them; `engine.generation.pools.EnginePools` in a run, fakes in tests."""

    def start(self, config: Any, place: Place, salt: str = "") -> Any:
        """Begins to load the engines of a generator's config, or finds them; returns their pool.

        The salt tells this start of the driver from all others: it goes into the seeds of engines that are loaded.
        """

    def stop(self) -> None:
        """Ends every engine, so that its processors and memory are free."""

    def release(self, place: Place, purpose: str) -> None:
        """Ends every engine for the purpose, and says so where there is one; `start` loads them again."""

    def leave_gpu(self, place: Place) -> bool:
        """Has engines that hold a GPU leave its memory to this process, until they are started or asked again.

        They sleep where they can, and end otherwise. Returns whether the GPU is free of them: engines that are still
        loading stay.
        """


@dataclass(frozen=True)
class Place:
    """What a step needs to know about the machine it runs on."""

    run_dir: Path
    store_dir: Path
    cluster: ClusterConfig
    console: Console
    tracker: Tracker
    memory: MemorySampler
    engines: Engines
    sharing: Sharing | None = None
    """What a `runs_dir` that is a URL is shared through."""

    @property
    def shared(self) -> Sharing:
        """Returns the place that finished folders are shared through: this disk, where nothing else was named."""
        return self.sharing or Unshared(self.store_dir.parent)

    def logs(self) -> Path:
        """Makes the folder for what is not meant for the terminal (Ray, vLLM, trainers), which RUN/logs links to."""
        folder = self.store_dir / "logs" / digest(str(self.run_dir))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def embeddings(self) -> Path:
        """Returns the folder of the embedding cache, which all runs of a store share."""
        return self.store_dir / "embeddings"

    @functools.cached_property
    def num_cpus(self) -> int:
        """Returns the number of cores that one step may keep busy on this machine."""
        return self.cluster.cpus_here()

    def start_ray(self) -> None:
        """Starts or joins Ray; a second call does nothing."""
        from engine.runtime.cluster import is_started, start_ray

        address = self.cluster.address
        if not is_started():
            self.console.step("ray", "starting" if address == "local" else f"joining {address}")
        if dashboard := start_ray(self.cluster, self.logs()):
            self.console.step("ray", f"dashboard at http://{dashboard}")

    def capacity(self) -> Capacity:
        """Reads what the nodes of the cluster hold."""
        self.start_ray()
        return read_capacity(self.cluster)

    def check_room(self, ask: Ask, *, where: str, remedy: str) -> None:
        """Says what is waited for where what is about to be asked of Ray is not free; see `capacity.check_room`.

        Raises:
            UserError: no node can ever hold it.
        """
        check_room(ask, self.cluster, self.console, where=where, remedy=remedy)

    def make_room(self, ask: Ask, *, where: str, remedy: str) -> None:
        """Ends engines of the run where they hold what is about to be asked of Ray, and then checks as `check_room`.

        Raises:
            UserError: no node can ever hold it.
        """
        self.start_ray()
        if ask.fits(nodes_in_all()) and not is_free_soon(ask):
            self.engines.release(self, f"for {ask}")
        self.check_room(ask, where=where, remedy=remedy)

    def room_for_tasks(self, name: str) -> float:
        """Makes room for tasks of Ray Data; returns the CPUs that each is to ask for.

        It is a whole one only where every node has one free: the one that has may be dead and not yet missed, and the
        others hold engines, which leave less.

        Raises:
            UserError: there is no node with CPUs.
        """
        whole = [node for node in self.capacity().nodes if node.cpus >= 1.0]
        if whole and len([node for node in free_nodes() if node.cpus >= 1.0]) >= len(whole):
            return 1.0
        where, remedy = f"cluster.address={self.cluster.address}", "give Ray CPUs on a node (`ray start --num-cpus`)"
        self.make_room(Ask(name, 1, TASK_CPUS), where=where, remedy=remedy)
        return TASK_CPUS
