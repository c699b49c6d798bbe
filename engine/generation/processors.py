"""How many engines a model has, and what each of them holds of the cluster: cores and GPUs of one node.

In: a generator's config, and the nodes that Ray knows. Out: the numbers, or an error where the engines would never be
placed. An engine that replaces a dead one holds the same, as long as any node has as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.generation.config import GeneratorKind
from engine.runtime.capacity import Ask, gpu_slots

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.runtime.capacity import Capacity
    from engine.runtime.place import Place


@dataclass(frozen=True)
class Processors:
    """What each engine of a group holds, and how many engines there are."""

    num_engines: int
    cpus: int
    """Threads on a CPU."""
    gpus: float
    """A part of one where engines share it."""
    left_free: float = 0.0
    """So much of `cpus` is not asked of Ray: what tasks need that run while engines idle, and what is not there."""

    @property
    def asked_cpus(self) -> float:
        """Returns what each engine asks of Ray."""
        return self.cpus - self.left_free

    def __str__(self) -> str:
        """Returns them in words, such as `2 engines of 4 CPUs each`."""
        return str(Ask("engine", self.num_engines, self.cpus, self.gpus))


def settle_gpus(config: GeneratorConfig, place: Place) -> GeneratorConfig:
    """Gives the config a number of GPUs where it leaves that open.

    On a cluster that is joined it is 1 where any node has one or one with a GPU may come up, whatever the driver's own
    machine has; engines are told the number, and do not look at theirs. For a generator without a model none comes up.
    """
    if config.gpus_per_engine >= 0 or place.cluster.address == "local":
        return replace(config, gpus_per_engine=config.gpus())
    capacity = place.capacity()
    if config.generator is GeneratorKind.fake:
        capacity = replace(capacity, gpus_on_demand=0.0)
    return replace(config, gpus_per_engine=min(1.0, float(int(capacity.num_gpus))))


def choose_processors(config: GeneratorConfig, place: Place) -> Processors:
    """Chooses how many engines there are, and what each holds; says so where they have to wait for it.

    Raises:
        UserError: no nodes of the cluster could ever hold them, and Ray would wait without a word.
    """
    capacity = place.capacity()
    chosen = share_out(config, capacity)
    cpus = float(chosen.cpus)
    if chosen.gpus and not config.cpus_per_engine:
        cpus = capacity.cpus_beside(chosen.gpus, chosen.num_engines)
    ask = capacity.ask("engine", chosen.num_engines, cpus, chosen.gpus)
    where = f"samples.num_engines={config.num_engines}"
    remedy = "lower samples.num_engines, samples.cpus_per_engine or samples.gpus_per_engine"
    place.check_room(ask, where=where, remedy=remedy)
    return Processors(chosen.num_engines, chosen.cpus, chosen.gpus, chosen.cpus - ask.cpus)


def share_out(config: GeneratorConfig, capacity: Capacity) -> Processors:
    """Gives each engine GPUs of one node, or without GPUs as many cores of one as it can have to itself."""
    gpus = config.gpus()
    by_gpus = 1
    if gpus:
        up = sum(gpu_slots(node.gpus, gpus) for node in capacity.nodes)
        by_gpus = max(up, gpu_slots(capacity.gpus_on_demand, gpus))
    num_engines = config.num_engines or max(1, by_gpus)
    cpus = config.cpus_per_engine or (1 if gpus else capacity.most_cores(num_engines))
    return Processors(num_engines, cpus, gpus)
