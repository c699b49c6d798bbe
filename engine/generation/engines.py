"""The engines of one model as the driver has them: started, loaded, replaced when they die, and stopped.

In: a generator's config and the place. Out: as many Ray actors as the config asks for. Engines load while the caller
goes on; one that finds too little memory is started once more with smaller limits (engine/generation/limits.py). Which
engine does what is decided elsewhere (engine/generation/pool.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UserError
from engine.generation.actor import EngineActor, Loaded, end_actor, why_no_start
from engine.generation.fake_generator import fake_environment
from engine.generation.jobs import GenerationJob, Unit
from engine.generation.limits import is_out_of_memory, memory_remedy, smaller_limits
from engine.generation.load import find_weights
from engine.generation.processors import Processors, choose_processors
from engine.generation.routing import MOST_SMALL_UNITS
from engine.generation.seeds import seed_from
from engine.generation.totals import EngineTotals
from engine.generation.vllm_generator import engine_environment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from engine.generation.config import GeneratorConfig
    from engine.runtime.place import Place

_CONCURRENT_CALLS = MOST_SMALL_UNITS + 8
"""Calls that an actor answers at a time: all units that it may hold, and a few questions of the driver."""
_STOP_SECONDS = 60.0


class EngineState(Enum):
    """Where an engine is in its life."""

    loading = "loading"
    """Its actor was asked for; nobody has waited for it yet."""
    ready = "ready"
    dead = "dead"
    """It has died, or does not answer."""


@dataclass
class Engine:
    """The driver's side of one engine."""

    index: int
    actor: Any
    log: Path
    log_start: int
    """Size of the log when the engine started: what an earlier run wrote there is not about this one."""
    config: GeneratorConfig
    has_smaller_limits: bool
    """Whether `config` was lowered because an engine found too little memory."""
    processors: Processors
    seed: int
    """Where its random draws begin; no two engines have the same."""
    state: EngineState = EngineState.loading
    cache_tokens: int = 0
    can_sleep: bool = False
    units: dict[Any, Unit] = field(default_factory=dict)
    """Units that are in flight, by the reference that their call returns."""
    settled: list[Unit] = field(default_factory=list)
    """Units that are written, but perhaps still in the open part."""
    totals: EngineTotals | None = None
    """What the engine reported last of the job; None before it has reported."""

    @property
    def is_busy(self) -> bool:
        """Whether any row given to it may not be committed yet."""
        return bool(self.units or self.settled)

    def become_ready(self, loaded: Loaded) -> None:
        """Notes that the engine is loaded."""
        self.state, self.cache_tokens, self.can_sleep = EngineState.ready, loaded.cache_tokens, loaded.can_sleep

    def report(self, totals: EngineTotals) -> None:
        """Takes what the engine says of the job; what it has written is settled once all of it is committed."""
        self.totals = replace(totals, cpus=self.processors.cpus, gpus=self.processors.gpus)
        if totals.committed == totals.finished:
            self.settled.clear()

    def count_only(self, num_committed: int) -> EngineTotals:
        """The totals of a dead engine: of its samples only those count that it had committed."""
        last = self.totals or EngineTotals(cpus=self.processors.cpus, gpus=self.processors.gpus)
        return replace(last, generated=num_committed, committed=num_committed, failed=0, turned_down=0)

    def uncommitted(self, committed: npt.NDArray[np.int64]) -> Iterator[Unit]:
        """The rows that it was given and that are not among the committed ids."""
        for unit in (*self.units.values(), *self.settled):
            rows = unit.rows.filter(pc.invert(pc.is_in(unit.rows["sample_id"], pa.array(committed))))
            if rows.num_rows:
                yield Unit(unit.prefix, rows)


