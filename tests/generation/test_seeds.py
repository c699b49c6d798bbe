"""Seeds of engines: the same for the same start, engine and model, and another wherever one of them is another."""

from __future__ import annotations

import itertools

from engine.generation.seeds import seed_from


def test_no_two_engines_starts_or_runs_have_one_seed() -> None:
    keys = list(itertools.product(range(3), ("abc/1", "abc/2", "abd/1"), range(20), ("", "judge")))
    seeds = [seed_from(*key) for key in keys]
    assert len(set(seeds)) == len(keys) == 360
    assert [seed_from(*key) for key in keys] == seeds, "the same parts give the same seed"


def test_parts_are_told_apart() -> None:
    assert seed_from(1, "12") != seed_from(11, "2")


def test_a_seed_is_a_number_that_numpy_takes() -> None:
    seeds = [seed_from(2**63, number) for number in range(200)]
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert max(seeds) > 2**31, "all bits are used"
    assert seed_from("\ud800") != seed_from("\ud801"), "any text will do"
