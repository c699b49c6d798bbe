"""The first place of an id is found again, whatever comes between, and in little memory."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.text import first_places
from engine.text.first_places import FirstPlaces


@pytest.mark.parametrize("recent", [2, 7, 1000])
def test_each_id_has_its_first_place(recent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_places, "_RECENT", recent)
    draws, seen, plain = random.Random(recent), FirstPlaces(), dict[str, int]()
    for place in range(2000):
        name = f"id {draws.randrange(1200)}"
        assert seen.get(name) == plain.get(name)
        assert seen.put(name, place) == plain.setdefault(name, place)
    assert len(seen._pieces) <= 11, "sizes that double"


def test_an_id_may_hold_anything_and_a_place_be_large() -> None:
    seen = FirstPlaces()
    assert seen.get("") is None
    assert [seen.put(name, 2**62) for name in ("", "\ud800", "é")] == [2**62] * 3
    assert seen.put("\ud800", 1) == 2**62


def test_what_is_sorted_takes_16_bytes_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_places, "_RECENT", 100)
    seen = FirstPlaces()
    for place in range(1000):
        seen.put(str(place), place)
    assert not seen._recent
    assert sum(numbers.nbytes + places.nbytes for numbers, places in seen._pieces) == 16_000
    assert all(np.all(numbers[1:] > numbers[:-1]) for numbers, _ in seen._pieces)
