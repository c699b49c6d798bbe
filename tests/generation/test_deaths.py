"""Deaths count against a run only where engines die one after the other for nothing."""

from __future__ import annotations

from engine.generation.deaths import Deaths


def test_deaths_without_a_committed_sample_add_up() -> None:
    deaths = Deaths(allowed=2)
    for index in range(2):
        deaths.count(index, index + 1, committed=0)
        assert not deaths.are_too_many
    deaths.count(2, 3, committed=0)
    assert (deaths.in_a_row, deaths.are_too_many) == (3, True)


def test_a_death_after_which_samples_were_committed_is_forgotten() -> None:
    deaths = Deaths(allowed=1)
    for index in range(50):
        deaths.count(index, index + 1, committed=10 * index)
        assert not deaths.are_too_many


def test_engines_that_go_with_one_node_die_once() -> None:
    deaths = Deaths(allowed=1)
    for index in range(8):
        deaths.count(index, 8, committed=0)
    assert deaths.in_a_row == 1
    for index in range(8, 16):
        deaths.count(index, 16, committed=0)
    assert deaths.in_a_row == 2, "those that took their places died for nothing too"


def test_where_no_death_is_allowed_the_first_one_is_too_many() -> None:
    deaths = Deaths(allowed=0)
    assert not deaths.are_too_many
    deaths.count(0, 1, committed=1000)
    assert deaths.are_too_many
