"""What the driver's side of the engine pool costs: 64 simulated engines, a million units, no model and no Ray.

    .venv/bin/python benchmarks/pool.py [--engines N] [--units N] [--unit-rows N] [--prefixes N] [--real ROWS]

The pool is the real one (engine/generation/pool.py): it makes units as they are taken, routes them, takes note of what
is written and reported, and counts. Only the engines behind it are simulated: each is as fast as its own speed says on
a clock that jumps to what happens next, so that all time that passes is the driver's. Prints `pool.units_per_s`,
`pool.cpu_per_unit` and `pool.cpu_per_row` (microseconds of the driver), and the memory that grew from a tenth of the
units to the end: with what is kept for each unit this would grow, too. Fails where it grows by more than 64 bytes each.

`--real ROWS` gives as many rows to one engine of the fake generator, in its Ray actor, and prints the driver's CPU
time per unit and row with all that Ray's calls take.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from benchmarks._measure import print_value
from engine.artifacts.documents import Passages
from engine.generation.actor import Report
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.engine import Engine, EngineState
from engine.generation.engines import EngineGroup
from engine.generation.jobs import GenerationJob, Unit, make_units
from engine.generation.pool import EnginePool
from engine.generation.pools import EnginePools
from engine.generation.processors import Processors
from engine.generation.totals import EngineTotals
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.storage.parts_log import PartsLog
from engine.task.compiled import Prompts
from engine.task.config import TaskConfig

_WINDOW_ROWS, _PASSAGES = 1 << 16, 1000
_MOST_GROWTH = 64.0
"""Bytes that the driver may keep for each unit."""
_ROWS_PER_SECOND, _ASK_SECONDS = 20.0, 0.5
_TASK = TaskConfig(prompt="Passage: {{ passage.text }}\nQuery:", stop=["\n"])


class SimulatedEngine:
    """Stands for an engine's actor: what it is given is written after a while, in the order in which it came.

    Args:
        clock: of the simulation.
        rows_per_second: how fast it writes.
    """

    def __init__(self, clock: Clock, rows_per_second: float) -> None:
        self._clock, self._rows_per_second = clock, rows_per_second
        self._free_at = 0.0
        self.written = 0
        self.process = SimpleNamespace(remote=self._process)  # as Ray has it: actor.process.remote(rows)
        self.report = SimpleNamespace(remote=self._report)

    def _process(self, rows: pa.Table) -> int:
        self._free_at = max(self._free_at, self._clock.now) + len(rows) / self._rows_per_second
        return self._clock.add(self._free_at, self)

    def _report(self) -> Report:
        return Report(EngineTotals(generated=self.written, committed=self.written), self.written, has_stepped=True)


class Clock:
    """The simulated time, and the calls that will be answered, by when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = itertools.count()
        self._calls: list[tuple[float, int, SimulatedEngine]] = []

    def add(self, when: float, engine: SimulatedEngine) -> int:
        """Adds a call; returns its reference."""
        reference = next(self._numbers)
        heapq.heappush(self._calls, (when, reference, engine))
        return reference

    def next_answers(self) -> Iterator[tuple[int, SimulatedEngine]]:
        """Jumps to the next answer; gives all calls that are answered then."""
        if self._calls:
            self.now = max(self.now, self._calls[0][0])
        while self._calls and self._calls[0][0] <= self.now:
            _, reference, engine = heapq.heappop(self._calls)
            yield reference, engine


class SimulatedGroup(EngineGroup):
    """Engines that are loaded at once and never end; what the driver keeps of each is what it keeps of real ones."""

    def __init__(self, config: GeneratorConfig, _place: Place, _salt: str, first_index: int = 0) -> None:
        self._clock, self._listened = Clock(), 0.0
        self.is_stopped, self.has_news, self.start_seconds, self.gone = False, False, 0.0, []
        processors = Processors(config.num_engines, gpus=0, cpus=1)
        self.engines = [
            Engine(
                first_index + number,
                SimulatedEngine(self._clock, _ROWS_PER_SECOND * (1 + number % 7 / 10)),
                Path("no log"),
                0,
                config,
                has_smaller_limits=False,
                processors=processors,
                seed=number,
                state=EngineState.ready,
            )
            for number in range(config.num_engines)
        ]
        self.next_index = first_index + len(self.engines)
        self._by_actor = {id(engine.actor): engine for engine in self.engines}

    def open(self, job: GenerationJob) -> None:
        """Begins a job."""
        self._job = job

    def listen(self) -> tuple[list[Engine], list[Engine]]:
        """Jumps to the next answer; reports come as often as from real engines."""
        joined = [engine for engine in self.engines if engine.state is EngineState.ready]
        for engine in joined:
            engine.begin()
        for reference, actor in self._clock.next_answers():
            engine = self._by_actor[id(actor)]
            actor.written += engine.units[reference].size
            engine.count_written(reference)
        is_tail = not any(engine.units for engine in self.engines)
        self.has_news = is_tail or self._clock.now - self._listened >= _ASK_SECONDS
        if self.has_news:
            self._listened = self._clock.now
            for engine in self.engines:
                engine.hear(engine.ask())
        return joined, []

    def stop(self) -> None:
        """There is nothing to end."""


