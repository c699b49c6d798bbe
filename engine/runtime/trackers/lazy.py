"""What all trackers have in common: nothing is written before the run has begun, and no failure of theirs ends a run.

In: the calls of a tracker, from any thread. Out: the same, one at a time and in their order, for a tracker that was
opened at the first of them. Calls from before the run has begun wait in memory, so that a run that is refused leaves
its folder as it was. A tracker that fails when the run begins is refused; one that fails later is told nothing more,
and the person is told so then and at the end: hours of training are worth more than a curve.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.runtime.secrets import masked, redacted
from engine.runtime.tracking import Finished, Outcome, TrackingConfig
from engine.storage.files import write_text
from engine.storage.typed import flatten


class LazyTracker(ABC):
    """A tracker that is opened when it is needed.

    Args:
        config: what is tracked, and under which names.
        run_dir: the run folder; what the tracker keeps lies below it, in `tracking`.
        run_config: the config of the run; its secrets are masked.
        warn: tells the person in one line that nothing more is tracked.
    """

    def __init__(
        self, config: TrackingConfig, run_dir: Path, run_config: dict[str, Any], warn: Callable[[str], None]
    ) -> None:
        self.config = config
        self._warn = warn
        self.name = config.run_name or run_dir.name
        self.run_config: dict[str, Any] = masked(run_config)
        self.folder = run_dir / "tracking"
        self._lock = threading.RLock()
        self._waiting: list[Callable[[], None]] = []
        self._has_begun = self._is_open = self._is_over = self._has_ended = False
        self._failure = ""

    @property
    def has_failed(self) -> bool:
        """Tells whether something went wrong since the run began."""
        return bool(self._failure)

    def begin(self) -> None:
        """Passes on what waited.

        Raises:
            UserError: the tracker cannot be opened, or takes nothing.
        """
        with self._lock:
            self._has_begun = True
            try:
                self._pass_on()
            except Exception as error:
                where = f"tracking={self.config.mode.value}"
                remedy = "mend that, or run with tracking=off; what is made already is kept"
                raise UserError(f"nothing can be tracked ({_in_words(error)})", where=where, remedy=remedy) from error

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Tracks one point of a curve."""
        self._call(lambda: self._log({f"{noun}/{name}": value for name, value in metrics.items()}, noun, step))

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tracks the final figures of a step."""
        self._call(lambda: self._summary({f"{noun}/{name}": value for name, value in flatten(values).items()}))

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Tracks rows of texts and figures."""
        self._call(lambda: self._table(f"{noun}/{name}", columns, rows))

    def artifact(self, finished: Finished) -> None:
        """Tracks a finished folder."""
        self._call(lambda: self._artifact(finished))

    def finish(self, outcome: Outcome = Outcome.finished) -> None:
        """Closes the tracker, if it was opened; it takes nothing more, and a second call does nothing."""
        with self._lock:
            if self._failure and not self._has_ended:
                self._warn(f"tracking={self.config.mode.value} is incomplete: {self._failure}")
            self._has_ended = True
            if self._is_open:  # what still waits otherwise was cut off while it opened, and would open it anew
                self._safely(self._pass_on)
                self._is_open = False
                self._safely(lambda: self._close(outcome))
            self._is_over, self._waiting = True, []

    def kept_id(self, file: str, make: Callable[[], str]) -> str:
        """Returns the id by which a later start of the run continues in the tracker; it is made once for a run folder.

        Args:
            file: where it is kept, in the folder of the tracker.
            make: makes it.
        """
        path = self.folder / file
        if not path.exists():
            write_text(path, make() + "\n")
        return path.read_text(encoding="utf-8").strip()

    def _call(self, call: Callable[[], None]) -> None:
        with self._lock:
            if not self._is_over:
                self._waiting.append(call)
                self._safely(self._pass_on)

    def _safely(self, call: Callable[[], None]) -> None:
        """Calls something of the tracker's library; after a failure nothing more is tracked, which is said once."""
        try:
            call()
        except Exception as error:  # whatever a library raises when its server or its disk is away
            if not self._is_over:
                self._failure = _in_words(error)
                self._warn(f"tracking={self.config.mode.value}: nothing more is tracked: {self._failure}")
            self._is_over, self._waiting = True, []

    def _pass_on(self) -> None:
        if not self._waiting or not self._has_begun:
            return
        if not self._is_open:
            self.folder.mkdir(exist_ok=True)
            self._open()
            self._is_open = True
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    @abstractmethod
    def _open(self) -> None:
        """Opens it, or continues what an earlier start of the run began; the folder is there."""

    @abstractmethod
    def _log(self, point: dict[str, float], noun: str, step: int) -> None:
        """Tracks a point by the full names of its figures."""

    @abstractmethod
    def _summary(self, values: dict[str, Any]) -> None:
        """Tracks final figures by their full names."""

    @abstractmethod
    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Tracks a table by its full name."""

    @abstractmethod
    def _artifact(self, finished: Finished) -> None:
        """Tracks a finished folder."""

    @abstractmethod
    def _close(self, outcome: Outcome) -> None:
        """Closes it; `outcome` is how this start of the run has ended."""


def _in_words(error: Exception) -> str:
    return redacted(" ".join(f"{type(error).__name__}: {error}".split()))
