"""The engines of a whole run; and several generators in one run, each writing its share of the samples: `samples.mix`.

    samples.mix='{small: {share: 0.7}, large: {share: 0.3, model: Qwen/Qwen3-8B, temperature: 0.9}}'

In: a GeneratorConfig. Out: the pool of its engines, made once; with a mix a pool that decides for each planned row
which of the generators writes it, drawn from hash(run seed, the sample's key): the same whatever the engines, the order
or the attempt. The generators work one after the other, so that each has all processors and their models need not fit
beside each other. A sample's row names the model that wrote it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.generation.budget import Budget
from engine.generation.config import GeneratorConfig, generator_configs
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.generation.shares import writer_of
from engine.generation.totals import EngineTotals, add_up

if TYPE_CHECKING:
    from engine.generation.jobs import GenerationJob, Pool
    from engine.runtime.place import Place
    from engine.storage.parts_log import PartsLog

ENGINE_NUMBERS_PER_GENERATOR = 1000
"""Engine numbers of one generator start this far above those of the one before: they name its parts and logs."""


class MixedPool:
    """The engines of a mix: an EnginePool for each generator in turn, behind the interface of one Pool."""

    def __init__(self, config: GeneratorConfig, place: Place, salt: str) -> None:
        self.config = config
        self._place, self._salt = place, salt
        self._configs = list(generator_configs(config).values())
        self._budget = Budget(config.max_seconds)
        self._num_turns, self._index = 0, 0
        self._pool = self._load(0)
        self._earlier: list[EngineTotals] = []
        self.start_seconds = 0.0
        self.out_of_time = False

    def wait_ready(self) -> float:
        """Waits until an engine of the generator that is at work is loaded; see Pool."""
        self.start_seconds = max(self.start_seconds, self._pool.wait_ready())
        return self.start_seconds

    def generate(
        self, job: GenerationJob, parts: PartsLog, units: Iterable[Unit], on_progress: Callable[[int], None]
    ) -> list[EngineTotals]:
        """Generates all rows of all units, each by its own generator; see Pool."""
        assert not isinstance(units, Iterator), "each generator goes through the units once"
        self._earlier = []
        totals: list[EngineTotals] = []
        for index in range(len(self._configs)):
            share = self._share(units, index)
            if (first := next(share, None)) is not None:
                before = add_up(totals).finished
                self._take_turn(index, used=bool(totals))
                mine = itertools.chain([first], share)
                totals += self._pool.generate(job, parts, mine, _counting_on(before, on_progress))
                self.out_of_time = self._pool.out_of_time
                if self.out_of_time:
                    break
        return totals

    def _share(self, units: Iterable[Unit], index: int) -> Iterator[Unit]:
        """Makes the units of one generator as they are needed: all of them together may not fit into memory."""
        for unit in units:
            is_mine = writer_of(unit.rows, self.config) == index
            if is_mine.any():
                yield Unit(unit.prefix, unit.rows.filter(pa.array(is_mine)))

    def _take_turn(self, index: int, *, used: bool) -> None:
        """Has the engines of one generator make room for those of another.

        Args:
            index: of the generator whose turn it is.
            used: whether those that make room worked for this job; what they did for an earlier one counts no more.
        """
        if index == self._index:
            return
        with self._budget.paused():
            if used:
                self._earlier += self._pool.totals()
            self._pool.stop()
            self._place.console.step("samples", f"loading {self._configs[index].model_name()}")
            self._pool = self._load(index)
            self._index = index
            self.wait_ready()

    def _load(self, index: int) -> EnginePool:
        """Begins to load the engines of one generator. In a later round they have the same numbers, but other seeds."""
        self._num_turns += 1
        salt, first_index = f"{self._salt}/{self._num_turns}", index * ENGINE_NUMBERS_PER_GENERATOR
        return EnginePool(self._configs[index], self._place, salt, first_index, self._budget)

    def totals(self) -> list[EngineTotals]:
        """Totals of each engine that took part in the job so far, those of earlier generators included; see Pool."""
        return [*self._earlier, *self._pool.totals()]

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""
        self._pool.stop()


def _counting_on(before: int, on_progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda written: on_progress(before + written)


class EnginePools:
    """The pools of a run, one for each set of engines; started early, shared by steps, stopped once."""

    def __init__(self) -> None:
        self._pools: dict[str, EnginePool | MixedPool] = {}

    def start(self, config: GeneratorConfig, place: Place, salt: str = "") -> Pool:
        """The engines of a config; they load in the background while the caller goes on.

        The salt goes into the seeds of engines that are not there yet. Ray itself starts in the caller's thread: its
        processes are tied to the life of the thread that made them.
        """
        key = config.engines_key()
        if key not in self._pools:
            self._pools[key] = (MixedPool if config.mix else EnginePool)(config, place, salt)
        return self._pools[key]

    def stop(self) -> None:
        """Ends every engine of the run."""
        for pool in self._pools.values():
            pool.stop()
        self._pools.clear()
