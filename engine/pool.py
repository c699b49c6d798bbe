"""The engine pool: one Ray actor per engine, kept by the driver for the whole run.

In: units of work, longest prefix queue first. Out: every row in a committed part. An idle engine takes a unit
whose prefix it has warm, else the next of the longest queue; the uncommitted rows of an engine that died go
back into the queue, and another engine takes its place. Engines start while planning still runs.
"""

from __future__ import annotations

import collections
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.actor import EngineActor
from engine.errors import UserError
from engine.generators import engine_environment
from engine.loop import Job
from engine.models import resolve_model
from engine.parts import committed_ids
from engine.samples import GeneratorKind, SamplesConfig
from engine.store import require_space

if TYPE_CHECKING:
    from engine.place import Place

_POLL_SECONDS = 0.5
_UNITS_AHEAD = 2
_CALLS = 16
_UNITS_WAITING = 1024
"""Units made in advance: enough prefixes to choose from, few enough for their texts to stay in memory."""


@dataclass(frozen=True)
class Unit:
    """Rows of the plan that share a prefix, with their passages."""

    prefix: int
    rows: pa.Table


@dataclass
class Engine:
    """The driver's side of one engine."""

    index: int
    actor: Any
    log: Path
    units: dict[Any, Unit] = field(default_factory=dict)  # in flight, by the reference that their call returns
    settled: list[Unit] = field(default_factory=list)  # written, but perhaps still in the open part
    warm: set[int] = field(default_factory=set)
    totals: dict[str, Any] = field(default_factory=dict)

    def busy(self) -> bool:
        """Whether any row given to it may not be committed yet."""
        return bool(self.units or self.settled)


