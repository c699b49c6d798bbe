"""A terminal that notes how far each bar came, for tests of what tells how far it is."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from rich.console import Console as RichConsole

from engine.runtime.console import Console, Progress


class Bars(Console):
    """A terminal whose bars are noted when they end."""

    def __init__(self) -> None:
        super().__init__(RichConsole(file=io.StringIO(), width=200), quiet_seconds=3600)
        self.ended: list[tuple[str, str, int, int]] = []
        """Of each bar its noun, its unit, how far it came and how far it was to come, in the order of their ends."""

    @contextlib.contextmanager
    def progress(self, noun: str, total: int, unit: str, *, steady: bool = False) -> Iterator[Progress]:
        """Counts as ever."""
        with super().progress(noun, total, unit, steady=steady) as bar:
            yield bar
            count = bar.count()
        self.ended.append((count.noun, count.unit, count.done, count.total))
