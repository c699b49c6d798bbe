"""What a rendering may spend: as much each time, more where it is given more, and what values cost."""

from __future__ import annotations

import pytest

from engine.text.budget import (
    LARGEST,
    MORE_FOR_GIVEN,
    MOST_SPENT,
    length_of,
    parts_of,
    rendering,
    spend,
    units_of,
    width_of,
)


def test_a_rendering_may_spend_so_much() -> None:
    spend(MOST_SPENT * 2)  # nothing is rendered here
    for _ in range(2):
        with rendering():
            spend(MOST_SPENT)
            with pytest.raises(OverflowError, match="too much"):
                spend(1)


def test_what_is_given_adds_to_it_once() -> None:
    with rendering("a" * 1_000, {"b": "c" * 500}):
        spend(MOST_SPENT + MORE_FOR_GIVEN * 1_500)
        with pytest.raises(OverflowError, match="too much"):
            spend(1_000)
    with rendering(["a" * MOST_SPENT] * 2):
        spend(MOST_SPENT * (1 + MORE_FOR_GIVEN))
        with pytest.raises(OverflowError, match="too much"):
            spend(1)


def test_units_are_counted_as_often_as_a_value_is_held() -> None:
    assert units_of("abc") == (3, 1)
    inner = ["ab"] * 2
    assert units_of([inner, inner])[0] - units_of([inner])[0] == units_of(inner)[0] + 10
    assert units_of({"ab": [1, None, 2.5]})[1] == 3
    assert units_of(range(10**9))[0] == 1


def test_parts_are_counted_without_what_is_in_them() -> None:
    assert parts_of(["a" * 1_000] * 3) == 31
    assert parts_of("abc") == 3
    assert parts_of(range(10**9)) > 10**9
    assert (parts_of(7), length_of(7), length_of([7])) == (1, 0, 1)


def test_a_width_is_bounded() -> None:
    assert width_of("-12") == 12
    with pytest.raises(OverflowError, match="a width of 100001 is too large; 100,000 is allowed"):
        width_of(LARGEST + 1)
