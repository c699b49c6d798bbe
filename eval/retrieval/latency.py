"""Measures how long one query takes with each system, from its text to the passages.

In: systems and queries. Out: medians and 95th percentiles, by system. Queries are timed one at a time, as a person
sends them. With an encoder, encoding is told apart from searching, since only the latter grows with the number of
passages; systems that are made of others do all of it, and rerank, in one time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.search.systems import DenseSystem, System

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
    """The time from text to vector; None for a system that encodes nothing."""
    search: Percentiles
    """The time from vector to passages; from text to passages for a system that is no encoder alone."""


def measure_latency(systems: Sequence[System], queries: Sequence[str], repetitions: int) -> dict[str, Latency]:
    """Measures how long one query takes, by the name of the system; empty when there is nothing to time.

    Args:
        systems: the systems to time.
        queries: texts, taken in turn.
        repetitions: number of queries that count; a few more warm up.
    """
    measured = systems if queries and repetitions else ()
    return {system.name: _latency(system, queries, repetitions) for system in measured}


def _latency(system: System, queries: Sequence[str], repetitions: int) -> Latency:
    seconds = np.zeros((WARM_UP + repetitions, 2))
    for repetition in range(len(seconds)):
        started = time.perf_counter()
        search = system.prepare([queries[repetition % len(queries)]])
        prepared = time.perf_counter()
        search(DEPTH)
        seconds[repetition] = prepared - started, time.perf_counter() - prepared
    counted = seconds[WARM_UP:]
    if not isinstance(system, DenseSystem):
        return Latency(search=_percentiles(counted.sum(axis=1)))
    encoding, searching = (_percentiles(column) for column in counted.T)
    return Latency(encode=encoding, search=searching)


def _percentiles(seconds: npt.NDArray[np.float64]) -> Percentiles:
    p50, p95 = (round(1000 * float(np.percentile(seconds, percent)), 3) for percent in (50, 95))
    return Percentiles(p50, p95)
