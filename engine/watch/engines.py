"""How the engines of a run are, for whoever watches it: what their driver knows, without asking them.

In: the engines of the place. Out: a line for each, and how many there should be; what each reported last is half a
second old at most. It may be read from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.generation.pools import EnginePools
from engine.generation.totals import EngineTotals, add_up
from engine.watch.status import EngineLife

if TYPE_CHECKING:
    from engine.generation.engine import Engine
    from engine.generation.pool import EnginePool
    from engine.runtime.place import Engines


def engines_of(engines: Engines) -> list[Engine]:
    """Returns the engines that are there now; none where the place has no real ones."""
    return [engine for pool in pools_of(engines) for engine in list(pool.engines)]


def pools_of(engines: Engines) -> list[EnginePool]:
    """Returns the pools that are there now; none where the place has no real ones."""
    return engines.loaded_pools() if isinstance(engines, EnginePools) else []


def totals_of(engines: Engines) -> EngineTotals:
    """Adds up what the engines did of their jobs so far, those that have ended included, and a mix's earlier ones."""
    return add_up(engines.totals()) if isinstance(engines, EnginePools) else EngineTotals()


def run_totals_of(engines: Engines) -> EngineTotals:
    """Adds up what all engines of the run did so far, in all of its jobs."""
    return engines.run_totals() if isinstance(engines, EnginePools) else EngineTotals()


def engine_lives(engines: Engines) -> tuple[list[EngineLife], int]:
    """Returns how each engine is, and how many there should be."""
    wanted = sum(pool.num_wanted for pool in pools_of(engines))
    return [_life(engine) for engine in engines_of(engines)], wanted


def _life(engine: Engine) -> EngineLife:
    totals = engine.totals or EngineTotals()
    return EngineLife(engine.index, engine.state.value, totals.generated, totals.failed, totals.output_tokens)
