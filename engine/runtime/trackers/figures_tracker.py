"""Another tracker, with every point of a curve in a file as well, for whoever follows a run from outside.

In: the calls of a tracker. Out: the same for the other tracker; a line of JSON for each point, in the file. A file that
cannot be written, such as on a full disk, ends no run: nothing more is written to it, which is said at once and at the
end. What an earlier start wrote of a line when the disk was full is taken away before the first point of the next one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.runtime.tracking import Finished, Outcome, Tracker


class FiguresTracker:
    """Writes the points of curves to a file, and passes everything on.

    Args:
        file: grows by a line for each point; made at the first.
        other: the tracker that is told of everything.
        warn: tells the person in one line that nothing more is written.
    """

    def __init__(self, file: Path, other: Tracker, warn: Callable[[str], None]) -> None:
        self._file, self._other, self._warn = file, other, warn
        self._lock = threading.Lock()
        self._written = "no point at all"
        self._has_begun = self._has_failed = self._has_ended = False

    @property
    def has_failed(self) -> bool:
        """Tells whether the other tracker has failed; the file is no part of it."""
        return self._other.has_failed

    def begin(self) -> None:
        """Tells the other tracker."""
        self._other.begin()

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Appends the point as one line, which a reader may see without its line feed for a moment."""
        with self._lock:
            if not self._has_failed:
                self._append(noun, metrics, step)
        self._other.log(noun, metrics, step)

    def _append(self, noun: str, metrics: dict[str, float], step: int) -> None:
        try:
            if not self._has_begun:
                _cut_half_a_line(self._file)
            self._has_begun = True
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"noun": noun, "step": step, **metrics}) + "\n")
        except OSError as error:
            self._has_failed = True
            self._warn(f"tracking.figures={self._file}: nothing more is written: {error.strerror or error}")
        else:
            self._written = f"{noun}, step {step}"

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tells the other tracker."""
        self._other.summary(noun, values)

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Tells the other tracker."""
        self._other.table(noun, name, columns, rows)

    def artifact(self, finished: Finished) -> None:
        """Tells the other tracker."""
        self._other.artifact(finished)

    def finish(self, outcome: Outcome = Outcome.finished) -> None:
        """Tells the other tracker, and the person where figures are missing; a second call says nothing."""
        self._other.finish(outcome)
        with self._lock:
            if self._has_failed and not self._has_ended:
                self._warn(f"tracking.figures={self._file} is incomplete: it ends with {self._written}")
            self._has_ended = True


def _cut_half_a_line(file: Path) -> None:
    """Shortens a file to its last line feed: what follows it is half a line, to which no other may be appended."""
    if not file.is_file():
        return
    content = file.read_bytes()
    if not content.endswith(b"\n"):
        os.truncate(file, content.rfind(b"\n") + 1)
