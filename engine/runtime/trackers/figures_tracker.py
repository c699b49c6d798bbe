"""Another tracker, with every point of a curve in a file as well, for whoever follows a run from outside.

In: the calls of a tracker. Out: the same for the other tracker; a line of JSON for each point, in the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.runtime.tracking import Finished, Tracker


class FiguresTracker:
    """Writes the points of curves to a file, and passes everything on.

    Args:
        file: grows by a line for each point; made at the first.
        other: the tracker that is told of everything.
    """

    def __init__(self, file: Path, other: Tracker) -> None:
        self._file, self._other = file, other

    def begin(self) -> None:
        """Tells the other tracker."""
        self._other.begin()

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Appends the point as one line, which a reader may see without its line feed for a moment."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"noun": noun, "step": step, **metrics}) + "\n")
        self._other.log(noun, metrics, step)

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tells the other tracker."""
        self._other.summary(noun, values)

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Tells the other tracker."""
        self._other.table(noun, name, columns, rows)

    def artifact(self, finished: Finished) -> None:
        """Tells the other tracker."""
        self._other.artifact(finished)

    def finish(self) -> None:
        """Tells the other tracker."""
        self._other.finish()
