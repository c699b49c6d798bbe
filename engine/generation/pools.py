"""Several generators in one run, each writing its share of the samples: `samples.mix`.

    samples.mix='{small: {share: 0.7}, large: {share: 0.3, model: Qwen/Qwen3-8B, temperature: 0.9}}'

In: a SamplesConfig with a mix. Out: a config per generator, and for each planned row which of them writes it, drawn
from hash(run seed, the sample's key): the same whatever the engines, the order or the attempt. The generators work one
after the other, so that each has all processors and their models need not fit beside each other. A sample's row names
the model that wrote it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from engine.generation.config import SamplesConfig, generator_configs
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool

if TYPE_CHECKING:
    import numpy.typing as npt

    from engine.generation.jobs import Job
    from engine.runtime.place import Place


ENGINES_APART = 1000
"""Engine numbers of one generator start this far above those of the one before: they name its parts and logs."""


def writer_of(rows: pa.Table, config: SamplesConfig) -> npt.NDArray[np.int64]:
    """For each planned row the index of the generator that writes it.

    Args:
        rows: columns passage_id, cell, replicate, round: the key of a sample.
        config: the run's seed, and the mix.
    """
    keys = rows.select(["passage_id", "cell", "replicate", "round"]).to_pylist()
    draws = [_draw("\0".join(map(str, [config.seed, *key.values()]))) for key in keys]
    ends = np.cumsum([settings["share"] for settings in config.mix.values()])
    return np.searchsorted(ends / ends[-1], np.array(draws), side="right").astype(np.int64)


def _draw(key: str) -> float:
    """A number in [0, 1), drawn from a hash."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


class MixedPool:
    """The engines of a mix: an EnginePool for each generator in turn, behind the interface of one."""

    def __init__(self, config: SamplesConfig, place: Place) -> None:
        self.config = config
        self._place = place
        self._configs = list(generator_configs(config).values())
        self._pool = EnginePool(self._configs[0], place)
        self._index = 0
        self._earlier: list[dict[str, Any]] = []
        self.start_seconds = 0.0
        self.out_of_time = False

    def wait_ready(self) -> float:
        """Waits until the engines of the generator whose turn it is are loaded; returns the longest start in seconds.

        Raises:
            UserError: an engine cannot start.
        """
        self.start_seconds = max(self.start_seconds, self._pool.wait_ready())
        return self.start_seconds

    def generate(self, job: Job, units: Iterable[Unit], on_progress: Callable[[int], None]) -> list[dict[str, Any]]:
        """Generates all rows of all units, each by its own generator; see EnginePool.generate."""
        shares = self._split(units)
        self._earlier = []
        totals: list[dict[str, Any]] = []
        for index, own in enumerate(shares):
            if own:
                before = sum(engine["generated"] + engine["failed"] for engine in totals)
                self._take_turn(index)
                totals += self._pool.generate(job, own, _after(before, on_progress))
                self.out_of_time = self._pool.out_of_time
                if self.out_of_time:
                    break
        return totals

    def _split(self, units: Iterable[Unit]) -> list[list[Unit]]:
        shares: list[list[Unit]] = [[] for _ in self._configs]
        for unit in units:
            writer = writer_of(unit.rows, self.config)
            for index in np.unique(writer):
                shares[index].append(Unit(unit.prefix, unit.rows.filter(pa.array(writer == index))))
        return shares

    def _take_turn(self, index: int) -> None:
        """Has the engines of one generator make room for those of another."""
        if index == self._index:
            return
        deadline, began = self._pool.deadline, time.monotonic()
        self._earlier += self._pool.totals()
        self._pool.stop()
        self._place.console.step("samples", f"loading {self._configs[index].model_name()}")
        self._index = index
        self._pool = EnginePool(self._configs[index], self._place, first_index=index * ENGINES_APART)
        self.wait_ready()
        self._pool.deadline = deadline and deadline + time.monotonic() - began  # loading is not counted

    def totals(self) -> list[dict[str, Any]]:
        """Totals of each engine that took part in the job so far, those of earlier generators included."""
        return [*self._earlier, *self._pool.totals()]

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""
        self._pool.stop()


def _after(before: int, on_progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda written: on_progress(before + written)


class EnginePools:
    """The pools of a run, one per samples config; started early, shared by steps, stopped once."""

    def __init__(self) -> None:
        self._pools: dict[str, EnginePool | MixedPool] = {}

    def start(self, config: SamplesConfig, place: Place) -> EnginePool | MixedPool:
        """The engines of a config; they load in the background while the caller goes on.

        Ray itself starts in the caller's thread: its processes are tied to the life of the thread that made them.
        """
        if repr(config) not in self._pools:
            from engine.generation.pools import MixedPool

            self._pools[repr(config)] = (MixedPool if config.mix else EnginePool)(config, place)
        return self._pools[repr(config)]

    def stop(self) -> None:
        """Ends every engine of the run."""
        for pool in self._pools.values():
            pool.stop()
        self._pools.clear()
