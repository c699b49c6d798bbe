"""The engine pool: gives the units of a job out to the engines of one model until every row is committed.

In: a job and its units. Out: every row in a part that counts, once. Engines come and go while the pool works: one that
has loaded is given units from then on, and the uncommitted rows of one that died go back into the queues, for whoever
is there. engine/generation/routing.py decides which engine does what.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.generation.budget import Budget
from engine.generation.deaths import Deaths
from engine.generation.endings import EngineEndedError, answer_of, wait_for
from engine.generation.engine import Engine
from engine.generation.engines import EngineGroup
from engine.generation.jobs import GenerationJob, Unit, token_counts
from engine.generation.loop import Rest
from engine.generation.routing import UNITS_AHEAD, Queues, units_held, warm_capacity
from engine.generation.totals import EngineTotals, add_up, check_failures
from engine.runtime.memory import release_gpu_memory
from engine.storage.files import require_space

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.runtime.place import Place
    from engine.storage.parts_log import PartsLog

_LIST_SECONDS = 5.0
"""What engines have written is listed this often: a part that is not listed is nobody's to read."""
_REST_SECONDS = 120.0
"""How long an engine may take to move its weights out of the GPU, or back."""
_UNKNOWN_CACHE = 16
"""Prefixes taken to stay warm where a generator does not say how much its cache holds."""
_UNITS_WAITING = 1024
"""Units made in advance: enough prefixes to choose from ..."""
_ROWS_WAITING = 1 << 17
"""... and no more once they have so many rows and every engine finds units, so that their texts stay in memory also
where a batch is large, and a unit with it."""


