"""The time that a run may generate for: it runs once, and stands still while engines load."""

from __future__ import annotations

import math
import time

import pytest

from engine.generation.budget import Budget


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


def test_a_pause_is_not_counted(clock: list[float]) -> None:
    budget = Budget(10.0)
    with budget.paused():
        clock[0] += 100
    budget.start()
    clock[0] += 3
    with budget.paused():
        clock[0] += 100
    assert budget.left() == 7.0
