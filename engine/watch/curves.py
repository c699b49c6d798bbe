"""Curves of a run in its tracker: which step of the run a point belongs to, and how fast generation is between two.

In: what is counted, looked at every few seconds; steps of a run. Out: points of the curve of generation; the tracker as
a part of the run is given it. A run makes samples and trains models for several ends (judges, round 0, the points of a
learning curve). Each has a curve of its own under its entry in the run folder, as its final figures have: all of them
count from 0, and on one axis a curve would fold over itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.runtime.step import ITERATIONS
from engine.runtime.tracking import Outcome

if TYPE_CHECKING:
    from engine.runtime.activity import Moment
    from engine.runtime.place import Place
    from engine.runtime.step import Step
    from engine.runtime.tracking import Finished, Tracker

_GENERATION = "samples"
"""The noun of generation."""


@dataclass(frozen=True)
class Moved:
    """How far generation has moved since the last look."""

    entry: str
    """The entry of the run folder that is generated."""
    done: int
    per_second: float


@dataclass(frozen=True)
class _Look:
    entry: str
    done: int
    at: float


class GenerationCurve:
    """Remembers how far generation was, to tell its rate."""

    def __init__(self) -> None:
        self._before: _Look | None = None

    def look(self, moment: Moment, now: float) -> Moved | None:
        """Tells how far generation has moved; None where it has not, or was not going on at the last look.

        Args:
            moment: what the run is doing.
            now: a time just before that, in seconds of `time.monotonic`.
        """
        before, self._before = self._before, None
        count = next((count for count in moment.counts if count.noun == _GENERATION), None)
        if count is None:
            return None
        look = self._before = _Look(moment.step or _GENERATION, count.done, now)
        if before is None or before.entry != look.entry or now - count.seconds > before.at:  # another bar
            return None
        if not 0 < before.done < look.done:  # from 0 a bar jumps to what earlier starts have made
            return None
        return Moved(look.entry, look.done, (look.done - before.done) / (now - before.at))


def naming_curves(step: Step, steps: Sequence[Step], place: Place) -> Place:
    """Returns the place of a step, whose tracker has the curves of a part of the run under the name of the part.

    Args:
        step: the step that is made.
        steps: all steps of the run: the iterations of one training are one curve, which goes by the last of them.
        place: of the run.
    """
    last: Step | None = step
    while last and last.part_of.startswith(f"{ITERATIONS}/"):
        last = next((later for later in steps if later.noun == step.noun and last in later.inputs), None)
    part = (last or step).part_of
    return replace(place, tracker=PartTracker(place.tracker, part)) if part else place


class PartTracker:
    """The tracker of a run, whose curves are those of one of its parts.

    Args:
        tracker: is told of everything.
        part: the part, such as `points/0.5-seed-1`. Whoever tells of final figures names it by himself.
    """

    def __init__(self, tracker: Tracker, part: str) -> None:
        self._tracker, self._part = tracker, part

    @property
    def has_failed(self) -> bool:
        """Tells whether the tracker of the run has failed."""
        return self._tracker.has_failed

    def begin(self) -> None:
        """Tells the tracker of the run."""
        self._tracker.begin()

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Tracks a point as `part/noun/metric` over `part/noun/step`."""
        self._tracker.log(f"{self._part}/{noun}", metrics, step)

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tells the tracker of the run."""
        self._tracker.summary(noun, values)

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Tells the tracker of the run."""
        self._tracker.table(noun, name, columns, rows)

    def artifact(self, finished: Finished) -> None:
        """Tells the tracker of the run."""
        self._tracker.artifact(finished)

    def finish(self, outcome: Outcome = Outcome.finished) -> None:
        """Tells the tracker of the run."""
        self._tracker.finish(outcome)
