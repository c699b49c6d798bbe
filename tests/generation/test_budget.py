"""The time that a run may generate for: it stands still while nothing is generated."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from engine.generation.budget import Budget
from engine.generation.jobs import GenerationJob
from engine.generation.pool import EnginePool
from engine.generation.totals import EngineTotals
from tests.support.jobs import FAKE, job_at
from tests.support.places import quiet_place


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_time_runs_from_the_start_on(clock: list[float]) -> None:
    budget = Budget(10.0)
    clock[0] += 50
    assert (budget.left(), budget.is_used_up) == (10.0, False)
    budget.start()
    clock[0] += 4
    assert budget.left() == 6.0
    budget.start()
    clock[0] += 6
    assert budget.is_used_up, "a second start changes nothing"


def test_zero_is_no_limit(clock: list[float]) -> None:
    budget = Budget(0.0)
    budget.start()
    clock[0] += 1e9
    assert budget.left() == math.inf
    assert not budget.is_used_up


def test_time_between_two_jobs_is_not_counted(clock: list[float]) -> None:
    budget = Budget(10.0)
    budget.stop()
    clock[0] += 100
    for seconds in (3, 6):
        budget.start()
        clock[0] += seconds
        budget.stop()
        clock[0] += 100  # curation, and engines that load again for the next round
    assert (budget.left(), budget.is_used_up) == (1.0, False)
    budget.start()
    clock[0] += 1
    assert budget.is_used_up


class NoEngines:
    """A group that has no engines, and needs none where there are no units."""

    def __init__(self, *_: Any) -> None:
        self.engines: list[Any] = []

    def open(self, job: GenerationJob) -> None:
        pass

    def totals(self) -> list[EngineTotals]:
        return []


def test_a_pool_counts_no_more_when_its_job_is_over(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.generation.pool.EngineGroup", NoEngines)
    budget = Budget(10.0)
    budget.start()
    clock[0] += 4
    EnginePool(FAKE, quiet_place(tmp_path), salt="", budget=budget).generate(*job_at(tmp_path / "a"), [], print)
    clock[0] += 100
    assert budget.left() == 6.0
