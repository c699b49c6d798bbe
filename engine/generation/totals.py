"""What engines did, as one record that adds up, and the figures that are worked out of it.

In: the totals of engines, each as of the last time that the engine was asked. Out: how long engines worked, how much
their prefix caches saved, and an error where a run is wrong as a whole. One record goes from the engine's process to
attempt.json, so that a figure means the same wherever it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.artifacts.samples import EngineTime
from engine.errors import UserError


@dataclass(frozen=True)
class EngineTotals:
    """What one engine did since its job began, or what several engines did together: `+` adds them up.

    A record never changes, so that a thread may read it while another one counts on.
    """

    generated: int = 0
    failed: int = 0
    turned_down: int = 0
    """Samples that failed because a turn's `keep_if` turned them down."""
    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    committed: int = 0
    """Samples in committed parts; all others may still be lost."""
    first_admitted: float = 0.0
    """When the first request was admitted, in seconds of the epoch; 0 before that."""
    last_committed: float = 0.0
    """When the last part was committed, in seconds of the epoch; 0 before that."""
    last_error: str = ""
    """Why the last failed sample failed; empty while none has."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """The generator's own counters, by name (Generator.counters)."""
    cpus: int = 0
    gpus: float = 0
    """Parts of one where engines share it."""
    began: float = 0.0
    """When the engine began to load for the job, or was told of it where it was loaded already, in seconds of the
    epoch; 0 where it is not known, and of several engines."""
    ended: float = 0.0
    """When the engine was given up or stopped, likewise; 0 before that."""

    def __add__(self, other: EngineTotals) -> EngineTotals:
        names = self.counters.keys() | other.counters.keys()
        admitted = [when for when in (self.first_admitted, other.first_admitted) if when]
        return EngineTotals(
            generated=self.generated + other.generated,
            failed=self.failed + other.failed,
            turned_down=self.turned_down + other.turned_down,
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            committed=self.committed + other.committed,
            first_admitted=min(admitted, default=0.0),
            last_committed=max(self.last_committed, other.last_committed),
            last_error=other.last_error or self.last_error,
            counters={name: self.counters.get(name, 0) + other.counters.get(name, 0) for name in sorted(names)},
            cpus=self.cpus + other.cpus,
            gpus=self.gpus + other.gpus,
        )

    @property
    def finished(self) -> int:
        """Returns the number of samples that are over, generated or failed."""
        return self.generated + self.failed

    @property
    def seconds(self) -> float:
        """Returns the seconds from the first admitted request to the last committed part; 0 where there is none."""
        return max(0.0, self.last_committed - self.first_admitted) if self.first_admitted else 0.0


def add_up(engines: Iterable[EngineTotals]) -> EngineTotals:
    """Adds up what several engines did together."""
    return sum(engines, EngineTotals())


def engine_time(engines: Iterable[EngineTotals]) -> EngineTime:
    """Adds up the CPU-seconds and GPU-seconds that engines held while they worked, over all their processors."""
    totals = list(engines)
    cpu_seconds = sum(engine.seconds * engine.cpus for engine in totals)
    gpu_seconds = sum(engine.seconds * engine.gpus for engine in totals)
    return EngineTime(round(cpu_seconds, 2), round(gpu_seconds, 2))


def idle_time(engines: Iterable[EngineTotals]) -> EngineTime | None:
    """Adds up what the engines of one start held without work until the last row of all of them.

    An engine holds its processors from when it began to load for the job, or was told of it, until it ends. All of that
    is idle but what lies between its own first request and its own last row: loading is, too. None stands for what was
    not noted, in a start of an earlier version.
    """
    totals = list(engines)
    worked = [engine for engine in totals if engine.seconds]
    if any(not engine.began for engine in worked):
        return None
    last = add_up(worked).last_committed
    idle = [(_held_seconds(each, last) - each.seconds, each) for each in totals if each.began]
    cpu_seconds = sum(max(0.0, seconds) * engine.cpus for seconds, engine in idle)
    gpu_seconds = sum(max(0.0, seconds) * engine.gpus for seconds, engine in idle)
    return EngineTime(round(cpu_seconds, 2), round(gpu_seconds, 2))


def _held_seconds(engine: EngineTotals, last: float) -> float:
    """Returns how long an engine held its processors for the job, until a moment."""
    return min(engine.ended or last, last) - engine.began


def hit_rate(totals: EngineTotals) -> float:
    """Returns the share of prompt tokens that the prefix cache answered, by the generator's own counters; or 0."""
    queries = totals.counters.get("prefix_cache_queries", 0)
    return totals.counters.get("prefix_cache_hits", 0) / queries if queries else 0.0


def check_failures(max_failed_share: float, totals: EngineTotals, *, at_least: int = 50) -> None:
    """Stops a run that is wrong as a whole.

    Args:
        max_failed_share: `samples.max_failed_share`.
        totals: of all samples so far.
        at_least: fewer samples than these say nothing yet; 1 when all are written.

    Raises:
        UserError: more than `max_failed_share` of at least `at_least` samples failed. What a task's `keep_if` turned
            down is not counted, unless nothing else is left.
    """
    failed, finished = totals.failed, totals.finished
    if totals.turned_down and failed < finished:
        failed, finished = failed - totals.turned_down, finished - totals.turned_down
    if finished >= at_least and failed > max_failed_share * finished:
        raise UserError(
            f"{failed} of {finished} samples failed, the last with: {totals.last_error or 'no message'}",
            where=f"samples.max_failed_share={max_failed_share}",
            remedy="mend what the message says and run again (with nothing changed failed samples stay as they are), "
            "or raise samples.max_failed_share",
        )
