"""The pace of a count: nothing before it can be told, and steady afterwards."""

from __future__ import annotations

import itertools

import pytest

from engine.runtime import pace as pace_module
from engine.runtime.pace import Pace
from tests.support.paths import ROOT


def left(pace: Pace, total: int, done: int, now: float) -> float | None:
    """The seconds that the rest takes; None where that is not known."""
    rate = pace.per_second(now)
    return (total - done) / rate if rate else None


def test_the_first_result_tells_nothing_however_long_it_took() -> None:
    pace = Pace(120, 0.0)
    pace.reach(1, 218.0)
    assert pace.per_second(218.0) == 0.0, "it came with the start of the engine: 7 hours would be told"
    for done, now in ((2, 220.0), (3, 222.0), (5, 224.0)):
        pace.reach(done, now)
        assert pace.per_second(now) == 0.0, "a few per cent are not there yet"
    pace.reach(7, 230.0)
    assert pace.per_second(230.0) == pytest.approx(6 / 12)


def test_of_very_many_a_few_per_cent_are_not_waited_for() -> None:
    pace = Pace(1_000_000, 0.0)
    known = []
    for second in range(40, 120):
        pace.reach(10 * (second - 39), float(second))
        known.append(pace.per_second(float(second)) > 0)
    assert known.index(True) == 40, "as long as the first one took, and not sooner"
    assert all(known[40:])


def test_a_few_long_steps_are_told_after_some_of_them() -> None:
    pace = Pace(12, 0.0)
    told = []
    for step in range(1, 13):
        pace.reach(step, 24.0 * step)
        told.append(left(pace, 12, step, 24.0 * step))
    assert told == [None] * 3 + [pytest.approx(24.0 * (12 - step)) for step in range(4, 13)]


def test_a_window_forgets_what_was_slow_and_is_steady() -> None:
    """An hour at one a second, then ten a second with bursts: the rate is soon that of now, and does not jump."""
    pace, done, now = Pace(1_000_000, 0.0), 0, 0.0
    for _ in range(3600):
        done, now = done + 1, now + 1
        pace.reach(done, now)
    rates = []
    for burst in itertools.islice(itertools.cycle((0, 20, 10, 30, 0, 0)), 240):
        done, now = done + burst, now + 1
        pace.reach(done, now)
        rates.append(pace.per_second(now))
    assert all(rate == pytest.approx(10, rel=0.15) for rate in rates[70:])


def test_what_an_earlier_attempt_did_is_no_part_of_the_pace() -> None:
    pace = Pace(1000, 0.0)
    pace.start_at(500, 1.0)
    for number in range(1, 12):
        pace.reach(500 + 10 * number, 1.0 + number)
    assert pace.per_second(12.0) == pytest.approx(10.0)
    pace.start_at(610, 13.0)
    assert pace.per_second(13.0) == 0.0


def test_what_stands_still_becomes_slow() -> None:
    pace = Pace(100, 0.0)
    for number in range(1, 21):
        pace.reach(number, float(number))
    assert pace.per_second(21.9) == pytest.approx(1.0), "a usual wait changes nothing"
    assert pace.per_second(120.0) < 0.2
    pace.reach(20, 121.0)
    assert pace.per_second(121.0) < 0.2, "the same count is no move"


def test_thousands_of_moves_a_second_are_few_points() -> None:
    pace = Pace(10_000_000, 0.0)
    for number in range(1, 100_001):
        pace.reach(number, number / 1000)
    assert pace.per_second(100.0) == pytest.approx(1000, rel=0.02)
    assert len(pace._points) < 300


def test_the_documentation_says_when_the_time_left_is_told() -> None:
    told = " ".join((ROOT / "docs" / "watching.md").read_text().split())
    assert (pace_module._LEAST_MOVES, pace_module._APART_SECONDS, pace_module._LEAST_SHARE) == (3, 0.25, 1 / 20)
    for part in ("a quarter of a second or more", "after three more moves", "a twentieth of what was left"):
        assert part in told
    assert (pace_module._WINDOW_SECONDS, pace_module._WINDOW_MOVES, pace_module._MANY_MOVES) == (60, 20, 20)
    assert "the last minute (or of the last 20 moves" in told
    assert "Of a very long phase 20 more moves are enough" in told