class Queues:
    """Units that wait, by prefix."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._by_prefix: dict[int, collections.deque[Unit]] = {}
        self._size = 0
        for unit in units:
            self.put(unit)

    def __len__(self) -> int:
        return self._size

    def put(self, unit: Unit) -> None:
        """Adds a unit behind the others of its prefix."""
        self._by_prefix.setdefault(unit.prefix, collections.deque()).append(unit)
        self._size += 1

    def fill(self, source: Iterator[Unit]) -> int:
        """Takes units from a source that makes them as they are needed; returns how many wait."""
        for unit in itertools.islice(source, max(0, _UNITS_WAITING - self._size)):
            self.put(unit)
        return self._size

    def take(self, warm: set[int]) -> Unit | None:
        """The next unit of the longest queue among `warm` prefixes, else of the longest of all."""
        candidates = [prefix for prefix in self._by_prefix if prefix in warm] or list(self._by_prefix)
        if not candidates:
            return None
        prefix = max(candidates, key=lambda prefix: (len(self._by_prefix[prefix]), -prefix))
        unit = self._by_prefix[prefix].popleft()
        if not self._by_prefix[prefix]:
            del self._by_prefix[prefix]
        self._size -= 1
        return unit


class EnginePools:
    """The pools of a run, one per samples config; started early, shared by steps, stopped once."""

    def __init__(self) -> None:
        self._pools: dict[str, EnginePool] = {}

    def start(self, config: SamplesConfig, place: Place) -> EnginePool:
        """The engines of a config; they load in the background while the caller goes on.

        Ray itself starts in the caller's thread: its processes are tied to the life of the thread that made them.
        """
        if repr(config) not in self._pools:
            self._pools[repr(config)] = EnginePool(config, place)
        return self._pools[repr(config)]

    def stop(self) -> None:
        """Ends every engine of the run."""
        for pool in self._pools.values():
            pool.stop()
        self._pools.clear()


class EnginePool:
    """Engines of one model."""

    def __init__(self, config: SamplesConfig, place: Place) -> None:
        self.config = config
        self._place = place
        self._model = (
            "" if config.generator is GeneratorKind.fake else str(resolve_model(config.model, key="samples.model"))
        )
        place.start_ray()
        self._next_index = 0
        self._deaths = 0
        self._job: Job | None = None
        self._gone: list[dict[str, Any]] = []
        self.start_seconds = 0.0
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
                    place=f"samples.num_engines={self.config.num_engines}",
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
        gpus, cpus = self.config.gpus(), self._cpus()
        actor_class: Any = ray.remote(EngineActor)
        actor = actor_class.options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_concurrency=_CALLS,
            max_restarts=0,
            runtime_env={"env_vars": engine_environment(self.config, cpus)},
        ).remote(self.config, self._model, index, log)
        engine = Engine(index, actor, log)
        if self._job is not None:
            actor.open.remote(self._job)
        return engine

    def wait_ready(self) -> float:
        """Waits until every engine is loaded; returns the longest start in seconds.

        Raises:
            UserError: an engine cannot start.
        """
        import ray

        for engine in self._engines:
            try:
                self.start_seconds = max(self.start_seconds, ray.get(engine.actor.ready.remote()))
            except ray.exceptions.RayError as error:
                raise self._no_start(engine, error) from error
        return self.start_seconds

    def _no_start(self, engine: Engine, error: Exception) -> UserError:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return UserError(
            f"the engine does not start: {lines[-1].strip() if lines else type(error).__name__}",
            place=f"samples.model={self.config.model}",
            remedy=f"read {engine.log}; too little memory is mended by samples.kv_cache_bytes, samples.max_num_seqs "
            "or samples.context_tokens",
        )

    def generate(self, job: Job, units: Iterable[Unit], on_progress: Callable[[int], None]) -> list[dict[str, Any]]:
        """Generates all rows of all units into committed parts.

        Args:
            job: task and attempt folder.
            units: the work; taken into per-prefix queues as they empty.
            on_progress: called with the number of rows written so far.

        Returns:
            The totals of each engine that took part, dead ones included.

        Raises:
            UserError: too many samples failed, or engines keep dying.
        """
        import ray

        self.wait_ready()
        self._job, self._gone = job, []
        ray.get([engine.actor.open.remote(job) for engine in self._engines])
        queues, source = Queues(()), iter(units)
        while queues.fill(source) or any(engine.busy() for engine in self._engines):
            self._give_out(queues)
            for dead in self._wait():
                self._replace(dead, queues)
            totals = self._all_totals()
            written = sum(own["generated"] + own["failed"] for own in totals)
            on_progress(written)
            check_failures(self.config.max_failed_share, written, totals)
        return self._all_totals()

    def _give_out(self, queues: Queues) -> None:
        for _ in range(_UNITS_AHEAD):
            for engine in sorted(self._engines, key=lambda engine: len(engine.units)):
                if len(engine.units) < _UNITS_AHEAD and (unit := queues.take(engine.warm)):
                    engine.warm.add(unit.prefix)
                    engine.units[engine.actor.process.remote(unit.rows)] = unit

    def _wait(self) -> list[Engine]:
        """Takes note of finished units and of totals; returns the engines that turn out to be dead."""
        import ray

        running = {reference: engine for engine in self._engines for reference in engine.units}
        done = ray.wait(list(running), timeout=_POLL_SECONDS, fetch_local=False)[0] if running else []
        if not running:
            time.sleep(_POLL_SECONDS / 5)
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
        return [*self._gone, *(engine.totals for engine in self._engines if engine.totals)]

    def _replace(self, dead: Engine, queues: Queues) -> None:
        """Gives the uncommitted rows of a dead engine back, and starts another in its place."""
        assert self._job is not None, "engines are only found dead in a job"
        end_actor(dead.actor)
        require_space(self._job.attempt_folder, self._place.cluster.min_free_disk_bytes)  # a full disk ends engines too
        self._engines.remove(dead)
        self._deaths += 1
        committed = committed_ids(self._job.attempt_folder.glob(f"part-e{dead.index}-*.parquet"))
        if dead.totals:
            self._gone.append(dead.totals | {"generated": len(committed), "failed": 0, "committed": len(committed)})
        for unit in (*dead.units.values(), *dead.settled):
            left = unit.rows.filter(pc.invert(pc.is_in(unit.rows["sample_id"], pa.array(committed))))
            if left.num_rows:
                queues.put(Unit(unit.prefix, left))
        if self._deaths > self.config.max_engine_deaths:
            raise UserError(
                f"engines died {self._deaths} times",
                place=f"samples.model={self.config.model}",
                remedy=f"read the end of {dead.log}; what was committed is kept, the same command goes on from there",
            )
        self._place.console.warn(f"engine {dead.index} died; its uncommitted samples are done again (see {dead.log})")
        self._engines.append(self._new_engine())
        self.wait_ready()

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
        self._engines = []


def end_actor(actor: Any, timeout_seconds: float = 30.0) -> None:
    """Kills an actor and waits until it is gone, so that it commits nothing more."""
    import ray

    ray.kill(actor)
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        try:
            ray.get(actor.totals.remote(), timeout=1)
        except ray.exceptions.ActorDiedError:
            return
        except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
            time.sleep(_POLL_SECONDS)


def check_failures(max_failed_share: float, written: int, totals: Iterable[dict[str, Any]]) -> None:
    """Stops a run that is wrong as a whole.

    Raises:
        UserError: more than `max_failed_share` of at least 50 samples failed.
    """
    failed = sum(own["failed"] for own in totals)
    if written >= 50 and failed > max_failed_share * written:
        errors = [own["last_error"] for own in totals if own["last_error"]]
        raise UserError(
            f"{failed} of {written} samples failed, the last with: {errors[-1] if errors else 'no message'}",
            place=f"samples.max_failed_share={max_failed_share}",
            remedy="mend what the message says and start anew in another runs_dir (failed samples are kept), "
            "or raise samples.max_failed_share",
        )
