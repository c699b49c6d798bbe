"""The routing policy: warm prefixes first, big prefixes shared, nobody idle; and how it compares, simulated."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from benchmarks.routing import Setting, compare
from engine.generation.routing import Queues, WarmPrefixes, units_held, warm_capacity


@dataclass(frozen=True)
class Piece:
    """A unit of one prefix; the name tells equal ones apart."""

    prefix: int
    size: int = 10
    name: str = ""


def queues(*pieces: Piece, engines: int = 1, warm: int = 2) -> Queues[Piece]:
    made = Queues(pieces)
    for engine in range(engines):
        made.add_engine(engine, warm)
    return made


def prefix_of(unit: Piece | None) -> int | None:
    return unit.prefix if unit else None


@pytest.mark.parametrize(
    ("sizes", "held"),
    [([], 0), ([256], 1), ([256, 256], 2), ([16, 16], 0), ([16] * 9, 2), ([1] * 63, 0), ([1] * 64, 2)],
)
def test_small_units_count_by_the_batches_they_fill(sizes: list[int], held: int) -> None:
    assert units_held(len(sizes), sum(sizes), batch=64) == held


def test_a_prefix_is_finished_before_another_is_begun() -> None:
    work = queues(*(Piece(prefix) for prefix in (0, 1, 1, 1, 2, 2)))
    assert [prefix_of(work.take(0)) for _ in range(7)] == [1, 1, 1, 2, 2, 0, None]
    assert len(work) == 0


def test_units_of_a_prefix_keep_their_order() -> None:
    work = queues(Piece(0, name="a"), Piece(0, name="b"), Piece(0, name="c"))
    assert [unit.name for unit in (work.take(0), work.take(0), work.take(0)) if unit] == ["a", "b", "c"]


def test_two_engines_begin_different_prefixes() -> None:
    work = queues(*(Piece(prefix) for prefix in (0, 0, 0, 1, 1, 1)), engines=2)
    taken = [(prefix_of(work.take(0)), prefix_of(work.take(1))) for _ in range(3)]
    assert taken == [(0, 1)] * 3


def test_a_prefix_above_a_fair_share_is_shared_before_small_ones_are_begun() -> None:
    work = queues(*[Piece(0)] * 20, *[Piece(1)] * 2, *[Piece(2)] * 2, engines=3)
    assert [prefix_of(work.take(engine)) for engine in range(3)] == [0, 0, 0]
    assert work.owners(0) == {0, 1, 2}


def test_a_prefix_within_a_fair_share_is_left_alone_while_others_wait() -> None:
    work = queues(*[Piece(0)] * 4, *[Piece(1)] * 4, *[Piece(2)] * 3, *[Piece(3)] * 2, engines=3)
    assert [prefix_of(work.take(engine)) for engine in range(3)] == [0, 1, 2]
    assert [prefix_of(work.take(2)) for _ in range(2)] == [2, 2]
    assert prefix_of(work.take(2)) == 3, "the small one that nobody began, not a larger one that another has warm"


def test_an_idle_engine_steals_where_most_is_left() -> None:
    work = queues(*[Piece(0)] * 3, *[Piece(1)] * 6, engines=3)
    assert [prefix_of(work.take(engine)) for engine in range(2)] == [1, 0]
    assert prefix_of(work.take(2)) == 1
    assert work.owners(1) == {0, 2}


def test_no_engine_idles_while_a_unit_waits() -> None:
    work = queues(*[Piece(0)] * 7, engines=4)
    for engine in (0, 1, 2, 3, 0, 1, 2):
        assert work.take(engine) is not None
    assert work.take(3) is None


def test_an_engine_holds_two_units_and_none_ahead_of_the_last_ones() -> None:
    work = queues(*[Piece(0)] * 5, engines=2)
    assert work.take(0, in_flight=0)
    assert work.take(0, in_flight=1)
    assert work.take(0, in_flight=2) is None
    assert work.take(1, in_flight=0)
    assert work.take(1, in_flight=1), "two wait, and there is one other engine"
    assert work.take(0, in_flight=1) is None, "the last one goes to whoever is free"
    assert work.take(1, in_flight=0)


def test_a_single_engine_always_holds_one_ahead() -> None:
    work = queues(Piece(0), Piece(0))
    assert work.take(0, in_flight=0)
    assert work.take(0, in_flight=1)


def test_what_leaves_the_cache_is_no_longer_warm() -> None:
    work = queues(*(Piece(prefix) for prefix in (0, 1, 2)), warm=2)
    for _ in range(3):
        work.take(0)
    assert work.owners(0) == frozenset()
    assert work.owners(1) == work.owners(2) == {0}


def test_a_dead_engines_prefixes_are_nobodys_and_its_units_can_come_back() -> None:
    work = queues(Piece(0), Piece(0), Piece(1), engines=2)
    lost = work.take(0)
    assert lost
    work.remove_engine(0)
    assert work.owners(lost.prefix) == frozenset()
    work.put(lost)
    work.add_engine(5, 1)
    assert len(work) == 3
    assert [prefix_of(work.take(5)) for _ in range(4)] == [0, 0, 1, None]


def most_left_per_engine(work: Queues[Piece], engines: int) -> int:
    """Says what an engine without a warm prefix should begin, by looking at all that waits."""
    rows: dict[int, int] = {}
    for prefix, waiting in work._waiting.items():
        rows[prefix] = sum(unit.size for unit in waiting)
    begun = {prefix: len(work.owners(prefix)) for prefix in rows}
    fair = sum(rows.values()) / engines
    open_to_more = [prefix for prefix in rows if not begun[prefix] or rows[prefix] / begun[prefix] > fair]
    return max(open_to_more or rows, key=lambda prefix: (rows[prefix] / (begun[prefix] + 1), -prefix))


@pytest.mark.parametrize("seed", range(4))
def test_takes_what_a_look_at_everything_would_take(seed: int) -> None:
    draw, work = random.Random(seed), queues(engines=3, warm=1 + seed)
    caches = {engine: WarmPrefixes(1 + seed) for engine in range(3)}
    for _ in range(600):
        if draw.random() < 0.5:
            work.put(Piece(draw.randrange(9), draw.choice([1, 2, 5])))
        elif len(work):
            engine = draw.randrange(len(caches))
            warm = [prefix for prefix in caches[engine].recent() if prefix in work._waiting]
            wanted = warm[0] if warm else most_left_per_engine(work, len(caches))
            assert prefix_of(work.take(engine)) == wanted
            caches[engine].use(wanted)


def test_the_least_recently_used_prefix_leaves() -> None:
    warm = WarmPrefixes(2)
    assert [warm.use(prefix) for prefix in (7, 8, 7, 9)] == [None, None, None, 8]
    assert warm.recent() == [9, 7]
    assert 7 in warm
    assert 8 not in warm


@pytest.mark.parametrize(
    ("cache", "batch", "prefix", "capacity"), [(10_000, 4000, 600, 10), (1000, 4000, 600, 1), (10_000, 0, 0, 10_000)]
)
def test_the_cache_holds_what_the_batch_leaves(cache: int, batch: int, prefix: int, capacity: int) -> None:
    assert warm_capacity(cache, batch, prefix) == capacity


@pytest.mark.parametrize("seed", [11, 12])
def test_the_policy_beats_the_others_in_a_simulation(seed: int) -> None:
    found = compare(replace(Setting(), engines=16, prefixes=250, units=3000, seed=seed))
    policy = found.pop("policy")
    for name, other in found.items():
        assert policy.hit_rate > 1.5 * other.hit_rate, name
        assert policy.seconds < other.seconds, name
    assert policy.idle <= found["round_robin"].idle + 0.02
    assert policy.idle < 0.05, "engines wait for the last units only"


def test_a_simulation_is_the_same_every_time() -> None:
    setting = Setting(engines=4, prefixes=20, units=200)
    assert compare(setting) == compare(setting)
