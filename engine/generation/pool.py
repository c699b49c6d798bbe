"""The engine pool: gives the units of a job out to the engines of one model until every row is committed.

In: a job and its units. Out: every row in a part that counts, once. engine/generation/routing.py decides which engine
does what; the uncommitted rows of an engine that died go back into the queues, and another engine takes its place.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.generation.actor import end_actor
from engine.generation.budget import Budget
from engine.generation.engines import Engine, EngineGroup, EngineState, read_totals
from engine.generation.jobs import GenerationJob, Unit, token_counts
from engine.generation.loop import Rest
from engine.generation.routing import Queues, units_held, warm_capacity
from engine.generation.totals import EngineTotals, add_up, check_failures
from engine.runtime.memory import release_gpu_memory
from engine.storage.files import require_space

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.runtime.place import Place
    from engine.storage.parts_log import PartsLog

_POLL_SECONDS = 1.0
_IDLE_SECONDS = 0.1
_LIST_SECONDS = 5.0
"""What engines have written is listed this often: a part that is not listed is nobody's to read."""
_UNKNOWN_CACHE = 16
"""Prefixes taken to stay warm where a generator does not say how much its cache holds."""
_UNITS_WAITING = 1024
"""Units made in advance: enough prefixes to choose from, few enough for their texts to stay in memory."""


