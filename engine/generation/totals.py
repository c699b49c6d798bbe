"""When so many samples have failed that a run is wrong as a whole, and is stopped.

In: counts of the engines so far, or of all committed rows. Out: nothing, or an error with what a sample failed with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.artifacts.samples import EngineTime
from engine.errors import UserError


def check_failures(
    max_failed_share: float, written: int, totals: Sequence[Mapping[str, Any]], *, at_least: int = 50
) -> None:
    """Stops a run that is wrong as a whole.

    Args:
        max_failed_share: `samples.max_failed_share`.
        written: samples so far, failed ones included.
        totals: `failed`, `turned_down` and `last_error` of each engine.
        at_least: fewer than these say nothing yet; 1 when all are written.

    Raises:
        UserError: more than `max_failed_share` of at least `at_least` samples failed. What a task's `keep_if` turned
            down is not counted, unless nothing else is left.
    """
    failed, turned_down = (sum(own.get(name, 0) for own in totals) for name in ("failed", "turned_down"))
    if turned_down and failed < written:
        failed, written = failed - turned_down, written - turned_down
    if written >= at_least and failed > max_failed_share * written:
        errors = [own["last_error"] for own in totals if own["last_error"]]
        raise UserError(
            f"{failed} of {written} samples failed, the last with: {errors[-1] if errors else 'no message'}",
            where=f"samples.max_failed_share={max_failed_share}",
            remedy="mend what the message says and run again (with nothing changed failed samples stay as they are), "
            "or raise samples.max_failed_share",
        )


def engine_time(engines: Iterable[Mapping[str, Any]]) -> EngineTime:
    """CPU-seconds and GPU-seconds that engines held while they worked.

    An engine's seconds run from its first admitted request to its last committed row, on all its processors.

    Args:
        engines: totals of engines: first_admitted, last_committed (seconds of the epoch), cpus, gpus.
    """
    cpu_seconds = gpu_seconds = 0.0
    for engine in engines:
        if engine["first_admitted"]:
            seconds = max(0.0, engine["last_committed"] - engine["first_admitted"])
            cpu_seconds += seconds * engine.get("cpus", 0)
            gpu_seconds += seconds * engine.get("gpus", 0)
    return EngineTime(round(cpu_seconds, 2), round(gpu_seconds, 2))


def hit_rate(counters: Mapping[str, int]) -> float:
    """Share of prompt tokens that the prefix cache answered, by the engine's own counters."""
    queries = counters.get("prefix_cache_queries", 0)
    return counters.get("prefix_cache_hits", 0) / queries if queries else 0.0


@dataclass
class Totals:
    """What one engine did since its job began; times are seconds of the epoch."""

    generated: int = 0
    failed: int = 0
    turned_down: int = 0
    """Of those that failed: turned down by a turn's `keep_if`."""
    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    committed: int = 0
    first_admitted: float = 0.0
    last_committed: float = 0.0
    last_error: str = ""
    counters: dict[str, int] = field(default_factory=dict)