class EngineGroup:
    """The engines of one model. They begin to load when the group is made.

    Args:
        config: what they load.
        place: where they run.
        salt: tells this start of the driver from all others; it goes into the engines' seeds.
        first_index: the number of the first engine; later ones count on from there.

    Raises:
        UserError: there is no such model, or the engines do not fit the cluster.
    """

    def __init__(self, config: GeneratorConfig, place: Place, salt: str, first_index: int = 0) -> None:
        self._config, self._place, self._salt = config, place, salt
        self._weights = find_weights(config)
        place.start_ray()
        self._processors = choose_processors(config, place)
        self._smaller: GeneratorConfig | None = None
        self._next_index = first_index
        self._job: GenerationJob | None = None
        self.start_seconds = 0.0
        """The longest start of an engine so far."""
        self.gone: list[EngineTotals] = []
        """Totals of the engines that have ended since the job began."""
        self.engines: list[Engine] = [self._start() for _ in range(self._processors.num_engines)]

    def _start(self) -> Engine:
        import ray

        index, self._next_index = self._next_index, self._next_index + 1
        log = self._place.logs() / f"engine-{index}.log"
        log_start = log.stat().st_size if log.exists() else 0
        config, cpus = self._smaller or self._config, self._processors.cpus
        seed = seed_from(config.seed, self._salt, index)
        actor_class: Any = ray.remote(EngineActor)
        actor = actor_class.options(
            num_cpus=self._processors.asked_cpus,
            num_gpus=self._processors.gpus,
            max_concurrency=_CONCURRENT_CALLS,
            max_restarts=0,
            runtime_env={"env_vars": engine_environment(config, cpus) | fake_environment()},
        ).remote(config, self._weights, index, seed, log)
        if self._job is not None:
            actor.open.remote(self._job)
        return Engine(index, actor, log, log_start, config, self._smaller is not None, self._processors, seed)

    def wait_ready(self) -> float:
        """Waits until every engine is loaded; returns the longest start in seconds.

        Raises:
            UserError: an engine cannot start, also with smaller limits where memory was short.
        """
        for position in range(len(self.engines)):
            if self.engines[position].state is EngineState.loading:
                self._load(position)
        return self.start_seconds

    def _load(self, position: int) -> None:
        """Waits for one engine; puts another with smaller limits in its place where memory was short."""
        import ray

        engine = self.engines[position]
        try:
            loaded: Loaded = ray.get(engine.actor.ready.remote())
        except ray.exceptions.RayError as error:
            reason = why_no_start(error, engine.log, engine.log_start)
            if not is_out_of_memory(reason) or engine.has_smaller_limits:
                raise _no_start(engine, self._config, reason) from error
            end_actor(engine.actor)
            self._lower_limits(reason)
            self.engines[position] = self._start()
            self._load(position)
            return
        engine.become_ready(loaded)
        self.start_seconds = max(self.start_seconds, loaded.seconds)

    def _lower_limits(self, reason: str) -> None:
        if self._smaller is None:  # this is the first of several engines to find it
            self._smaller, changes = smaller_limits(self._config, reason)
            self._place.console.warn(
                f"too little memory for the engine; it is started once more with {', '.join(changes)}"
            )

    def open(self, job: GenerationJob) -> None:
        """Begins a job on every engine, which are all ready."""
        import ray

        self._job, self.gone = job, []
        for engine in self.engines:
            engine.totals = None
        ray.get([engine.actor.open.remote(job) for engine in self.engines])

    def remove(self, dead: Engine, num_committed: int) -> None:
        """Takes out a dead engine, whose actor is gone.

        Args:
            dead: one of the engines.
            num_committed: samples that it had committed.
        """
        self.gone.append(dead.count_only(num_committed))
        self.engines.remove(dead)

    def add(self) -> Engine:
        """Starts one more engine for the job, and waits until it is loaded.

        Raises:
            UserError: it cannot start.
        """
        self.engines.append(self._start())
        self.wait_ready()
        return self.engines[-1]

    def totals(self) -> list[EngineTotals]:
        """Totals of each engine that took part in the job so far, those that have ended first."""
        return [*self.gone, *(engine.totals for engine in self.engines if engine.totals is not None)]

    def stop(self) -> None:
        """Ends every engine. Those that are ready commit their open parts first."""
        import ray

        ready = [engine for engine in self.engines if engine.state is EngineState.ready]
        for engine, reference in [(engine, engine.actor.stop.remote()) for engine in ready]:
            try:
                engine.report(ray.get(reference, timeout=_STOP_SECONDS))
            except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError, ray.exceptions.RayTaskError):
                self._place.console.warn(f"engine {engine.index} did not stop in good order (see {engine.log})")
        for engine in self.engines:
            ray.kill(engine.actor)
        self.gone, self.engines = self.totals(), []


def read_totals(engines: Sequence[Engine]) -> None:
    """Asks engines for their totals, all at once; those that do not answer are dead."""
    import ray

    references = [engine.actor.totals.remote() for engine in engines]
    try:
        reports = ray.get(references)
    except ray.exceptions.RayActorError:  # of one of them: each is asked for its answer alone
        for engine, reference in zip(engines, references, strict=True):
            try:
                engine.report(ray.get(reference))
            except ray.exceptions.RayActorError:
                engine.state = EngineState.dead
        return
    for engine, totals in zip(engines, reports, strict=True):
        engine.report(totals)


def _no_start(engine: Engine, config: GeneratorConfig, reason: str) -> UserError:
    last_line, where = reason.splitlines()[-1], f"samples.model={config.model}"
    if is_out_of_memory(reason):
        return UserError(
            f"the engine does not start for want of memory, also with smaller limits: {last_line}",
            where=where,
            remedy=f"{memory_remedy(config)} (see {engine.log})",
        )
    return UserError(f"the engine does not start: {last_line}", where=where, remedy=f"read {engine.log}")
