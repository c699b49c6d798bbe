"""What a sweep has tried so far, on the disk once a point begins or ends, so that a kill at any moment loses none.

    SWEEP/sweep.json     what is searched: the space, the metric, the overrides that all points share
    SWEEP/points.json    every point with its values, its state and its score

In: a sweep's folder. Out: its points. A point that was running when the sweep was killed is `started`: the next start
of the sweep runs it again, and its run goes on from its last checkpoint; its validations so far are for people to read.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.storage.files import disk_full, is_disk_full, write_json
from engine.storage.typed import from_json_values, to_json_values
from engine.sweeps.identity import comparable

_FOLLOW_SECONDS = 10.0
"""So often at most what is known of points that train is written."""


class Progress(Enum):
    """How far a point of a search is."""

    started = "started"
    finished = "finished"
    stopped = "stopped"
    """The scheduler ended it, since others were ahead at the same validation."""
    failed = "failed"


@dataclass(frozen=True)
class Tried:
    """A point of a search."""

    number: int
    values: Mapping[str, Any]
    progress: Progress = Progress.started
    score: float | None = None
    """The metric of a finished point."""
    curve: list[float] = field(default_factory=list)
    """The validation score after each validation but that of the base."""
    seconds: float = 0.0
    said: str = ""
    """Why it failed."""

    @property
    def has_ended(self) -> bool:
        """Tells whether it came to an end that says something of its values."""
        return self.progress in (Progress.finished, Progress.stopped)


class Journal:
    """The points of a sweep.

    Args:
        folder: of the sweep; it exists.
        identity: what is searched, as JSON values.

    Raises:
        UserError: the folder holds a sweep over something else, or files that nobody can read.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._file, self._lock = folder / "points.json", threading.Lock()
        self._points: dict[int, Tried] = {}
        self._written = time.monotonic()
        if self._file.exists():
            with _naming_damage(self._file):
                values = json.loads(self._file.read_text(encoding="utf-8"))
                self._points = {value["number"]: from_json_values(Tried, value) for value in values}
        _claim(folder, identity, is_begun=bool(self._points))

    @property
    def points(self) -> list[Tried]:
        """Returns all points, by number."""
        with self._lock:
            return [self._points[number] for number in sorted(self._points)]

    def begin(self, values: Mapping[str, Any]) -> Tried:
        """Adds a point with the next number."""
        with self._lock:
            point = Tried(max(self._points, default=0) + 1, dict(values))
        return self.put(point)

    def put(self, point: Tried) -> Tried:
        """Writes a point in the place of the one of its number; it is known even where it could not be written.

        Raises:
            UserError: the disk is full, or the file may not be written.
        """
        with self._lock:
            self._points[point.number] = point
            self._write()
        return point

    def change(self, number: int, **changes: Any) -> Tried:
        """Writes a point with some of its fields changed."""
        with self._lock:
            point = replace(self._points[number], **changes)
        return self.put(point)

    def follow(self, number: int, curve: list[float]) -> None:
        """Takes note of the validations of a point that trains; they are written now and then, or with what comes next.

        All points are written each time, and validations may come by the second.
        """
        with self._lock:
            self._points[number] = replace(self._points[number], curve=curve)
            if time.monotonic() >= self._written + _FOLLOW_SECONDS:
                self._write()

    def _write(self) -> None:
        points = [to_json_values(self._points[number]) for number in sorted(self._points)]
        try:
            write_json(self._file, points)
        except OSError as error:
            if is_disk_full(error):
                raise disk_full(self._file.parent, str(error.strerror)) from error
            remedy = "let it be written, then run the same command again: it continues"
            raise UserError(f"cannot be written ({error.strerror})", where=str(self._file), remedy=remedy) from error
        self._written = time.monotonic()


def _claim(folder: Path, identity: Mapping[str, Any], *, is_begun: bool) -> None:
    """Writes what is searched, or refuses to go on with another search under the same name."""
    file = folder / "sweep.json"
    now = to_json_values(identity)
    with _naming_damage(file):
        before = dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else now
    if is_begun and _compared(before) != _compared(now):
        parts = _compared(before), _compared(now)
        changed = ", ".join(
            f"{name} ({_change(*(part.get(name) for part in parts))})"
            for name in now
            if parts[0].get(name) != parts[1][name]
        )
        remedy = "give this one another name, or remove that folder"
        raise UserError(f"holds a sweep with another {changed}", where=str(folder), remedy=remedy)
    write_json(file, now)


@contextlib.contextmanager
def _naming_damage(file: Path) -> Iterator[None]:
    """Says in one line that a file is not what was written."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        remedy = "restore it, or give the sweep another name: points whose steps are made end at once"
        raise UserError("is damaged", where=str(file), remedy=remedy) from error


def _compared(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an identity as it is compared.

    Older ones have overrides in another order, twice where the command line changed them, of keys that change no result
    and of keys of the space, which stood in their place; and choices that were given twice.
    """
    space = {key: _without_repeats(said) for key, said in identity.get("space", {}).items()}
    given = [
        text for text in comparable(identity.get("overrides", [])) if text.lstrip("+").partition("=")[0] not in space
    ]
    return {**identity, "space": space, "overrides": given}


def _without_repeats(said: Any) -> Any:
    if not isinstance(said, Mapping) or "choices" not in said:
        return said
    choices = said["choices"]
    return {**said, "choices": [choice for number, choice in enumerate(choices) if choice not in choices[:number]]}


def _change(before: Any, now: Any) -> str:
    """Says how a part of an identity changed: only what differs of a list or of a mapping."""
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        return ", ".join(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))
    if isinstance(now, list) and isinstance(before, list):
        gone, new = [one for one in before if one not in now], [one for one in now if one not in before]
        return f"then {' '.join(map(str, gone)) or 'nothing'}, now {' '.join(map(str, new)) or 'nothing'}"
    return f"then {before}, now {now}"
