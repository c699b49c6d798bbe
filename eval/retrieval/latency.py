"""Measures how long one query takes with each system, from its text to the passages.

In: systems and queries. Out: medians and 95th percentiles, by system. Queries are timed one at a time, as a person
sends them, and encoding apart from searching, since only the latter grows with the number of passages. A system made of
others does all of its work together, which counts as searching.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.search.order import VectorIndex, Vectors
from engine.search.systems import DenseSystem, System
from eval.counting import Advance, counting

if TYPE_CHECKING:
    from engine.runtime.console import Console

WARM_UP = 3
"""Number of queries before the first one that counts."""
DEPTH = 10
"""Number of passages that are searched for."""


@dataclass(frozen=True)
class Percentiles:
    """The median and the 95th percentile of a duration, in milliseconds."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one query takes with one system."""

    encode: Percentiles | None = None
    """The time from text to vector; None for a system that encodes nothing, or that does not tell it apart."""
    search: Percentiles

    @property
    def p50_ms(self) -> float:
        """The median of the whole, in milliseconds, as the sum of those of its two parts."""
        return self.search.p50_ms + (self.encode.p50_ms if self.encode else 0.0)


def measure_latency(
    systems: Sequence[System], queries: Sequence[str], repetitions: int, *, console: Console | None = None
) -> dict[str, Latency]:
    """Measures how long one query takes, by the name of the system; empty when there is nothing to time.

    Args:
        systems: the systems to time.
        queries: texts, taken in turn.
        repetitions: number of queries that count; a few more warm up.
        console: is told how many searches are timed, between two of them; None tells nobody.
    """
    measured = systems if queries and repetitions else ()
    with counting(console, len(measured) * repetitions, "timed searches", steady=True) as advance:
        return {system.name: _latency(system, queries, repetitions, advance) for system in measured}


def _latency(system: System, queries: Sequence[str], repetitions: int, advance: Advance) -> Latency:
    seconds = np.zeros((WARM_UP + repetitions, 2))
    for repetition in range(len(seconds)):
        started = time.perf_counter()
        search = system.prepare([queries[repetition % len(queries)]])
        prepared = time.perf_counter()
        search(DEPTH)
        seconds[repetition] = prepared - started, time.perf_counter() - prepared
        if repetition >= WARM_UP:
            advance()
    encoding, searching = seconds[WARM_UP:].T
    if isinstance(system, DenseSystem):
        return Latency(encode=_percentiles(encoding), search=_percentiles(searching))
    return Latency(search=_percentiles(encoding + searching))


def _percentiles(seconds: npt.NDArray[np.float64]) -> Percentiles:
    p50, p95 = (round(1000 * float(np.percentile(seconds, percent)), 3) for percent in (50, 95))
    return Percentiles(p50, p95)


def search_latency(index: VectorIndex, queries: Vectors, repetitions: int) -> Percentiles | None:
    """Measures how long an index takes for one query, of which the vector is there; None where nothing is to be timed.

    Args:
        index: the index to time.
        queries: vectors, (queries, dim), taken in turn.
        repetitions: number of queries that count; a few more warm up.
    """
    if not (repetitions and len(queries)):
        return None
    seconds = np.zeros(WARM_UP + repetitions)
    for repetition in range(len(seconds)):
        started = time.perf_counter()
        index.search(queries[repetition % len(queries)][None], DEPTH)
        seconds[repetition] = time.perf_counter() - started
    return _percentiles(seconds[WARM_UP:])
