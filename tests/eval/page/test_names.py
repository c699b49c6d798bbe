"""Names beside dots stand where no line, no dot and no other name is, as long as there is such a place."""

from __future__ import annotations

import itertools

import pytest

from eval.page.names import GAP, NAME_PIXELS, Dot, NamePlace, place_names

LEFT, RIGHT, HEIGHT = 30.0, 340.0, 230.0
CRANFIELD = [
    Dot(30.6, 123.0, 74.0, 171.0, 27.0),
    Dot(227.0, 155.0, 83.0, 205.0, 27.0),
    Dot(203.0, 131.0, 79.0, 163.0, 34.0),
    Dot(212.0, 77.0, 26.0, 125.0, 143.0),
    Dot(276.0, 77.0, 26.0, 125.0, 150.0),
    Dot(219.0, 61.0, 12.0, 110.0, 82.0),
    Dot(187.0, 67.0, 18.0, 117.0, 88.0),
]
"""Seven systems by the time of one query, as a report on Cranfield had them: BM25 alone is far from all others."""


def box(dots: list[Dot], number: int, place: NamePlace) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a name."""
    begin = dots[place.beside].x + GAP * place.side
    end = begin + dots[number].name * place.side
    half = NAME_PIXELS / 2
    return min(begin, end), max(begin, end), place.y - half, place.y + half


def lies_on(dots: list[Dot], places: list[NamePlace]) -> list[str]:
    """Says what lies on what."""
    boxes = [box(dots, number, place) for number, place in enumerate(places)]
    found = []
    for (a, one), (b, other) in itertools.combinations(enumerate(boxes), 2):
        if one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]:
            found.append(f"name {a} on name {b}")
    for (a, (left, right, top, bottom)), (b, dot) in itertools.product(enumerate(boxes), enumerate(dots)):
        if left < dot.x < right and top < dot.bottom and dot.top < bottom:
            found.append(f"the line of {b} through name {a}")
    return found


def test_no_line_strikes_a_name_through() -> None:
    places = place_names(CRANFIELD, LEFT, RIGHT, HEIGHT)
    assert lies_on(CRANFIELD, places) == []
    for number, place in enumerate(places):
        left, right, top, bottom = box(CRANFIELD, number, place)
        assert LEFT <= left <= right <= RIGHT
        assert 0 <= top <= bottom <= HEIGHT
    beside_themselves = [NamePlace(number, -1, dot.y) for number, dot in enumerate(CRANFIELD)]
    assert len(lies_on(CRANFIELD, beside_themselves)) > 5, "which they would do without looking for places"


def test_a_name_that_nothing_is_near_stands_beside_its_dot() -> None:
    assert place_names([Dot(100, 50, 20, 80, 60)], LEFT, RIGHT, HEIGHT) == [NamePlace(0, 1, 50)]
    assert place_names([Dot(330, 50, 20, 80, 60)], LEFT, RIGHT, HEIGHT) == [NamePlace(0, -1, 50)], "there it fits"
    assert place_names([], LEFT, RIGHT, HEIGHT) == []


@pytest.mark.parametrize("count", [8, 30])
def test_many_systems_at_one_place_have_names_on_lines_of_their_own(count: int) -> None:
    dots = [Dot(300.0 + number / 10, 100.0 + number, 60, 140, 150) for number in range(count)]
    places = place_names(dots, LEFT, RIGHT, NAME_PIXELS * (count + 1))
    assert [found for found in lies_on(dots, places) if " on name " in found] == []
