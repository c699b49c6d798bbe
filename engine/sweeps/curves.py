"""The validations of a run, read from the file to which it appends what it tracks (`tracking.figures`).

In: a file that grows. Out: the score after each validation. What was read is not read again: a long training tracks its
loss at each of a hundred thousand steps, and is looked at twice a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.sweeps.metric import TRACKED

_POLL_SECONDS = 0.5
_MARK = TRACKED.encode()


class Curve:
    """The scores of a run's validations, by step, without that of the base at step 0.

    A training that went on from a checkpoint has tracked some steps twice; they count once.

    Args:
        file: what the run tracks, as lines of JSON; it need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._read_bytes = file, 0
        self._by_step: dict[int, float] = {}

    def scores(self) -> list[float]:
        """Reads what has come since the last call; returns the score after each validation so far."""
        if self._file.exists():
            with self._file.open("rb") as lines:
                lines.seek(self._read_bytes)
                for line in lines:
                    if line.endswith(b"\n"):  # else it is being written
                        self._read_bytes += len(line)
                        self._take(line)
        return [self._by_step[step] for step in sorted(self._by_step)]

    def _take(self, line: bytes) -> None:
        figures = json.loads(line) if _MARK in line else {}
        if figures and figures["noun"] == "model" and figures["step"] > 0:
            self._by_step[figures["step"]] = figures[TRACKED]


def curves(file: Path, goes_on: Callable[[], bool]) -> Iterator[list[float]]:
    """Gives the validations so far, each time that there is another one, until the point has ended.

    Args:
        file: what its run tracks.
        goes_on: tells whether it has not ended.
    """
    curve, seen = Curve(file), 0
    while True:
        ended = not goes_on()  # asked first, so that nothing can be tracked after the last look
        scores = curve.scores()
        for number in range(seen, len(scores)):
            yield scores[: number + 1]
        seen = max(seen, len(scores))
        if ended:
            return
        time.sleep(_POLL_SECONDS)
