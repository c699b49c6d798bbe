"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from eval.retrieval.systems import DenseSystem, System

Latency = dict[str, dict[str, float]]
"""encode, search -> p50_ms, p95_ms."""


def measure_latency(systems: Sequence[System], queries: Sequence[str], repetitions: int) -> dict[str, Latency]:
    """Milliseconds for one query at a time: system -> encode, search -> p50, p95.

    Three queries warm up uncounted; BM25 has nothing to encode.
    """
    measured = systems if queries and repetitions else ()
    return {system.name: _latency(system, queries, repetitions) for system in measured}


def _latency(system: System, queries: Sequence[str], repetitions: int) -> Latency:
    seconds = np.zeros((repetitions + 3, 2))
    for repetition in range(len(seconds)):
        started = time.perf_counter()
        search = system.prepare([queries[repetition % len(queries)]])
        prepared = time.perf_counter()
        search(10)
        seconds[repetition] = prepared - started, time.perf_counter() - prepared
    parts = {"encode": seconds[3:, 0], "search": seconds[3:, 1]}
    return {
        name: {f"p{share}_ms": round(1000 * float(np.percentile(values, share)), 3) for share in (50, 95)}
        for name, values in parts.items()
        if name == "search" or isinstance(system, DenseSystem)
    }
