"""What a run is doing at this moment: its step, what is counted, what is waited for, and what was said last.

In: steps, bars and waits as they begin and end, from any thread. Out: a moment, for whoever asks. A bar that moves
tells nobody: it is looked at when a moment is taken, so that being watched costs a run nothing between two looks.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Count:
    """How far one phase of a step is."""

    noun: str
    unit: str
    """The plural of what is counted."""
    done: int
    total: int
    per_second: float
    """What is counted per second at this time; 0 before that can be told."""
    seconds: float
    """How long the phase has lasted."""

    @property
    def seconds_left(self) -> float | None:
        """Returns the time that the rest takes at this rate; None where there is no rate yet."""
        return max(0, self.total - self.done) / self.per_second if self.per_second else None


@dataclass(frozen=True)
class Wait:
    """Something that is waited for, in which nothing can be counted."""

    noun: str
    text: str
    """What is waited for, such as `loading MODEL`."""
    seconds: float
    """For how long so far."""


@dataclass(frozen=True)
class Moment:
    """What a run is doing at one moment."""

    step: str
    """The entry of the run folder that is made; empty between two steps."""
    step_seconds: float
    """How long the step has lasted."""
    counts: Sequence[Count]
    waits: Sequence[Wait]
    line: str
    """What the terminal was told last."""
    line_seconds: float = 0.0
    """How long ago that was."""


class Counter(Protocol):
    """A bar, as it is looked at."""

    def count(self) -> Count:
        """Tells how far it is."""


class Activity:
    """Keeps what a run is doing; every method may be called from any thread."""

    def __init__(self) -> None:
        self._said = ("", time.monotonic())
        """What the terminal was told last, and when."""
        self._lock = threading.Lock()
        self._steps: list[tuple[str, float]] = []
        self._counters: list[Counter] = []
        self._waits: list[tuple[str, str, float]] = []

    def say(self, line: str) -> None:
        """Notes what the terminal was told."""
        self._said = (line, time.monotonic())

    @property
    def said_at(self) -> float:
        """Returns when the terminal was told something last, or was opened, by the monotonic clock."""
        return self._said[1]

    @contextlib.contextmanager
    def making(self, step: str) -> Iterator[None]:
        """Notes that a step is made, by its entry in the run folder, for as long as the block lasts."""
        with self._within(self._steps, (step, time.monotonic())):
            yield

    @contextlib.contextmanager
    def counting(self, counter: Counter) -> Iterator[None]:
        """Notes that a bar counts, for as long as the block lasts."""
        with self._within(self._counters, counter):
            yield

    @contextlib.contextmanager
    def waiting(self, noun: str, text: str) -> Iterator[None]:
        """Notes that something is waited for, for as long as the block lasts."""
        with self._within(self._waits, (noun, text, time.monotonic())):
            yield

    def moment(self) -> Moment:
        """Tells what the run is doing now."""
        with self._lock:
            steps, counters, waits = list(self._steps), list(self._counters), list(self._waits)
        now, (line, said) = time.monotonic(), self._said
        step, began = steps[-1] if steps else ("", now)
        return Moment(
            step=step,
            step_seconds=now - began,
            counts=[counter.count() for counter in counters],
            waits=[Wait(noun, text, now - since) for noun, text, since in waits],
            line=line,
            line_seconds=max(0.0, now - said),
        )

    @contextlib.contextmanager
    def _within(self, listed: list[T], item: T) -> Iterator[None]:
        with self._lock:
            listed.append(item)
        try:
            yield
        finally:
            with self._lock:
                listed.remove(item)
