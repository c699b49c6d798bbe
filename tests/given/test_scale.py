"""Scores become grades from 0 to 1, on the scale that they seem to have or that is set."""

import pytest

from engine.errors import UserError
from engine.given.scale import Scale, find_scale


@pytest.mark.parametrize(
    ("least", "largest", "scale"),
    [
        (0.2, 0.8, Scale(0.0, 1.0)),
        (0.0, 4.8, Scale(0.0, 5.0)),
        (1.0, 5.0, Scale(0.0, 5.0)),
        (-1.0, 0.9, Scale(-1.0, 1.0)),
        (3.0, 80.0, Scale(0.0, 100.0)),
        (0.0, 512.0, Scale(0.0, 512.0)),
        (0.0, 0.0, Scale(0.0, 1.0)),
    ],
)
def test_the_scale_is_the_next_usual_one(least: float, largest: float, scale: Scale) -> None:
    assert find_scale(least, largest, None, None) == scale


def test_ends_that_are_set_count() -> None:
    assert find_scale(1.0, 5.0, 1.0, 5.0) == Scale(1.0, 5.0)
    assert find_scale(1.0, 5.0, 1.0, None) == Scale(1.0, 5.0)
    with pytest.raises(UserError, match="the scale from 5 to 1 has no room"):
        find_scale(1.0, 5.0, 5.0, 1.0)


def test_what_is_off_the_scale_has_no_grade() -> None:
    scale = Scale(1.0, 5.0)
    assert [scale.grade(score) for score in (1.0, 2.0, 5.0)] == [0.0, 0.25, 1.0]
    assert scale.grade(5.1) is scale.grade(0.0) is None
