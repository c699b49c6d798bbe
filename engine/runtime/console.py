"""What a person sees while a run goes on: one line per step, a bar with rate and time left, tables, warnings.

On a terminal bars and clocks are live; elsewhere (a log file, CI) a line is printed every `quiet_seconds`. These are
counted from the last line that was printed, so that many short phases in a row are no longer silent than a long one.
Logs of the libraries never come here: they go to files under `RUN/logs`. No line shows the login of a URL, and control
characters in what it tells are shown (`terminal.py`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.table import Column
from rich.text import Text

from engine.runtime.activity import Activity, Count
from engine.runtime.pace import Pace
from engine.runtime.secrets import without_logins
from engine.runtime.terminal import Terminal
from engine.text.durations import format_seconds

_LEAST_BAR, _LARGEST_BAR = 8, 30
"""The characters of a bar."""
_LONGEST_PACE = len(", 1234.5/s, 23 h 59 min left")
_DRAWN_SECONDS = 0.1
"""A bar that is drawn only when it counts is drawn again no sooner."""
_NOUN = 10
"""The characters of the column of nouns."""
_LEAST_WAIT = 0.1
"""A wait of a smaller share of `quiet_seconds` is told to no log, however long nothing was printed before it."""


class Console:
    """The terminal of one run; every method may be called from any thread."""

    def __init__(self, rich: RichConsole | None = None, quiet_seconds: float = 15.0) -> None:
        self.rich = rich or Terminal(highlight=False)
        self.quiet_seconds = quiet_seconds
        self.activity = Activity()
        """What the run is doing, for those who watch it from elsewhere."""

    def step(self, noun: str, text: str) -> None:
        """Prints a line that belongs to a step."""
        text = without_logins(text)
        self.activity.say(f"{noun}: {text}")
        self.rich.print(Text.assemble((f"{noun:<10}", "bold"), " ", text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Prints a warning: something that the user should know and that stops nothing."""
        text = without_logins(text)
        self.activity.say(f"warning: {text}")
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
    def progress(self, noun: str, total: int, unit: str, *, steady: bool = False) -> Iterator[Progress]:
        """Shows the progress of one phase of a step.

        Args:
            noun: what the phase belongs to.
            total: where the count ends.
            unit: the plural of what is counted.
            steady: draws the bar only when it counts, so that no thread draws beside what is being timed.
        """
        bar = Progress(self, noun, total, unit, steady=steady)
        with self.activity.counting(bar), bar.running():
            yield bar

    @contextlib.contextmanager
    def waiting(self, noun: str, text: str) -> Iterator[None]:
        """Shows how long something takes in which nothing can be counted, such as the start of an engine."""
        text = without_logins(text)
        with self.activity.waiting(noun, text), self._clock(noun, text):
            yield

    @contextlib.contextmanager
    def waiting_until_counted(self, noun: str, text: str, of: str) -> Iterator[Console]:
        """Waits as `waiting` does until something is counted on the terminal that it gives, or the context ends.

        Args:
            noun: what the wait belongs to.
            text: what is waited for.
            of: what is put behind the unit of all that is counted there, such as the name of a model.
        """
        with contextlib.ExitStack() as wait:
            wait.enter_context(self.waiting(noun, text))
            yield _CountingOf(self, of, wait)

    def naming(self, noun: str, of: str) -> Console:
        """Returns the same terminal, on which all that is said and counted under a noun is said to be of something."""
        return _Naming(self, noun, of)

    @contextlib.contextmanager
    def _clock(self, noun: str, text: str) -> Iterator[None]:
        if self.rich.is_terminal:
            columns = (_noun_column(), _WaitColumn(self.rich, text))
            with RichProgress(*columns, console=self.rich, transient=True) as live:
                live.add_task(noun, total=None)
                yield
            return
        ended, started = threading.Event(), time.monotonic()
        first = max(self.activity.said_at + self.quiet_seconds - started, _LEAST_WAIT * self.quiet_seconds)

        def tell() -> None:
            pause = first
            while not ended.wait(pause):
                self.step(noun, f"{text}, {format_seconds(time.monotonic() - started)} so far")
                pause = self.quiet_seconds

        clock = threading.Thread(target=tell, daemon=True)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()


class _CountingOf(Console):
    """The same terminal, on which what is counted is of something; a wait ends when counting begins."""

    def __init__(self, console: Console, of: str, wait: contextlib.ExitStack) -> None:
        super().__init__(console.rich, console.quiet_seconds)
        self.activity = console.activity
        self._console, self._of, self._wait = console, of, wait

    @contextlib.contextmanager
    def progress(self, noun: str, total: int, unit: str, *, steady: bool = False) -> Iterator[Progress]:
        self._wait.close()
        with self._console.progress(noun, total, f"{unit} ({self._of})", steady=steady) as bar:
            yield bar


