"""How many engines a model has, and what each of them holds of the cluster: cores and GPUs.

In: a generator's config, and the cluster that Ray knows. Out: the numbers, or an error where the engines would never be
placed. Chosen once, so that an engine that replaces a dead one holds the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import UserError

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.runtime.place import Place


@dataclass(frozen=True)
class Processors:
    """What each engine of a group holds, and how many engines there are."""

    num_engines: int
    cpus: int
    gpus: int


def choose_processors(config: GeneratorConfig, place: Place) -> Processors:
    """How many engines there are, and what each of them holds.

    Raises:
        UserError: the cluster could never place them, and Ray would wait without a word.
    """
    import ray

    available, gpus = ray.cluster_resources(), config.gpus()
    by_gpus = max(1, int(available.get("GPU", 0)) // gpus) if gpus else 1
    shared = max(1, place.num_cpus // (config.num_engines or 1))
    chosen = Processors(config.num_engines or by_gpus, config.cpus_per_engine or (1 if gpus else shared), gpus)
    for kind, each in (("GPU", chosen.gpus), ("CPU", chosen.cpus)):
        if chosen.num_engines * each > available.get(kind, 0):
            raise UserError(
                f"{chosen.num_engines} engines of {each} {kind} each do not fit {available.get(kind, 0):g} {kind}",
                where=f"samples.num_engines={config.num_engines}",
                remedy=f"lower samples.num_engines or samples.{kind.lower()}s_per_engine",
            )
    return chosen
