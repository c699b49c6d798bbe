"""Where the time of a start goes: which step it is spent in, what is waited for, and what engines do of what they hold.

In: what the monitor looks at anyhow, every few seconds. Out: sums, each as fine as the looks are: the time between two
looks counts for what the second one saw. Engines hold GPUs, or cores where there are none, from when their process
runs; these are idle while engines load, have no rows, or wait for another step. What a report calls idle is the same of
the step that generates (`idle_time` in engine/generation/totals.py), where nothing lies between two jobs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.generation.engine import Engine
    from engine.runtime.activity import Moment

_WORKING, _LOADING, _WITHOUT_ROWS, _BETWEEN_JOBS = "working", "loading", "without rows", "between jobs"
_BETWEEN = "between steps"


@dataclass(frozen=True)
class Times:
    """Where the seconds of a start went so far."""

    steps: Mapping[str, float] = field(default_factory=dict)
    """By the entry that was made, in their order; `between steps` is what belongs to none."""
    waits: Mapping[str, float] = field(default_factory=dict)
    """By what was waited for, such as `samples: loading MODEL`; these lie within steps, and may overlap."""
    engines: Mapping[str, float] = field(default_factory=dict)
    """By what engines did, times the GPUs that they held: `working`, `loading`, `without rows` (the driver has none for
    them yet, or others have the last ones), `between jobs` (they stay loaded for another step)."""
    unit: str = ""
    """What engines held: `GPU` or `core`."""

    @property
    def held_seconds(self) -> float:
        """Returns the seconds of all GPUs, or cores, that engines held."""
        return sum(self.engines.values())

    @property
    def idle_seconds(self) -> Mapping[str, float]:
        """Returns those in which they did not work, by what they did."""
        return {doing: seconds for doing, seconds in self.engines.items() if doing != _WORKING}


class TimeAccount:
    """Adds up the times of a start.

    Args:
        began: when it began, in seconds of any clock that never goes back.
    """

    def __init__(self, began: float) -> None:
        self._looked = began
        self._steps, self._waits, self._engines = (defaultdict[str, float](float) for _ in range(3))
        self._unit = ""

    def look(self, moment: Moment, engines: Iterable[Engine], now: float) -> Times:
        """Counts the time since the last look for what is going on now.

        Args:
            moment: what the run is doing.
            engines: those that are there.
            now: by the clock of `began`.
        """
        seconds, self._looked = now - self._looked, now
        self._steps[moment.step or _BETWEEN] += seconds
        for what in {f"{wait.noun}: {wait.text}" for wait in moment.waits}:
            self._waits[what] += seconds
        for engine in engines:
            held, self._unit = engine.processors.gpus or engine.processors.cpus, _unit(engine)
            if doing := _doing(engine):
                self._engines[doing] += seconds * held
        return Times(_rounded(self._steps), _rounded(self._waits), _rounded(self._engines), self._unit)


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in seconds.items()}


def _unit(engine: Engine) -> str:
    return "GPU" if engine.processors.gpus else "core"


def _doing(engine: Engine) -> str:
    """Says what an engine does with what it holds; empty for one that is dead, or whose process is not there yet."""
    state = engine.state.value
    if state == "working":
        return _WORKING if engine.unfinished_rows else _WITHOUT_ROWS
    if state == "loading":
        return _LOADING if engine.has_begun else ""
    return _BETWEEN_JOBS if state == "ready" else ""
