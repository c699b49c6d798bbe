"""The place of a run: folders, cluster, terminal and tracker, which every step is given and no fingerprint holds."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.runtime.cluster import ClusterConfig
from engine.storage.digests import digest

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

    def logs(self) -> Path:
        """Makes the folder for what is not meant for the terminal (Ray, vLLM, trainers), which RUN/logs links to."""
        folder = self.store_dir / "logs" / digest(str(self.run_dir))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def embeddings(self) -> Path:
        """The folder of the embedding cache, which all runs of a store share."""
        return self.store_dir / "embeddings"

    @functools.cached_property
    def num_cpus(self) -> int:
        """The number of cores that one step may keep busy on this machine."""
        return self.cluster.cpus_here()

    def start_ray(self) -> None:
        """Starts or joins Ray; a second call does nothing."""
        from engine.runtime.cluster import start_ray

        start_ray(self.cluster, self.logs())
