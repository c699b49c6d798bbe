"""A long part of a report tells how far it is; without a terminal, or without anything to do, nobody is told."""

from __future__ import annotations

from eval.counting import counting
from tests.support.bars import Bars


def test_what_is_done_is_counted_on_the_terminal() -> None:
    bars = Bars()
    with counting(bars, 3, "folds") as advance:
        advance()
        [count] = bars.activity.moment().counts
        assert (count.noun, count.unit, count.done, count.total) == ("report", "folds", 1, 3)
        advance()
    assert bars.ended == [("report", "folds", 2, 3)]


def test_nobody_is_told_without_a_terminal_and_of_nothing() -> None:
    bars = Bars()
    for console, total in ((None, 3), (bars, 0)):
        with counting(console, total, "folds") as advance:
            advance()
    assert bars.ended == []
