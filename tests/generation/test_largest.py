"""The largest value of a changing set, against looking at all of them."""

from __future__ import annotations

import random

import pytest

from engine.generation.largest import Largest


def test_the_smallest_number_of_equal_values_comes_first() -> None:
    largest = Largest()
    assert largest.first() is None
    for number, value in ((5, 1), (3, 2), (4, 2)):
        largest.set(number, value)
    assert largest.first() == (3, 2)
    largest.set(3, 0)
    assert largest.first() == (4, 2)
    largest.remove(4)
    largest.remove(4)
    assert largest.first() == (5, 1)


@pytest.mark.parametrize("seed", range(3))
def test_is_the_largest_whatever_changes(seed: int) -> None:
    draw, largest, values = random.Random(seed), Largest(), dict[int, int]()
    for _ in range(2000):
        number, value = draw.randrange(20), draw.randrange(50)
        if draw.random() < 0.7:
            largest.set(number, value)
            values[number] = value
        else:
            largest.remove(number)
            values.pop(number, None)
        best = max(values.items(), key=lambda item: (item[1], -item[0]), default=None)
        assert (largest.first(), len(largest)) == (best, len(values))


def test_what_was_replaced_is_not_kept() -> None:
    largest = Largest()
    largest.set(0, 10**9)
    for value in range(10_000):
        largest.set(1, value)
    assert len(largest._heap) < 30