class EnginePool:
    """The engines of one model, kept by the driver for the whole run; a Pool.

    Args:
        config: which model, and how many engines.
        place: where they run.
        salt: tells this start of the driver from all others; it goes into the engines' seeds.
        first_index: the number of the first engine.
        budget: what is left of `samples.max_seconds`, where another pool has used some of it.
    """

    def __init__(
        self, config: GeneratorConfig, place: Place, salt: str, first_index: int = 0, budget: Budget | None = None
    ) -> None:
        self.config = config
        self._place = place
        self._budget = budget or Budget(config.max_seconds)
        self._group = EngineGroup(config, place, salt, first_index)
        self._deaths = 0
        self._unit_tokens = (1.0, 1.0)
        self._is_asleep = False
        self.out_of_time = False

    @property
    def start_seconds(self) -> float:
        """The longest start of an engine so far."""
        return self._group.start_seconds

    @property
    def engines(self) -> list[Engine]:
        """The engines as they are now."""
        return self._group.engines

    def wait_ready(self) -> float:
        """Waits until every engine is loaded; see Pool."""
        return self._group.wait_ready()

    @property
    def holds_gpu(self) -> bool:
        """Whether the engines hold memory of GPUs."""
        return not self._is_asleep and any(engine.processors.gpus for engine in self.engines)

    @property
    def is_loading(self) -> bool:
        """Whether nobody has waited yet until all engines were loaded."""
        return any(engine.state is EngineState.loading for engine in self.engines)

    def sleep(self) -> bool:
        """Has idle engines leave the memory of their GPUs until `wake`; returns whether all of them did.

        What their prefix caches held is lost. No job counts on it: each takes all caches for cold when it begins.
        """
        self._is_asleep = all(engine.can_sleep for engine in self.engines) and self._rest(Rest.sleep)
        return self._is_asleep

    def wake(self) -> bool:
        """Has engines that sleep take the memory of their GPUs again; returns whether all are awake now."""
        if self._is_asleep:
            release_gpu_memory()  # of the driver, which computed on the GPU meanwhile
            self._is_asleep = not self._rest(Rest.wake)
        return not self._is_asleep

    def _rest(self, rest: Rest) -> bool:
        """Puts all engines to sleep, or wakes them; returns whether none has died of it."""
        import ray

        try:
            ray.get([engine.actor.rest.remote(rest) for engine in self.engines])
        except ray.exceptions.RayActorError:
            return False
        return True

    def generate(
        self, job: GenerationJob, parts: PartsLog, units: Iterable[Unit], on_progress: Callable[[int], None]
    ) -> list[EngineTotals]:
        """Generates all rows of all units into committed parts; see Pool."""
        self.wait_ready()
        self._group.open(job)
        source = iter(units)
        queues = self._queues(source)
        self._budget.start()
        while _fill(queues, source) or any(engine.is_busy for engine in self.engines):
            if self._budget.is_used_up:
                self.out_of_time = True
                self.stop()
                break
            self._give_out(queues)
            for dead in self._settle():
                self._replace(dead, parts, queues)
            parts.list_new(_LIST_SECONDS)
            together = add_up(self.totals())
            on_progress(together.finished)
            check_failures(job.max_failed_share, together)
        parts.list_new()
        return self.totals()

    def _queues(self, source: Iterator[Unit]) -> Queues[Unit]:
        first = list(itertools.islice(source, _UNITS_WAITING))
        self._unit_tokens = token_counts(first)
        queues = Queues(first)
        for engine in self.engines:
            queues.add_engine(engine.index, self._warm_prefixes(engine))
        return queues

    def _warm_prefixes(self, engine: Engine) -> int:
        """The number of prefixes that an engine's cache holds beside a full batch."""
        shortest, mean = self._unit_tokens
        if self.config.warm_prefixes or not engine.cache_tokens:
            return self.config.warm_prefixes or _UNKNOWN_CACHE
        # The shortest prompt is the prefix and little more; what the others have beyond it is not shared.
        batch = engine.config.max_num_seqs * (mean - shortest + self.config.max_tokens)
        return warm_capacity(engine.cache_tokens, round(batch), round(shortest))

    def _give_out(self, queues: Queues[Unit]) -> None:
        more = True
        while more:  # every engine gets a first unit before any gets a second
            more = False
            for engine in sorted(self.engines, key=lambda engine: len(engine.units)):
                in_flight = units_held([unit.size for unit in engine.units.values()], self.config.max_num_seqs)
                if unit := queues.take(engine.index, in_flight):
                    engine.units[engine.actor.process.remote(unit.rows)] = unit
                    more = True

    def _settle(self) -> list[Engine]:
        """Waits a moment, and takes note of finished units and of totals; returns the engines that are dead."""
        import ray

        running = [reference for engine in self.engines for reference in engine.units]
        if running:
            done = set(ray.wait(running, num_returns=1, timeout=_POLL_SECONDS, fetch_local=False)[0])
        else:
            time.sleep(_IDLE_SECONDS)
            done = set()
        for engine in self.engines:
            try:
                for reference in done & engine.units.keys():
                    ray.get(reference)
                    engine.settled.append(engine.units.pop(reference))
            except ray.exceptions.RayActorError:  # gone, or out of reach: _replace closes its epoch
                engine.state = EngineState.dead
        # Totals come after the units: what they say is committed then covers every row of a finished unit.
        read_totals([engine for engine in self.engines if engine.state is EngineState.ready])
        return [engine for engine in self.engines if engine.state is EngineState.dead]

    def _replace(self, dead: Engine, parts: PartsLog, queues: Queues[Unit]) -> None:
        """Gives the uncommitted rows of a dead engine back, and starts another in its place."""
        end_actor(dead.actor)
        require_space(parts.folder, self._place.cluster.min_free_disk_bytes)  # a full disk ends engines too
        committed = parts.close_engine(dead.index)  # whether it is dead or only out of reach
        self._group.remove(dead, len(committed))
        queues.remove_engine(dead.index)
        for unit in dead.uncommitted(committed):
            queues.put(unit)
        self._count_death(dead)
        engine = self._group.add()
        queues.add_engine(engine.index, self._warm_prefixes(engine))

    def _count_death(self, dead: Engine) -> None:
        self._deaths += 1
        if self._deaths > self.config.max_engine_deaths:
            raise UserError(
                f"engines died {self._deaths} times",
                where=f"samples.model={self.config.model}",
                remedy=f"read the end of {dead.log}; what was committed is kept, the same command goes on from there",
            )
        self._place.console.warn(f"engine {dead.index} died; its uncommitted samples are done again (see {dead.log})")

    def totals(self) -> list[EngineTotals]:
        """Totals of each engine that took part in the job so far; see Pool."""
        return self._group.totals()

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""
        self._group.stop()


def _fill(queues: Queues[Unit], source: Iterator[Unit]) -> int:
    """Takes units from a source that makes them as they are needed; returns how many wait."""
    for unit in itertools.islice(source, max(0, _UNITS_WAITING - len(queues))):
        queues.put(unit)
    return len(queues)
