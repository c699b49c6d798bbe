"""Queries are timed one at a time, and encoding apart from searching."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.search.dense import DenseIndex
from engine.search.systems import Bm25System, DenseSystem, Search
from eval.retrieval.corpus import read_corpus
from eval.retrieval.latency import WARM_UP, Latency, Percentiles, measure_latency
from tests.support.bars import Bars
from tests.support.small_run import build_run, small_systems


@dataclass
class CountingSystem:
    """BM25 that notes the queries which it is given."""

    system: Bm25System
    name: str = "bm25"
    given: list[list[str]] = field(default_factory=list)

    def prepare(self, queries: Sequence[str]) -> Search:
        self.given.append(list(queries))
        return self.system.prepare(queries)


def test_latency_is_measured_for_one_query_at_a_time(tmp_path: Path) -> None:
    corpus = read_corpus(build_run(tmp_path)["documents"])
    system = CountingSystem(small_systems(corpus)[0])
    latency = measure_latency([system], ["one", "two"], 5)
    assert system.given[:3] == [["one"], ["two"], ["one"]]
    assert len(system.given) == 5 + WARM_UP
    assert latency["bm25"].search.p95_ms >= latency["bm25"].search.p50_ms > 0
    assert latency["bm25"].encode is None
    assert measure_latency(small_systems(corpus), [], 5) == {}
    assert measure_latency(small_systems(corpus), ["one"], 0) == {}


def test_searches_are_counted_between_two_of_them_and_warming_up_is_not() -> None:
    bars, seen = Bars(), list[int]()

    class Looking:
        name = "looking"

        def prepare(self, queries: Sequence[str]) -> Search:
            seen.extend(count.done for count in bars.activity.moment().counts)
            return lambda depth: (np.zeros((1, depth), np.int64), np.zeros((1, depth), np.float32))

    measure_latency([Looking(), Looking()], ["one"], 2, console=bars)
    assert seen == [*[0] * WARM_UP, 0, 1, *[2] * WARM_UP, 2, 3]
    assert bars.ended == [("report", "timed searches", 4, 4)]


@dataclass
class WorksFirst:
    """A system that works for two seconds of a clock before it is asked for a depth, as fused and reranked ones do."""

    name: str = "fused"
    now: float = 0.0

    def prepare(self, queries: Sequence[str]) -> Search:
        self.now += 2
        return lambda _: (np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32))


def test_what_a_made_system_does_before_it_searches_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    system = WorksFirst()
    clock = SimpleNamespace(perf_counter=lambda: system.now)
    monkeypatch.setattr("eval.retrieval.latency.time", clock)
    assert measure_latency([system], ["one"], 3)["fused"].search.p50_ms == 2000


def test_a_dense_system_also_encodes() -> None:
    encoder = SimpleNamespace(encode_queries=lambda queries: np.ones((len(queries), 2), np.float32))
    system = DenseSystem("tuned", encoder, DenseIndex(["a"], np.ones((1, 2), np.float32)))  # type: ignore[arg-type]
    latency = measure_latency([system], ["one"], 2)["tuned"]
    assert latency.encode is not None
    assert latency.encode.p95_ms >= latency.encode.p50_ms > 0


def test_a_system_that_does_everything_at_once_counts_all_of_its_time_as_searching() -> None:
    class Slow:
        name = "both"

        def prepare(self, queries: Sequence[str]) -> Search:
            time.sleep(0.005)
            return lambda depth: (np.zeros((1, depth), np.int64), np.zeros((1, depth), np.float32))

    latency = measure_latency([Slow()], ["one"], 2)["both"]
    assert latency.encode is None
    assert latency.search.p50_ms == latency.p50_ms >= 5, "it cannot be faster than it sleeps"
    both = Latency(encode=Percentiles(2.0, 3.0), search=Percentiles(1.0, 4.0))
    assert both.p50_ms == 3.0