class EnginePool:
    """The engines of one model, kept by the driver for the whole run; a Pool.

    Args:
        config: which model, and how many engines.
        place: where they run.
        salt: tells this start of the driver from all others; it goes into the engines' seeds.
        first_index: the number of the first engine.
        budget: what is left of `samples.max_seconds`, where another pool has used some of it.
        make_group: makes the engines; benchmarks simulate them.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        place: Place,
        salt: str,
        first_index: int = 0,
        budget: Budget | None = None,
        *,
        make_group: Callable[[GeneratorConfig, Place, str, int], EngineGroup] = EngineGroup,
    ) -> None:
        self.config = config
        self._place = place
        self._budget = budget or Budget(config.max_seconds)
        self._group = make_group(config, place, salt, first_index)
        self._deaths = Deaths(config.max_engine_deaths)
        self._unit_tokens = (1.0, 1.0)
        self._is_asleep = False
        self.out_of_time = False
        self._of_earlier_jobs = EngineTotals()

    @property
    def start_seconds(self) -> float:
        """Returns the longest start of an engine so far."""
        return self._group.start_seconds

    @property
    def engines(self) -> list[Engine]:
        """Returns the engines as they are now."""
        return self._group.engines

    @property
    def num_wanted(self) -> int:
        """Returns the number of engines that there should be."""
        return self._group.size

    @property
    def next_index(self) -> int:
        """Returns the number of the engine that is started next; no number from there on was given before."""
        return self._group.next_index

    def wait_ready(self, num_engines: int = 1) -> float:
        """Waits until engines are loaded; see Pool.

        Args:
            num_engines: how many to wait for; generation begins with the first, and others join when they are there.
        """
        while not self._group.is_stopped and len(self._group.loaded()) < num_engines:
            _, ended = self._group.listen()
            for engine in ended:
                self._group.remove(engine, 0)
                self._count_death(engine)
        return self.start_seconds

    @property
    def holds_gpu(self) -> bool:
        """Tells whether the engines hold memory of GPUs."""
        return not self._is_asleep and any(engine.processors.gpus for engine in self.engines)

    @property
    def is_loading(self) -> bool:
        """Tells whether there is an engine that has not said yet that it is loaded."""
        return len(self._group.loaded()) < len(self.engines)

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
        """Puts all engines to sleep, or wakes them; returns whether each has done so."""
        calls = [engine.actor.rest.remote(rest) for engine in self.engines]
        answered = wait_for(calls, _REST_SECONDS, every=True)
        try:
            for call in answered:
                answer_of(call)
        except EngineEndedError:
            return False
        return len(answered) == len(calls)

    def generate(
        self, job: GenerationJob, parts: PartsLog, units: Iterable[Unit], on_progress: Callable[[int], None]
    ) -> list[EngineTotals]:
        """Generates all rows of all units into committed parts; see Pool."""
        done = add_up(self.totals())
        self._group.open(job)
        self._of_earlier_jobs += done  # behind it: who looks on in this moment sees too little, and never too much
        self._deaths = Deaths(self.config.max_engine_deaths)
        num_before = len(parts.committed)
        source = iter(units)
        queues = self._queues(source)
        while _fill(source, queues) or any(engine.is_busy for engine in self.engines):
            if self._budget.is_used_up:
                self.out_of_time = True
                self.stop()
                break
            self._give_out(queues)
            joined, ended = self._group.listen()
            for engine in joined:
                self._budget.start()
                queues.add_engine(engine.index, self._warm_prefixes(engine))
            for engine in ended:
                self._give_up(engine, parts, queues)
            parts.list_new(_LIST_SECONDS)
            if self._group.has_news:
                together = add_up(self.totals())
                on_progress(together.finished)
                check_failures(job.max_failed_share, together)
        self._budget.stop()
        parts.list_rest(num_before + add_up(self.totals()).committed)
        return self.totals()

    def _queues(self, source: Iterator[Unit]) -> Queues[Unit]:
        queues = Queues[Unit]()
        self._unit_tokens = token_counts(_take_in(source, queues))
        return queues

    def _warm_prefixes(self, engine: Engine) -> int:
        """Returns the number of prefixes that an engine's cache holds beside a full batch."""
        shortest, mean = self._unit_tokens
        if self.config.warm_prefixes or not engine.cache_tokens:
            return self.config.warm_prefixes or _UNKNOWN_CACHE
        # The shortest prompt is the prefix and little more; what the others have beyond it is not shared.
        batch = engine.config.max_num_seqs * (mean - shortest + self.config.max_tokens)
        return warm_capacity(engine.cache_tokens, round(batch), round(shortest))

    def _give_out(self, queues: Queues[Unit]) -> None:
        """Gives every engine the units that it should hold: each gets a first one before any gets a second."""
        asking = [(len(engine.units), engine.index, engine) for engine in self._group.working()]
        heapq.heapify(asking)
        while asking:
            num_units, index, engine = asking[0]
            in_flight = units_held(num_units, engine.unfinished_rows, self.config.max_num_seqs)
            if unit := queues.take(index, in_flight):
                engine.give(unit)
                heapq.heapreplace(asking, (num_units + 1, index, engine))
            else:
                heapq.heappop(asking)

    def _give_up(self, dead: Engine, parts: PartsLog, queues: Queues[Unit]) -> None:
        """Gives the uncommitted rows of a dead engine back."""
        require_space(parts.folder, self._place.cluster.min_free_disk_bytes)  # a full disk ends engines too
        committed = parts.close_engine(dead.index)  # whether it is dead or only out of reach
        self._group.remove(dead, len(committed))
        if queues.has_engine(dead.index):
            queues.remove_engine(dead.index)
        for unit in dead.uncommitted(committed):
            queues.put(unit)
        self._count_death(dead)

    def _count_death(self, dead: Engine) -> None:
        self._deaths.count(dead.index, self._group.next_index, add_up(self.totals()).committed)
        if self._deaths.are_too_many:
            raise UserError(
                f"engines died {self._deaths.in_a_row} times in a row with nothing committed in between, "
                f"the last of: {dead.reason}",
                where=f"samples.model={self.config.model}",
                remedy=f"read the end of {dead.log}; what was committed is kept, the same command goes on from there",
            )
        self._place.console.warn(
            f"engine {dead.index} died; its uncommitted samples are done again: {dead.reason} (see {dead.log})"
        )

    def totals(self) -> list[EngineTotals]:
        """Returns the totals of each engine that took part in the job so far; see Pool."""
        return self._group.totals()

    def run_totals(self) -> EngineTotals:
        """Adds up what its engines did in all jobs so far; it may be called from any thread."""
        return self._of_earlier_jobs + add_up(self.totals())

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""
        self._group.stop()


def _fill(source: Iterator[Unit], queues: Queues[Unit]) -> int:
    """Lets units wait as long as there is room for them; returns how many wait."""
    _take_in(source, queues)
    return len(queues)


def _take_in(source: Iterator[Unit], queues: Queues[Unit]) -> list[Unit]:
    """Takes units from a source that makes them as they are needed, and returns them."""
    taken: list[Unit] = []
    while _has_room(queues) and (unit := next(source, None)):
        queues.put(unit)
        taken.append(unit)
    return taken


def _has_room(queues: Queues[Unit]) -> bool:
    are_few = queues.num_rows < _ROWS_WAITING or len(queues) < UNITS_AHEAD * queues.num_engines
    return are_few and len(queues) < _UNITS_WAITING
