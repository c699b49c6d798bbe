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
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.generation.budget import Budget
from engine.generation.config import GeneratorConfig, generator_configs
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.generation.processors import settle_gpus
from engine.generation.shares import writer_of
from engine.generation.totals import EngineTotals, add_up
from engine.generation.vllm_generator import SLEEP_MODE
from engine.runtime.memory import release_gpu_memory

if TYPE_CHECKING:
    from engine.generation.jobs import GenerationJob, Pool
    from engine.runtime.place import Place
    from engine.storage.parts_log import PartsLog

ENGINE_NUMBERS_PER_GENERATOR = 1000
"""Engine numbers of one generator start this far above those of the one before, or further where it needed more: they
name parts and logs."""


class MixedPool:
    """The engines of a mix: an EnginePool for each generator in turn, behind the interface of one Pool."""

    def __init__(self, config: GeneratorConfig, place: Place, salt: str, budget: Budget | None = None) -> None:
        self.config = config
        self._place, self._salt = place, salt
        self._configs = list(generator_configs(config).values())
        self._budget = budget or Budget(config.max_seconds)
        self._num_turns, self._index = 0, 0
        self._pool = self._load(0, 0)
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
        latest: list[EngineTotals] = []
        for index in range(len(self._configs)):
            share = self._share(units, index)
            if (first := next(share, None)) is not None:
                before = add_up(totals).finished
                self._take_turn(index, used=bool(totals))
                mine = itertools.chain([first], share)
                latest = self._pool.generate(job, parts, mine, _counting_on(before, on_progress))
                totals += latest
                self.out_of_time = self._pool.out_of_time
                if self.out_of_time:
                    break
        return [*self._earlier, *latest]  # of the earlier ones with the moment when they ended

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
        before = self._pool
        before.stop()
        self._place.console.step("samples", f"loading {self._configs[index].model_name()}")
        first_index = index * ENGINE_NUMBERS_PER_GENERATOR
        loaded = self._load(index, max(first_index, before.next_index) if used else first_index)
        done = before.totals() if used else []
        self._earlier, self._pool, self._index = [*self._earlier, *done], loaded, index  # at once, for who looks on
        self.wait_ready()

    def _load(self, index: int, first_index: int) -> EnginePool:
        """Begins to load the engines of one generator. In a later round they have the same numbers, but other seeds."""
        self._num_turns += 1
        salt = f"{self._salt}/{self._num_turns}"
        return EnginePool(self._configs[index], self._place, salt, first_index, self._budget)

    def totals(self) -> list[EngineTotals]:
        """Returns the totals of each engine that took part so far, those of earlier generators included; see Pool."""
        return [*self._earlier, *self._pool.totals()]

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""
        self._pool.stop()

    @property
    def at_work(self) -> EnginePool:
        """Returns the pool of the generator whose turn it is."""
        return self._pool

    @property
    def holds_gpu(self) -> bool:
        """Tells whether engines hold memory of GPUs."""
        return self._pool.holds_gpu

    @property
    def is_loading(self) -> bool:
        """Tells whether nobody has waited yet until the engines of this turn were loaded."""
        return self._pool.is_loading

    def sleep(self) -> bool:
        """Has idle engines leave the memory of their GPUs until the next job; returns whether all of them can."""
        return self._pool.sleep()

    def wake(self) -> bool:
        """Has engines that sleep take the memory of their GPUs again; returns whether all are awake now."""
        return self._pool.wake()


def _counting_on(before: int, on_progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda written: on_progress(before + written)


class EnginePools:
    """The pools of a run, one for each set of engines; started early, shared by steps, stopped once.

    Args:
        with_rests: whether other steps come between those that generate, so that engines on GPUs are loaded as ones
            that can sleep.
    """

    def __init__(self, *, with_rests: bool = False) -> None:
        self._with_rests = with_rests
        self._pools: dict[str, EnginePool | MixedPool] = {}
        self._budgets: dict[str, Budget] = {}
        self._num_releases = 0

    def start(self, config: GeneratorConfig, place: Place, salt: str = "") -> Pool:
        """Finds the engines of a config, or begins to load them in the background while the caller goes on.

        Those of another config end first, such as the generator's before a judge that is another model: two models need
        not fit beside each other, and Ray would have the second wait for the processors of the first.
        The salt goes into the seeds of engines that are not there yet. Ray itself starts in the caller's thread: its
        processes are tied to the life of the thread that made them.
        """
        key = config.engines_key()
        if key in self._pools and not self._pools[key].wake():
            self.release(place, "since one of them does not wake")
        if key not in self._pools:
            self.release(place, f"to make room for {config.model_name()}")
            release_gpu_memory()
            self._pools[key] = self._load(
                config, place, salt, self._budgets.setdefault(key, Budget(config.max_seconds))
            )
        return self._pools[key]

    def _load(self, config: GeneratorConfig, place: Place, salt: str, budget: Budget) -> EnginePool | MixedPool:
        if self._num_releases:
            salt = f"{salt}/{self._num_releases}"  # what engines drew before they were released is drawn already
        config = settle_gpus(config, place)
        if self._with_rests and config.gpus():
            config = replace(config, engine_args={SLEEP_MODE: True, **config.engine_args})
        return (MixedPool if config.mix else EnginePool)(config, place, salt, budget=budget)

    def release(self, place: Place, purpose: str) -> None:
        """Ends every engine for the purpose, and says so; what `start` then loads has the seconds that are left."""
        if self._pools:
            place.console.step("samples", f"the engines end {purpose}; they load again when they are needed")
            self._end()
            self._num_releases += 1

    def leave_gpu(self, place: Place) -> bool:
        """Has engines that hold a GPU sleep, or end where they cannot; False where they are still loading.

        The engines of a cluster are on other machines too: no difference is made, for where the driver has a GPU, so
        has an engine.
        """
        holding = [pool for pool in self._pools.values() if pool.holds_gpu]
        if any(pool.is_loading for pool in holding):
            return False
        if not all(pool.sleep() for pool in holding):
            self.release(place, "so that the GPU is free")
        elif holding:
            place.console.step("samples", "the engines sleep while the GPU encodes")
        return True

    def loaded_pools(self) -> list[EnginePool]:
        """Returns the pools whose engines are there now, loaded or loading; it may be called from any thread."""
        return [pool.at_work if isinstance(pool, MixedPool) else pool for pool in list(self._pools.values())]

    def totals(self) -> list[EngineTotals]:
        """Returns the totals of each engine, of its pool's last job; it may be called from any thread.

        Those of generators of a mix whose turn is over are among them, of which `loaded_pools` tells nothing.
        """
        return [totals for pool in list(self._pools.values()) for totals in pool.totals()]

    def stop(self) -> None:
        """Ends every engine of the run."""
        self._end()
        self._budgets.clear()

    def _end(self) -> None:
        for pool in self._pools.values():
            pool.stop()
        self._pools.clear()
