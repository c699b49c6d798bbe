"""The engine pool: one Ray actor per engine, kept by the driver for the whole run.

In: units of work. Out: every row in a committed part. engine/generation/routing.py decides which engine does what; the
uncommitted rows of an engine that died go back into the queues, and another engine takes its place. Engines start
while planning still runs; one that finds too little memory starts once more with smaller limits (engine/generation/limits.py).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UserError
from engine.generation.actor import EngineActor, end_actor, why_no_start
from engine.generation.config import SamplesConfig
from engine.generation.engines import Engine
from engine.generation.jobs import Job, Unit, token_counts
from engine.generation.limits import is_out_of_memory, memory_remedy, smaller_limits
from engine.generation.load import find_weights
from engine.generation.routing import MOST_CALLS, Queues, units_held, warm_capacity
from engine.generation.totals import Totals, check_failures
from engine.generation.vllm_generator import engine_environment
from engine.storage.files import require_space
from engine.storage.parts import committed_ids

if TYPE_CHECKING:
    from engine.runtime.place import Place


_POLL_SECONDS = 1.0


_CALLS = MOST_CALLS + 8


_UNKNOWN_CACHE = 16
"""Prefixes taken to stay warm where a generator does not say how much its cache holds."""


_UNITS_WAITING = 1024
"""Units made in advance: enough prefixes to choose from, few enough for their texts to stay in memory."""


class EnginePool:
    """Engines of one model."""

    def __init__(self, config: SamplesConfig, place: Place, first_index: int = 0) -> None:
        self.config = config
        self._place = place
        self._weights = find_weights(config)
        place.start_ray()
        self._next_index = first_index
        self._deaths = 0
        self._job: Job | None = None
        self._gone: list[dict[str, Any]] = []
        self._engine_config = config  # with smaller limits once an engine ran out of memory
        self.deadline = 0.0
        self.start_seconds = 0.0
        self.out_of_time = False
        self._check_resources()
        self._engines = [self._new_engine() for _ in range(self._num_engines())]

    def _check_resources(self) -> None:
        """Refuses engines that the cluster could never place: Ray would wait for them without a word."""
        import ray

        number, has = self._num_engines(), ray.cluster_resources()
        for kind, each in (("GPU", self.config.gpus()), ("CPU", self._cpus())):
            if number * each > has.get(kind, 0):
                raise UserError(
                    f"{number} engines of {each} {kind} each do not fit {has.get(kind, 0):g} {kind}",
                    where=f"samples.num_engines={self.config.num_engines}",
                    remedy=f"lower samples.num_engines or samples.{kind.lower()}s_per_engine",
                )

    def _cpus(self) -> int:
        shared = max(1, self._place.num_cpus // (self.config.num_engines or 1))
        return self.config.cpus_per_engine or (1 if self.config.gpus() else shared)

    def _num_engines(self) -> int:
        import ray

        if self.config.num_engines:
            return self.config.num_engines
        gpus = self.config.gpus()
        return max(1, int(ray.cluster_resources().get("GPU", 0)) // gpus) if gpus else 1

    def _new_engine(self) -> Engine:
        import ray

        index, self._next_index = self._next_index, self._next_index + 1
        log = self._place.logs / f"engine-{index}.log"
        log_start = log.stat().st_size if log.exists() else 0
        config, cpus = self._engine_config, self._cpus()
        actor_class: Any = ray.remote(EngineActor)
        actor = actor_class.options(
            num_cpus=cpus,
            num_gpus=config.gpus(),
            max_concurrency=_CALLS,
            max_restarts=0,
            runtime_env={"env_vars": engine_environment(config, cpus)},
        ).remote(config, self._weights, index, log)
        engine = Engine(index, actor, log, config, log_start)
        if self._job is not None:
            actor.open.remote(self._job)
        return engine

    def wait_ready(self) -> float:
        """Waits until every engine is loaded; returns the longest start in seconds.

        An engine that finds too little memory is started once more with smaller limits.

        Raises:
            UserError: an engine cannot start.
        """
        for position in range(len(self._engines)):
            if not self._engines[position].ready:
                self._load(position)
        return self.start_seconds

    def _load(self, position: int) -> None:
        import ray

        engine = self._engines[position]
        try:
            loaded = ray.get(engine.actor.ready.remote())
        except ray.exceptions.RayError as error:
            reason = why_no_start(error, engine.log, engine.log_start)
            if not is_out_of_memory(reason) or engine.config is not self.config:
                raise self._no_start(engine, reason) from error
            end_actor(engine.actor)
            self._lower_limits(reason)
            self._engines[position] = self._new_engine()
            self._load(position)
            return
        engine.ready, engine.cache_tokens = True, loaded.cache_tokens
        self.start_seconds = max(self.start_seconds, loaded.seconds)

    def _lower_limits(self, reason: str) -> None:
        if self._engine_config is self.config:  # the first of several engines to find it
            self._engine_config, changes = smaller_limits(self.config, reason)
            self._place.console.warn(
                f"too little memory for the engine; it is started once more with {', '.join(changes)}"
            )

    def _no_start(self, engine: Engine, reason: str) -> UserError:
        if is_out_of_memory(reason):
            return UserError(
                f"the engine does not start for want of memory, also with smaller limits: {reason.splitlines()[-1]}",
                where=f"samples.model={self.config.model}",
                remedy=f"{memory_remedy(self.config)} (see {engine.log})",
            )
        return UserError(
            f"the engine does not start: {reason.splitlines()[-1]}",
            where=f"samples.model={self.config.model}",
            remedy=f"read {engine.log}",
        )

    def generate(self, job: Job, units: Iterable[Unit], on_progress: Callable[[int], None]) -> list[dict[str, Any]]:
        """Generates all rows of all units into committed parts.

        Args:
            job: task and attempt folder.
            units: the work; taken into per-prefix queues as they empty.
            on_progress: called with the number of rows written so far.

        Returns:
            The totals of each engine that took part, dead ones included. Where `samples.max_seconds` ran out first,
            `out_of_time` is set, the engines are stopped, and rows that they had not written are missing.

        Raises:
            UserError: too many samples failed, or engines keep dying.
        """
        import ray

        self.wait_ready()
        self._job, self._gone = job, []
        ray.get([engine.actor.open.remote(job) for engine in self._engines])
        source = iter(units)
        queues = self._queues(source)
        while _fill(queues, source) or any(engine.busy() for engine in self._engines):
            if self._time_is_up():
                self.stop()
                break
            self._give_out(queues)
            for dead in self._wait():
                self._replace(dead, queues)
            totals = self._all_totals()
            written = sum(own["generated"] + own["failed"] for own in totals)
            on_progress(written)
            check_failures(self.config.max_failed_share, written, totals)
        return self._all_totals()

    def _queues(self, source: Iterator[Unit]) -> Queues[Unit]:
        first = list(itertools.islice(source, _UNITS_WAITING))
        self._unit_tokens = token_counts(first)
        queues = Queues(first)
        for engine in self._engines:
            queues.add_engine(engine.index, self._warm_prefixes(engine))
        return queues

    def _warm_prefixes(self, engine: Engine) -> int:
        """Prefixes that an engine's cache holds beside a full batch."""
        shortest, mean = self._unit_tokens
        if self.config.warm_prefixes or not engine.cache_tokens:
            return self.config.warm_prefixes or _UNKNOWN_CACHE
        # The shortest prompt is the prefix and little more; what the others have beyond it is their own.
        batch = engine.config.max_num_seqs * (mean - shortest + self.config.max_tokens)
        return warm_capacity(engine.cache_tokens, round(batch), round(shortest))

    def _time_is_up(self) -> bool:
        """Whether `max_seconds` have passed since the first unit of the run could be given out."""
        now = time.monotonic()
        self.deadline = self.deadline or now + self.config.max_seconds
        self.out_of_time = bool(self.config.max_seconds) and now >= self.deadline
        return self.out_of_time

    def _give_out(self, queues: Queues[Unit]) -> None:
        more = True
        while more:  # everyone gets a first unit before anyone gets a second
            more = False
            for engine in sorted(self._engines, key=lambda engine: len(engine.units)):
                held = units_held([unit.size for unit in engine.units.values()], self.config.max_num_seqs)
                if unit := queues.take(engine.index, held):
                    engine.units[engine.actor.process.remote(unit.rows)] = unit
                    more = True

    def _wait(self) -> list[Engine]:
        """Takes note of finished units and of totals; returns the engines that turn out to be dead."""
        import ray

        running = {reference: engine for engine in self._engines for reference in engine.units}
        done = ray.wait(list(running), timeout=_POLL_SECONDS, fetch_local=False)[0] if running else []
        if not running:
            time.sleep(_POLL_SECONDS / 10)
        dead = []
        for engine in self._engines:
            try:
                for reference in [r for r in done if running[r] is engine]:
                    ray.get(reference)
                    engine.settled.append(engine.units.pop(reference))
                engine.totals = ray.get(engine.actor.totals.remote())
            except ray.exceptions.RayActorError:  # gone, or out of reach: _replace makes sure that it is gone
                dead.append(engine)
                continue
            if engine.totals["committed"] == engine.totals["generated"] + engine.totals["failed"]:
                engine.settled.clear()
        return dead

    def _all_totals(self) -> list[dict[str, Any]]:
        held = {"cpus": self._cpus(), "gpus": self.config.gpus()}
        totals = [*self._gone, *(engine.totals for engine in self._engines if engine.totals)]
        return [own | held for own in totals]

    def _replace(self, dead: Engine, queues: Queues[Unit]) -> None:
        """Gives the uncommitted rows of a dead engine back, and starts another in its place."""
        assert self._job is not None, "engines are only found dead in a job"
        end_actor(dead.actor)
        require_space(self._job.attempt_folder, self._place.cluster.min_free_disk_bytes)  # a full disk ends engines too
        self._engines.remove(dead)
        queues.remove_engine(dead.index)
        self._deaths += 1
        committed = committed_ids(self._job.attempt_folder.glob(f"part-e{dead.index}-*.parquet"))
        last_known = dead.totals or asdict(Totals())
        self._gone.append(last_known | {"generated": len(committed), "failed": 0, "committed": len(committed)})
        for unit in (*dead.units.values(), *dead.settled):
            left = unit.rows.filter(pc.invert(pc.is_in(unit.rows["sample_id"], pa.array(committed))))
            if left.num_rows:
                queues.put(Unit(unit.prefix, left))
        if self._deaths > self.config.max_engine_deaths:
            raise UserError(
                f"engines died {self._deaths} times",
                where=f"samples.model={self.config.model}",
                remedy=f"read the end of {dead.log}; what was committed is kept, the same command goes on from there",
            )
        self._place.console.warn(f"engine {dead.index} died; its uncommitted samples are done again (see {dead.log})")
        self._engines.append(self._new_engine())
        self.wait_ready()
        queues.add_engine(self._engines[-1].index, self._warm_prefixes(self._engines[-1]))

    def totals(self) -> list[dict[str, Any]]:
        """Totals of each engine that took part in the job so far, dead ones included."""
        return self._all_totals()

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""
        import ray

        if self._job is None:  # nothing was given to them, and they may still be loading
            for engine in self._engines:
                ray.kill(engine.actor)
            self._engines = []
            return
        stopping = [(engine, engine.actor.stop.remote()) for engine in self._engines]
        for engine, reference in stopping:
            try:
                engine.totals = ray.get(reference, timeout=60)
            except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError, ray.exceptions.RayTaskError):
                self._place.console.warn(f"engine {engine.index} did not stop in good order (see {engine.log})")
            ray.kill(engine.actor)
        self._gone += [engine.totals for engine in self._engines if engine.totals]
        self._engines = []


def _fill(queues: Queues[Unit], source: Iterator[Unit]) -> int:
    """Takes units from a source that makes them as they are needed; returns how many wait."""
    for unit in itertools.islice(source, max(0, _UNITS_WAITING - len(queues))):
        queues.put(unit)
    return len(queues)
