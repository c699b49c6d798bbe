"""The engines of one model: started, listened to, replaced in the background when they end, and stopped.

In: a generator's config and the place. Out: as many Ray actors as the config asks for, as far as the cluster has room
for them: each joins when it has loaded, and nobody waits for those that are missing. One that finds too little memory
is started once more with smaller limits (engine/generation/limits.py). Which engine does what is decided elsewhere
(engine/generation/pool.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.errors import UserError
from engine.generation.actor import EngineActor
from engine.generation.endings import EngineEndedError, answer_of, end_actors, wait_for, why_ended, why_no_start
from engine.generation.engine import Engine, EngineState
from engine.generation.fake_generator import fake_environment
from engine.generation.jobs import GenerationJob
from engine.generation.limits import is_out_of_memory, memory_remedy, smaller_limits
from engine.generation.load import find_weights
from engine.generation.processors import choose_processors
from engine.generation.routing import MOST_SMALL_UNITS
from engine.generation.seeds import seed_from
from engine.generation.shortage import Shortage
from engine.generation.totals import EngineTotals
from engine.generation.vllm_generator import engine_environment
from engine.runtime.capacity import Ask

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.runtime.place import Place

_CONCURRENT_CALLS = MOST_SMALL_UNITS + 8
"""Calls that an actor answers at a time: all units that it may hold, and a few questions of the driver."""
_WAIT_SECONDS = 1.0
_IDLE_SECONDS = 0.1
"""How long to listen where no unit is in flight: an open part is committed soon then."""
_REPORT_SECONDS = 1.0
"""How long to wait for a report; the others are not kept waiting for one that comes later."""
_ASK_SECONDS = 0.5
"""How often engines are asked for reports while units are in flight, however many of those end in between."""
_MANY_CALLS = 32
"""Where the driver waits for more calls than this, it gathers answers for a moment: each look costs time for each."""
_GATHER_SECONDS = 0.02
_LONGEST_GAP_SECONDS = 5.0
"""A driver that did not listen for longer, such as one whose machine slept, says nothing of its engines."""
_STOP_SECONDS = 60.0
_UPLOAD_SECONDS = 600.0
"""How long an engine that stops may take for a part: more than a request with all its repetitions, and the pauses."""
_HOMELESS_SECONDS = 120.0
"""How long no node may have what an engine holds before it is chosen anew what that is: a lost node may come back."""
_LOOK_SECONDS = 10.0
"""How often it is looked whether a node has that, while no engine is there."""
_PAUSE_SECONDS = 0.5
"""An engine is started so much later for each one before it that ended without having committed anything ..."""
_LONGEST_PAUSE_SECONDS = 60.0
"""... and at most so much."""


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
        self._shortage = Shortage(place.console, self._processors)
        self._smaller: GeneratorConfig | None = None
        self.next_index = first_index
        """The number of the engine that is started next."""
        self.is_stopped = False
        self._has_loaded = False
        self._job: GenerationJob | None = None
        self._num_useless = 0
        self._next_start = 0.0
        self._next_look = 0.0
        self._homeless_since: float | None = None
        self._listened = time.monotonic()
        self.has_news = False
        """Whether the last `listen` brought reports, so that `totals` may have changed."""
        self.start_seconds = 0.0
        """The longest start of an engine so far."""
        self.gone: list[EngineTotals] = []
        """Totals of the engines that have ended since the job began."""
        self.engines: list[Engine] = []
        self._fill()

    @property
    def size(self) -> int:
        """Returns the number of engines that there should be."""
        return self._processors.num_engines

    def working(self) -> list[Engine]:
        """Returns the engines that can be given units."""
        return [engine for engine in self.engines if engine.state is EngineState.working]

    def loaded(self) -> list[Engine]:
        """Returns the engines that are loaded, whether they have a job or not."""
        return [engine for engine in self.engines if engine.is_loaded]

    def _fill(self) -> None:
        """Starts engines until there are as many as there should be."""
        while not self.is_stopped and len(self.engines) < self.size and time.monotonic() >= self._next_start:
            self.engines.append(self._start())

    def _start(self) -> Engine:
        import ray

        index, self.next_index = self.next_index, self.next_index + 1
        log = self._place.logs() / f"engine-{index}.log"
        log_start = log.stat().st_size if log.exists() else 0
        config, cpus = self._smaller or self._config, self._processors.cpus
        seed = seed_from(config.seed, self._salt, index)
        actor_class: Any = ray.remote(EngineActor)
        actor = actor_class.options(
            num_cpus=self._processors.asked_cpus,
            num_gpus=self._processors.gpus,
            # No placement group: an actor is whole on one node, and the GPUs that it is given are that node's.
            max_concurrency=_CONCURRENT_CALLS,
            max_restarts=0,
            runtime_env={"env_vars": engine_environment(config, cpus) | fake_environment()},
        ).remote(config, self._weights, index, seed, log)
        engine = Engine(index, actor, log, log_start, config, self._smaller is not None, self._processors, seed)
        engine.promise = actor.ready.remote()
        return engine

    def _choose_anew(self) -> None:
        """Gives engines another size where no node that is up has had, for a while, what one of them asks for.

        The node that had it is gone, or the driver of another job has come. Where nodes come up on demand, one will.

        Raises:
            UserError: nor could any other size be placed.
        """
        import ray

        now = time.monotonic()
        if self._place.cluster.autoscaling or any(engine.is_loaded or engine.has_begun for engine in self.engines):
            self._homeless_since = None
            return
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        if Ask("engine", 1, self._processors.asked_cpus, self._processors.gpus).fits(self._place.capacity().nodes):
            self._homeless_since = None  # others hold it
            return
        self._homeless_since = now if self._homeless_since is None else self._homeless_since
        if now - self._homeless_since < _HOMELESS_SECONDS:
            return
        self._homeless_since, chosen = None, choose_processors(self._config, self._place)
        if chosen != self._processors:
            self._place.console.warn(f"no node has what an engine held; from now on: {chosen}")
            for engine in (engine for engine in self.engines if engine.state is EngineState.loading):
                ray.kill(engine.actor)
            self.engines = [engine for engine in self.engines if engine.state is not EngineState.loading]
            self._processors, self._shortage = chosen, Shortage(self._place.console, chosen)

    def open(self, job: GenerationJob) -> None:
        """Begins a job: every engine is told of it as soon as it is loaded."""
        self._job, self.gone = job, []
        for engine in self.engines:
            engine.totals = None
            if engine.is_loaded and engine.promise is None:
                engine.open(job)

    def listen(self) -> tuple[list[Engine], list[Engine]]:
        """Waits a moment for whatever engines have to say, and takes note of it; free places are filled.

        Returns:
            The engines that can be given units from now on; and those that have ended, which `remove` takes out.

        Raises:
            UserError: engines cannot start with this config, also with smaller limits where memory was short.
        """
        self._choose_anew()
        self._fill()
        calls = [call for engine in self.engines for call in (*engine.units, engine.promise) if call is not None]
        is_tail = not any(engine.units for engine in self.engines) and bool(self.loaded())
        gather_seconds = _GATHER_SECONDS if len(calls) > _MANY_CALLS else 0.0
        answered = wait_for(calls, _IDLE_SECONDS if is_tail else _WAIT_SECONDS, gather_seconds=gather_seconds)
        joined = [engine for engine in self.engines if self._note_answers(engine, answered)]
        # Reports come after the units: what they say is committed then covers every row of a finished unit.
        is_tail = not any(engine.units for engine in self.engines)
        self.has_news = is_tail or time.monotonic() - self._listened >= _ASK_SECONDS
        if self.has_news:
            self._take_reports()
        self._shortage.say(self.engines)
        dead = self._dead()
        end_actors([engine.actor for engine in dead if engine.ended and not engine.ended.is_gone])
        for engine in dead:
            self._note_end(engine)
        return joined, self._dead()

    def _dead(self) -> list[Engine]:
        return [engine for engine in self.engines if engine.state is EngineState.dead]

    def _note_answers(self, engine: Engine, answered: set[Any]) -> bool:
        """Takes note of units that are written and of promises that are kept; returns whether the engine joins."""
        with engine.watched():
            engine.settle(answered)
            if engine.promise in answered:
                answer, engine.promise = answer_of(engine.promise), None
                if engine.state is EngineState.loading:
                    engine.become_ready(answer)
                    self._has_loaded, self.start_seconds = True, max(self.start_seconds, answer.seconds)
                if engine.job is self._job is not None:
                    engine.begin()
                    return True
                if self._job is not None:
                    engine.open(self._job)
        return False

    def _take_reports(self) -> None:
        """Asks every loaded engine how it is. One that does not answer is not asked again, and stands still."""
        loaded = self.loaded()
        asked = [engine.ask() for engine in loaded if engine.question is None]
        answered = wait_for(asked, _REPORT_SECONDS, every=True)
        answered |= wait_for([engine.question for engine in loaded], 0.0)
        now = time.monotonic()
        seconds, self._listened = min(now - self._listened, _LONGEST_GAP_SECONDS), now
        for engine in loaded:
            with engine.watched():
                engine.hear_or_wait(answered, seconds)

    def _note_end(self, dead: Engine) -> None:
        """Finds out why an engine ended; one that ended while it loaded may have others start with smaller limits.

        Raises:
            UserError: it cannot start, and nor could another one.
        """
        assert dead.ended, "an engine is dead because of something"
        if dead.has_loaded:
            dead.reason = why_ended(dead.ended, dead.log, dead.log_start)
            return
        reason = why_no_start(dead.ended, dead.log, dead.log_start)
        dead.reason = reason.splitlines()[-1]
        # Where other engines have loaded, a process that was killed without a word says nothing about memory.
        is_short = is_out_of_memory(reason) and not (dead.ended.was_killed and self._has_loaded)
        if is_short and not dead.has_smaller_limits:
            self._lower_limits(reason)
            self.engines.remove(dead)
        elif is_short or not (self._has_loaded or dead.ended.was_lost):
            raise _no_start(dead, self._config, reason)

    def _lower_limits(self, reason: str) -> None:
        if self._smaller is None:  # this is the first of several engines to find it
            self._smaller, changes = smaller_limits(self._config, reason)
            self._place.console.warn(
                f"too little memory for the engine; it is started once more with {', '.join(changes)}"
            )

    def remove(self, dead: Engine, num_committed: int) -> None:
        """Takes out a dead engine; another one is started in its place, later where engines die without doing anything.

        Args:
            dead: one of the engines that `listen` returned as ended.
            num_committed: samples of the job that it had committed.
        """
        self.engines.remove(dead)
        if dead.totals is not None or num_committed:
            self.gone.append(replace(dead.count_only(num_committed), ended=time.time()))
        self._num_useless = 0 if num_committed else self._num_useless + 1
        pause = min(_LONGEST_PAUSE_SECONDS, self._num_useless * _PAUSE_SECONDS)
        self._next_start = time.monotonic() + pause

    def totals(self) -> list[EngineTotals]:
        """Returns the totals of each engine that took part in the job so far, those that have ended first."""
        return [*self.gone, *(engine.totals for engine in self.engines if engine.totals is not None)]

    def _wait_stopped(self, stopping: Mapping[Any, Engine]) -> set[Any]:
        """Waits until engines have stopped; for as long as parts go on arriving where they are shared.

        Returns:
            Of the calls that stop engines those that are answered.
        """
        before, moved = dict[int, tuple[int, int]](), time.monotonic()
        while True:
            stopped = wait_for(stopping, _STOP_SECONDS, every=True)
            sending = _sending([engine for call, engine in stopping.items() if call not in stopped])
            if not sending:  # a part may have arrived only now, and its engine has as long as others to stop
                return wait_for(stopping, _STOP_SECONDS, every=True) if before else stopped
            if not before:
                parts = sum(number for _, number in sending.values())
                self._place.console.step("samples", f"waiting for {parts} parts that are still being sent")
            if sending != before:
                before, moved = sending, time.monotonic()
            elif time.monotonic() - moved > _UPLOAD_SECONDS:
                return stopped

    def stop(self) -> None:
        """Ends every engine, and starts no more. Those that are loaded commit their open parts first."""
        import ray

        self.is_stopped = True
        stopping = {engine.actor.stop.remote(): engine for engine in self.loaded()}
        stopped = self._wait_stopped(stopping)
        for call, engine in stopping.items():
            with engine.watched():
                if call not in stopped:
                    raise EngineEndedError("it does not answer")
                totals = answer_of(call)
                if engine.state is EngineState.working:
                    engine.count(totals, len(engine.settled))
            if engine.state is EngineState.dead:
                self._place.console.warn(f"engine {engine.index} did not stop in good order (see {engine.log})")
        for engine in self.engines:
            ray.kill(engine.actor)
        end_actors([engine.actor for engine in self.engines if engine.has_begun])  # who comes next needs what they hold
        now = time.time()
        ended = [totals if totals.ended else replace(totals, ended=now) for totals in self.totals()]
        self.engines, self.gone = [], ended  # in this order: no thread may count an engine twice


def _sending(late: Sequence[Engine]) -> dict[int, tuple[int, int]]:
    """Asks engines that are stopping how many samples they have committed, and how many parts they are still sending.

    Returns:
        Both numbers, by the engine's own, of those that are sending.
    """
    calls = {engine.actor.report.remote(): engine for engine in late}
    reports = dict[int, tuple[int, int]]()
    for call in wait_for(calls, _LONGEST_GAP_SECONDS, every=True):
        with calls[call].watched():
            report = answer_of(call)
            if report.num_sent:
                reports[calls[call].index] = report.totals.committed, report.num_sent
    return reports


def _no_start(engine: Engine, config: GeneratorConfig, reason: str) -> UserError:
    last_line, where = reason.splitlines()[-1], f"samples.model={config.model}"
    if is_out_of_memory(reason):
        return UserError(
            f"the engine does not start for want of memory, also with smaller limits: {last_line}",
            where=where,
            remedy=f"{memory_remedy(config)} (see {engine.log})",
        )
    remedy = f"read {engine.log}; where it speaks of a dtype or of bfloat16, set samples.precision=bf16 or fp32"
    return UserError(f"the engine does not start: {last_line}", where=where, remedy=remedy)