@dataclass
class Written:
    """Stands for the list of parts where none are written: what counts is what engines report."""

    rows: int = 0
    committed: tuple[int, ...] = ()

    def list_new(self, every_seconds: float = 0.0) -> None:
        """There are none."""

    def list_rest(self, num_rows: int) -> None:
        """Takes note of how many rows there should be."""
        self.rows = num_rows


class Units:
    """Units, made as they are taken from windows of a plan; takes note of the memory on the way.

    Args:
        total: how many.
        unit_rows: rows of each.
        prefixes: how many there are in a window.
    """

    def __init__(self, total: int, unit_rows: int, prefixes: int) -> None:
        self._total, self._unit_rows, self._prefixes = total, unit_rows, prefixes
        self.memory_bytes: list[int] = []
        """When a tenth of the units was taken, and when all were."""

    def __iter__(self) -> Iterator[Unit]:
        for number, unit in enumerate(itertools.islice(self._all(), self._total), 1):
            if number in (self._total // 10, self._total):
                self.memory_bytes.append(psutil.Process().memory_info().rss)
            yield unit

    def _all(self) -> Iterator[Unit]:
        ids = [f"passage-{number}" for number in range(_PASSAGES)]
        texts = [f"text of passage {number}, " + "apples and oranges " * 40 for number in range(_PASSAGES)]
        passages = pa.table({"passage_id": ids, "title": ids, "text": texts})
        for window in itertools.count():
            numbers = np.arange(window * _WINDOW_ROWS, (window + 1) * _WINDOW_ROWS)
            columns = {
                "sample_id": numbers,
                "passage_id": passages["passage_id"].take(numbers % _PASSAGES),
                "cell": pa.array([""] * _WINDOW_ROWS),
                "replicate": numbers * 0,
                "round": numbers * 0,
                "demonstration_set": numbers * 0,
                "prefix": numbers // self._unit_rows % self._prefixes,
                "prompt_tokens": numbers * 0 + 800,
                "demonstrations": pa.array([""] * _WINDOW_ROWS),
            }
            yield from make_units(pa.table(columns), Passages(Path(), passages), self._unit_rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, and prints the figures; 1 where memory grows with the units."""
    options = parse(arguments)
    if options.real:
        return measure_real(options.real, options.unit_rows)
    config = GeneratorConfig(
        generator=GeneratorKind.fake, num_engines=options.engines, max_num_seqs=options.unit_rows, warm_prefixes=4
    )
    units, parts = Units(options.units, options.unit_rows, options.prefixes), Written()
    job = GenerationJob(Prompts(_TASK, []), 1, Path("nowhere"), [])
    pool = EnginePool(config, place_at(Path("nowhere")), "salt", make_group=SimulatedGroup)
    listed: Any = parts  # where it is handed to, a PartsLog is expected
    report("pool", options.units, options.unit_rows, lambda: pool.generate(job, listed, units, lambda _: None))
    assert parts.rows == options.units * options.unit_rows, "every row of every unit is written"
    first, last = units.memory_bytes
    growth = (last - first) / (0.9 * options.units)
    print_value("pool.memory", [last / 1e6], "MB")
    return int(print_value("pool.growth", [growth], "bytes per unit", _MOST_GROWTH) > _MOST_GROWTH)


def measure_real(rows: int, unit_rows: int) -> int:
    """Gives rows to one engine of the fake generator; prints what that costs the driver, in CPU time of all threads."""
    config = GeneratorConfig(generator=GeneratorKind.fake, num_engines=1, cpus_per_engine=1, max_num_seqs=unit_rows)
    num_units = rows // unit_rows
    with tempfile.TemporaryDirectory(prefix="pool-") as folder:
        pool = EnginePool(config, place_at(Path(folder)), "salt")
        pool.wait_ready()
        samples = Path(folder, "samples")
        samples.mkdir()
        parts = PartsLog.take_over(samples, math.ceil(rows / _WINDOW_ROWS) * _WINDOW_ROWS)
        job = GenerationJob(Prompts(_TASK, []), parts.start, parts.attempt_folder, [])
        units = list(Units(num_units, unit_rows, 100))
        report("pool_real", num_units, unit_rows, lambda: pool.generate(job, parts, units, lambda _: None))
        pool.stop()
    return 0


def place_at(folder: Path) -> Place:
    """A machine of two cores."""
    cluster = ClusterConfig(num_cpus=2)
    return Place(folder / "run", folder, cluster, Console(), NoTracker(), MemorySampler(), EnginePools())


def report(name: str, num_units: int, unit_rows: int, generate: Any) -> None:
    """Calls a function that gives out units; prints what it cost."""
    began, cpu_began = time.monotonic(), time.process_time()
    generate()
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    print_value(f"{name}.units_per_s", [num_units / seconds], "units/s")
    print_value(f"{name}.cpu_per_unit", [1e6 * cpu_seconds / num_units], "us")
    print_value(f"{name}.cpu_per_row", [1e6 * cpu_seconds / num_units / unit_rows], "us")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", type=int, default=64, help="simulated engines (%(default)s)")
    parser.add_argument("--units", type=int, default=1_000_000, help="units in all (%(default)s)")
    parser.add_argument("--unit-rows", type=int, default=8, help="rows of a unit (%(default)s)")
    parser.add_argument("--prefixes", type=int, default=500, help="prefixes of a window of the plan (%(default)s)")
    parser.add_argument("--real", type=int, default=0, metavar="ROWS", help="rows for one real engine instead")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
