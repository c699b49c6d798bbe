"""Sets of ids: packed without loss, and a bitmap that equals a plain set."""

import random

import numpy as np
import pytest

from engine.errors import BrokenInvariantError
from engine.storage.ids import IdSet, ids_of, pack_ids, runs_of, unpack_runs

CASES = {
    "none": [],
    "zero": [0],
    "one": [5],
    "dense": list(range(1000)),
    "big gaps": [0, 2**31, 2**31 + 1, 2**40, 2**62],
    "sparse": list(range(0, 10**6, 997)),
    "runs": [1, 2, 3, 7, *range(100, 300), 302],
    "largest": [2**63 - 2],
}


@pytest.mark.parametrize("ids", CASES.values(), ids=CASES)
def test_ids_are_packed_without_loss(ids: list[int]) -> None:
    array = np.array(ids, np.int64)
    assert ids_of(unpack_runs(pack_ids(array))).tolist() == ids
    assert ids_of(runs_of(array)).tolist() == ids


def test_runs_are_as_few_as_can_be() -> None:
    starts, lengths = runs_of(np.array([1, 2, 3, 7, 9, 10], np.int64))
    assert (starts.tolist(), lengths.tolist()) == ([1, 7, 9], [3, 1, 2])
    starts, lengths = unpack_runs(pack_ids(np.arange(10**6, 2 * 10**6, dtype=np.int64)))
    assert (starts.tolist(), lengths.tolist()) == ([10**6], [10**6])
    assert len(pack_ids(np.arange(10**6, 2 * 10**6, dtype=np.int64))) < 100
    assert len(pack_ids(np.arange(0, 8 * 10**5, 8, dtype=np.int64))) < 20_000, "every eighth id: one of eight prefixes"


@pytest.mark.parametrize("seed", range(8))
def test_a_bitmap_equals_a_set(seed: int) -> None:
    source, size = random.Random(seed), 3000 + seed
    plain: set[int] = set()
    bitmap = IdSet(size)
    while len(plain) < size * 0.9:
        start = source.randrange(size)
        new = set(range(start, min(size, start + source.choice([1, 2, 9, 70, 500]))))
        new |= {source.randrange(size) for _ in range(source.choice([0, 40]))}
        new -= plain
        bitmap.add(np.array(sorted(new), np.int64))
        plain |= new
        first = source.randrange(size)
        last = source.randrange(first, size)
        assert bitmap.count_between(first, last) == len(plain & set(range(first, last + 1)))
    assert len(bitmap) == len(plain)
    assert np.flatnonzero(bitmap.contains(np.arange(size, dtype=np.int64))).tolist() == sorted(plain)


@pytest.mark.parametrize("again", [[3], [64], list(range(50, 150)), list(range(99, 400)), [499]])
def test_an_id_twice_is_noticed(again: list[int]) -> None:
    bitmap = IdSet(500)
    bitmap.add(np.array([3, *range(60, 100), 499], np.int64))
    with pytest.raises(BrokenInvariantError, match="in two committed parts"):
        bitmap.add(np.array(again, np.int64))


def test_an_id_outside_the_plan_is_noticed() -> None:
    with pytest.raises(BrokenInvariantError, match="sample 500 is committed, and the plan ends at 499"):
        IdSet(500).add(np.array([1, 500], np.int64))
    with pytest.raises(BrokenInvariantError, match="sample -1 is committed, and no plan begins below 0"):
        IdSet(500).add(np.array([-1, 5], np.int64))


def test_a_set_is_packed_and_comes_back() -> None:
    members = IdSet(1003)
    members.add(np.array([0, 7, 8, 500, *range(600, 800), 1002]))
    again = IdSet.unpack(1003, members.pack())
    assert len(again) == len(members) == 205
    every = np.arange(1003)
    assert again.contains(every).tolist() == members.contains(every).tolist()
    again.add(np.array([1]))
    assert not members.contains(np.array([1])).any(), "it is a set of its own"
    assert len(IdSet.unpack(9, "")) == 0
    with pytest.raises(BrokenInvariantError, match="belongs to no plan of 90"):
        IdSet.unpack(90, members.pack())


def test_a_copy_is_a_set_of_its_own() -> None:
    members = IdSet(20)
    members.add(np.array([3]))
    other = members.copy()
    other.add(np.array([4]))
    assert (len(members), len(other)) == (1, 2)
    assert members.contains(np.array([3, 4])).tolist() == [True, False]


def test_ids_that_are_there_are_told_and_may_be_included() -> None:
    members = IdSet(300)
    members.add(np.arange(100, 200))
    assert members.overlaps(runs_of(np.array([5, 199])))
    assert members.overlaps(runs_of(np.arange(0, 101)))
    assert not members.overlaps(runs_of(np.array([99, 200])))
    assert not members.overlaps(runs_of(np.array([], np.int64)))
    members.include(np.arange(150, 250))
    assert len(members) == 150
    for wrong in (300, -1):
        with pytest.raises(BrokenInvariantError, match="is committed, and"):
            members.overlaps(runs_of(np.array([wrong])))
        with pytest.raises(BrokenInvariantError, match="is committed, and"):
            members.include(np.array([wrong]))
