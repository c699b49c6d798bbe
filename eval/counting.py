"""Tells how far a long part of a report is, where there is a terminal to tell it.

In: the number of things that are done one after the other, and what they are. Out: a function to call after each of
them. What measures is also used without a terminal, in tests and beside other steps; then nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.runtime.console import Console

Advance = Callable[[], None]
"""Says that one more is done."""


@contextmanager
def counting(console: Console | None, total: int, unit: str, *, steady: bool = False) -> Iterator[Advance]:
    """Shows a bar of the report for as long as the block lasts.

    Args:
        console: the terminal; None tells nobody.
        total: the number of things to do; none show no bar.
        unit: the plural of what they are.
        steady: draws the bar only when something is done, so that nothing is drawn beside what is being timed.
    """
    if console is None or not total:
        yield _nobody_is_told
        return
    with console.progress("report", total, unit, steady=steady) as bar:
        yield bar.advance


def _nobody_is_told() -> None:
    pass
