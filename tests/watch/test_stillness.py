"""A phase that stands still is told from a slow one, by what is usual for it."""

from engine.runtime.activity import Count
from engine.watch.stillness import Still, Stillness


def look(stillness: Stillness, now: float, done: int, noun: str = "samples") -> list[Still]:
    return stillness.look([Count(noun, f"{noun}s", done, 1000, 0.0, now)], now)


def test_a_phase_stands_still_after_many_times_its_usual_interval() -> None:
    stillness = Stillness(factor=10, least_seconds=20)
    for second in range(0, 31, 5):  # counts some every five seconds
        assert look(stillness, second, done=second) == []
    assert look(stillness, 80, done=30) == []
    [still] = look(stillness, 81, done=30)
    assert still == Still("samples", "sampless", seconds=51, usual_seconds=5)
    assert look(stillness, 90, done=31) == [], "it goes on"


def test_a_slow_phase_gets_its_time() -> None:
    stillness = Stillness(factor=10, least_seconds=20)
    for second in range(0, 401, 100):
        assert look(stillness, second, done=second) == []
    assert look(stillness, 1400, done=400) == []
    assert look(stillness, 1401, done=400) != []


def test_a_fast_phase_may_pause() -> None:
    stillness = Stillness(factor=10, least_seconds=60)
    for second in range(10):
        look(stillness, second, done=second)
    assert look(stillness, 69, done=9) == []
    assert look(stillness, 70, done=9) != []


def test_a_phase_that_never_moved_has_no_usual_interval() -> None:
    stillness = Stillness(factor=10, least_seconds=60)
    assert look(stillness, 0, done=0) == []
    assert look(stillness, 600, done=0) == []
    [still] = look(stillness, 601, done=0)
    assert still.usual_seconds == 0


def test_a_phase_that_ended_is_forgotten() -> None:
    stillness = Stillness(factor=10, least_seconds=60)
    look(stillness, 0, done=0)
    assert stillness.look([], 500) == []
    assert look(stillness, 1000, done=0) == [], "this one has just begun"