class _Naming(Console):
    """The same terminal, on which lines of one noun end in what they are of."""

    def __init__(self, console: Console, noun: str, of: str) -> None:
        super().__init__(console.rich, console.quiet_seconds)
        self.activity = console.activity
        self._console, self._noun, self._of = console, noun, of

    def step(self, noun: str, text: str) -> None:
        self._console.step(noun, self._named(noun, text))

    @contextlib.contextmanager
    def progress(self, noun: str, total: int, unit: str, *, steady: bool = False) -> Iterator[Progress]:
        with self._console.progress(noun, total, self._named(noun, unit), steady=steady) as bar:
            yield bar

    def _named(self, noun: str, text: str) -> str:
        return f"{text} ({self._of})" if noun == self._noun else text


class Progress:
    """Counts up to `total`, and shows it as a bar on a terminal, or as a line now and then elsewhere.

    Rate and time left are told once they are known (`engine/runtime/pace.py`), and until then how long it has taken.
    """

    def __init__(self, console: Console, noun: str, total: int, unit: str, *, steady: bool = False) -> None:
        self._console, self._noun, self._total, self._unit, self._steady = console, noun, total, unit, steady
        self._lock = threading.RLock()
        self._done = 0
        self._started = self._drawn = time.monotonic()
        self._printed = console.activity.said_at
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
        rich, beside = self._console.rich, _beside(self._noun, f"{self._total}/{self._total} ")
        width = rich.width - beside - len(self._unit) - _LONGEST_PACE - 1
        width = max(_LEAST_BAR, min(_LARGEST_BAR, width))
        columns = (_noun_column(), BarColumn(bar_width=width), MofNCompleteColumn())
        counted = _CountColumn(self, rich, beside + width + 1)
        with RichProgress(*columns, counted, console=rich, transient=True, auto_refresh=not self._steady) as live:
            self._live, self._task = live, live.add_task(self._noun, total=self._total)
            yield

    def start_at(self, done: int) -> None:
        """Says how much an earlier attempt had finished, so that the rate counts only new work.

        The phase has lasted since it was begun all the same: how long it has taken never becomes less.
        """
        with self._lock:
            self._done = done
            self._pace.start_at(done, time.monotonic())
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
            self._live.update(self._task, completed=done, refresh=self._is_to_draw())
        elif line := self._due():
            self._console.step(self._noun, line)

    def _is_to_draw(self) -> bool:
        """Tells whether the bar is to be drawn now: one that no thread draws, and that was not drawn just before."""
        if not self._steady or time.monotonic() - self._drawn < _DRAWN_SECONDS:
            return False
        self._drawn = time.monotonic()
        return True

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


class _CountColumn(ProgressColumn):
    """What is counted, how fast, and how long the rest takes, beside so many other characters of the line."""

    def __init__(self, bar: Progress, rich: RichConsole, beside: int) -> None:
        super().__init__(Column(no_wrap=True))
        self._bar, self._rich, self._beside = bar, rich, beside

    def render(self, _task: RichTask) -> Text:
        count = self._bar.count()
        pace = Text(f", {pace_in_words(count)}", style="progress.remaining")
        return _before(pace, Text(count.unit, style="progress.remaining"), self._rich.width - self._beside)


class _WaitColumn(ProgressColumn):
    """What is waited for, and for how long."""

    def __init__(self, rich: RichConsole, text: str) -> None:
        super().__init__(Column(no_wrap=True))
        self._rich, self._text = rich, text

    def render(self, task: RichTask) -> Text:
        time = Text(f", {format_seconds(task.elapsed or 0.0)} so far", style="progress.remaining")
        return _before(time, Text(self._text), self._rich.width - _beside(task.description))


def _noun_column() -> TextColumn:
    """Makes the column of the noun, which is never cut."""
    return TextColumn(f"[bold]{{task.description:<{_NOUN}}}", table_column=Column(no_wrap=True, min_width=_NOUN))


def _beside(noun: str, text: str = "") -> int:
    """Returns the characters that the noun, a blank behind it and a text take of a line."""
    return max(_NOUN, len(noun)) + 1 + len(text)


def _before(told: Text, name: Text, width: int) -> Text:
    """Puts a name before what is told; where both are wider, the name ends in an ellipsis."""
    room = width - told.cell_len
    if room < 1:
        return told
    name.truncate(room, overflow="ellipsis")
    return name + told


def pace_in_words(count: Count) -> str:
    """Says how fast a phase is and how long its rest takes; before that is known, how long it has taken."""
    if count.seconds_left is None:
        return f"{format_seconds(count.seconds)} so far"
    return f"{format_rate(count.per_second)}, {format_seconds(count.seconds_left)} left"


def format_rate(per_second: float) -> str:
    """Writes a rate as `3.2/s`, or as `12 s each` where less than one is done in a second."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{format_seconds(1 / per_second)} each"
