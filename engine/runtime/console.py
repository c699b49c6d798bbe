"""What a person sees while a run goes on: one line per step, a bar with rate and time left, tables, warnings.

On a terminal bars and clocks are live; elsewhere (a log file, CI) a line is printed every `quiet_seconds`. Logs of the
libraries never come here: they go to files under `RUN/logs`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.table import Column
from rich.text import Text

from engine.runtime.activity import Activity, Count
from engine.runtime.pace import Pace
from engine.text.durations import format_seconds

_LEAST_BAR, _LARGEST_BAR = 4, 30
"""The characters of a bar, whose length is what the words beside it leave."""
_NOUN = 10
"""The characters of the word that a line begins with, which is never cut."""
_PACE = len("59 min 59 s each, 23 h 59 min left")
"""The characters that rate and time left need, as a rule."""
_LEAST_UNIT = 4
"""A unit that has room for fewer characters is left out."""


class Console:
    """The terminal of one run; every method may be called from any thread."""

    def __init__(self, rich: RichConsole | None = None, quiet_seconds: float = 15.0) -> None:
        self.rich = rich or RichConsole(highlight=False)
        self.quiet_seconds = quiet_seconds
        self.activity = Activity()
        """What the run is doing, for those who watch it from elsewhere."""

    def step(self, noun: str, text: str) -> None:
        """Prints a line that belongs to a step."""
        self.activity.line = f"{noun}: {text}"
        self.rich.print(Text.assemble((f"{noun:<10}", "bold"), " ", text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Prints a warning: something that the user should know and that stops nothing."""
        self.activity.line = f"warning: {text}"
        self.rich.print(Text.assemble(("warning", "yellow"), "    ", text), soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """Prints a table, or text with rich markup; without a terminal no line ends in blanks."""
        if self.rich.is_terminal:
            self.rich.print(renderable)
            return
        with self.rich.capture() as lines:
            self.rich.print(renderable)
        self.verbatim("\n".join(line.rstrip() for line in lines.get().splitlines()))

    def verbatim(self, text: str) -> None:
        """Prints text that is to be copied: no line is wrapped, and nothing is coloured or read as markup."""
        self.rich.print(Text(text), soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, noun: str, total: int, unit: str) -> Iterator[Progress]:
        """Shows the progress of one phase of a step; `unit` is the plural of what is counted."""
        bar = Progress(self, noun, total, unit)
        with self.activity.counting(bar), bar.running():
            yield bar

    @contextlib.contextmanager
    def waiting(self, noun: str, text: str) -> Iterator[None]:
        """Shows how long something takes in which nothing can be counted, such as the start of an engine."""
        with self.activity.waiting(noun, text), self._clock(noun, text):
            yield

    @contextlib.contextmanager
    def _clock(self, noun: str, text: str) -> Iterator[None]:
        if self.rich.is_terminal:
            columns = (_noun_column(), _TimeColumn(text, self.rich.width - _width(noun) - 1))
            with RichProgress(*columns, console=self.rich, transient=True) as live:
                live.add_task(noun, total=None)
                yield
            return
        ended, started = threading.Event(), time.monotonic()

        def tell() -> None:
            while not ended.wait(self.quiet_seconds):
                self.step(noun, f"{text}, {format_seconds(time.monotonic() - started)} so far")

        clock = threading.Thread(target=tell, daemon=True)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()


class Progress:
    """Counts up to `total`, and shows it as a bar on a terminal, or as a line now and then elsewhere.

    Rate and time left are told once they are known (`engine/runtime/pace.py`), and until then how long it has taken.
    """

    def __init__(self, console: Console, noun: str, total: int, unit: str) -> None:
        self._console, self._noun, self._total, self._unit = console, noun, total, unit
        self._lock = threading.RLock()
        self._done = 0
        self._started = self._printed = time.monotonic()
        self._pace = Pace(total, self._started)
        self._said = ""
        self._live: RichProgress | None = None
        self._task = TaskID(0)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Shows the bar for as long as the context lasts."""
        if not self._console.rich.is_terminal:
            yield
            return
        room = self._console.rich.width - _width(self._noun) - len(f"{self._total}/{self._total}") - 3  # blanks
        bar = max(_LEAST_BAR, min(_LARGEST_BAR, room - cell_len(self._unit) - len(", ") - _PACE))
        columns = (_noun_column(), BarColumn(bar_width=bar), MofNCompleteColumn(), _CountColumn(self, room - bar))
        with RichProgress(*columns, console=self._console.rich, transient=True) as live:
            self._live, self._task = live, live.add_task(self._noun, total=self._total)
            yield

    def start_at(self, done: int) -> None:
        """Says how much an earlier attempt had finished, so that the rate counts only new work."""
        with self._lock:
            self._done, self._started = done, time.monotonic()
            self._pace.start_at(done, self._started)
        if self._live:
            self._live.update(self._task, completed=done)
            self._live.reset(self._task, completed=done, total=self._total)

    def advance(self, count: int = 1) -> None:
        """Counts `count` more."""
        with self._lock:
            self._done += count
            self._pace.reach(self._done, time.monotonic())
        self._show(self._done)

    def reach(self, done: int) -> None:
        """Sets the count to `done`."""
        with self._lock:
            self._done = done
            self._pace.reach(done, time.monotonic())
        self._show(done)

    def _show(self, done: int) -> None:
        if self._live:
            self._live.update(self._task, completed=done)
        elif line := self._due():
            self._console.step(self._noun, line)

    def _due(self) -> str:
        """Returns the line to print now; empty while it is too early, and where it would only say the same again."""
        with self._lock:
            if time.monotonic() - self._printed < self._console.quiet_seconds:
                return ""
            self._printed = time.monotonic()
            said, self._said = self._said, self._line()
            return self._said if self._said != said else ""

    def count(self) -> Count:
        """Tells how far it is, for those who watch the run."""
        with self._lock:
            now = time.monotonic()
            rate, seconds = self._pace.per_second(now), now - self._started
            return Count(self._noun, self._unit, self._done, self._total, rate, seconds)

    def _line(self) -> str:
        count = self.count()
        told = f"{count.done:,}/{count.total:,} {count.unit}"
        return told if count.seconds_left is None and count.seconds < 1 else f"{told}, {pace_in_words(count)}"


def _width(noun: str) -> int:
    """Returns the width of the column of a noun, in characters of a terminal."""
    return max(_NOUN, cell_len(noun))


def _noun_column() -> TextColumn:
    return TextColumn(f"[bold]{{task.description:<{_NOUN}}}", table_column=Column(no_wrap=True))


class _CountColumn(ProgressColumn):
    """What is counted, how fast, and how long the rest takes; what is counted is cut where not all has room."""

    def __init__(self, bar: Progress, room: int) -> None:
        super().__init__()
        self._bar, self._room = bar, room

    def render(self, _task: RichTask) -> Text:
        count = self._bar.count()
        return _fitting(count.unit, pace_in_words(count), self._room)


class _TimeColumn(ProgressColumn):
    """What is waited for, and for how long; a long name is cut."""

    def __init__(self, text: str, room: int) -> None:
        super().__init__()
        self._text, self._room = text, room

    def render(self, task: RichTask) -> Text:
        return _fitting(self._text, f"{format_seconds(task.elapsed or 0.0)} so far", self._room)


def _fitting(named: str, told: str, room: int) -> Text:
    """Writes `named, told` in a line of so many characters: the name is cut first, or left out if nothing fits."""
    text, left = Text(named, no_wrap=True, overflow="ellipsis"), room - cell_len(told) - len(", ")
    text.truncate(max(left, 0), overflow="ellipsis")
    before = text.append(", ") if left >= min(_LEAST_UNIT, cell_len(named)) else ""
    return Text.assemble(before, (told, "progress.remaining"), no_wrap=True, overflow="ellipsis")


def pace_in_words(count: Count) -> str:
    """Says how fast a phase is and how long its rest takes; before that is known, how long it has taken."""
    if count.seconds_left is None:
        return f"{format_seconds(count.seconds)} so far"
    return f"{format_rate(count.per_second)}, {format_seconds(count.seconds_left)} left"


def format_rate(per_second: float) -> str:
    """Writes a rate as `3.2/s`, or as `12 s each` where less than one is done in a second."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{format_seconds(1 / per_second)} each"
