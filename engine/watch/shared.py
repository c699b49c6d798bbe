"""How far a run is, told to whoever looks at it by its URL: its status and figures, beside its claim in the store.

In: the status file on this disk, which the monitor writes anyhow. Out: the same every quarter of a minute in the store
that the run is shared through, with what generation has made and what of it is kept, worked out here: whoever looks
from elsewhere has none of the run's files. It is a courtesy, with a thread of its own: a store that does not answer
ends no run, makes no beat of the monitor late, and holds the end of a run for some seconds at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.runtime.secrets import redacted
from engine.storage.remote.last_words import say_in_time
from engine.storage.typed import to_json_values
from engine.watch.made import kept_so_far, made_so_far
from engine.watch.status import RunState, status_file

if TYPE_CHECKING:
    from pathlib import Path

    from engine.runtime.place import Place
    from engine.storage.store import StepRecord

EVERY_SECONDS = 15.0
"""As often as the claim on the run is renewed."""
_SHARE = 0.02
"""The share of its time that this may work out figures: the filters read passages of what may be a large collection."""
_FAILURES = 3
"""So often in turn something may fail before the terminal says so: files come and go while they are read."""


class SharedStatus:
    """Shares the status of the run of a place; where its folder is all there is, it does nothing.

    Args:
        place: of the run.
        every_seconds: how often.
    """

    def __init__(self, place: Place, every_seconds: float = EVERY_SECONDS) -> None:
        self._place, self._every_seconds = place, every_seconds
        self._run_dir = place.run_dir.resolve()
        self._began = time.time()
        self._figures: dict[str, Any] = {"made": None, "kept": None}
        self._look_again = 0.0
        self._failures: dict[str, int] = {}
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._has_said_last = False

    @contextlib.contextmanager
    def until_the_end(self) -> Iterator[None]:
        """Shares for as long as the block lasts, and in the end what the driver said last."""
        if not self._place.shared.here:
            yield
            return
        thread = threading.Thread(target=self._share_again_and_again, name="shared status", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._end()

    def _end(self) -> None:
        why = "the store does not answer"
        try:
            say_in_time(self._share_last)
        except Exception as error:  # the run has ended as it has
            why = _in_words(error)
        if not self._has_said_last:
            self._place.console.warn(f"`synthmill status URL` cannot show how this start has ended: {why}")

    def _share_again_and_again(self) -> None:
        while not self._stop.wait(self._every_seconds):
            self._safely("status", self._share)

    def _share(self) -> None:
        has_begun, status = self._said()
        if status is None:
            return
        if has_begun and time.monotonic() >= self._look_again:
            self._look()
        self._put({"status": status, **(self._figures if has_begun else {})}, has_begun=has_begun)

    def _share_last(self) -> None:
        """Shares how it ended, and then, which may take longer, what had been made by then."""
        has_begun, status = self._said()
        said = {} if status is None else {"status": status}  # none where it was refused before it began
        self._put({**said, **(self._figures if has_begun else {})}, has_begun=has_begun, is_last=True)
        self._has_said_last = True
        if status is None or not has_begun:
            return
        if status["state"] == RunState.finished.value or time.monotonic() >= self._look_again:
            self._look()
            self._safely("status", lambda: self._put({**said, **self._figures}, has_begun=True, is_last=True))

    def _put(self, said: Mapping[str, Any], *, has_begun: bool, is_last: bool = False) -> None:
        with self._turn:
            if is_last or not self._stop.is_set():  # whoever has looked at files for long comes too late
                self._place.shared.share_status(said, has_begun=has_begun)

    def _look(self) -> None:
        began = time.monotonic()
        self._safely("figures", self._work_out)
        self._look_again = began + (time.monotonic() - began) / _SHARE

    def _said(self) -> tuple[bool, dict[str, Any] | None]:
        """Reads what the monitor wrote last of this start: whether it has begun, and the status, if there is one."""
        status = self._read(status_file(self._run_dir, has_begun=True))
        if status is not None:
            return True, status
        return False, self._read(status_file(self._run_dir, has_begun=False))

    def _read(self, file: Path) -> dict[str, Any] | None:
        """Reads a status, unless there is none or another start has written it."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            status: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            is_ours = status["driver"]["pid"] == os.getpid() and status["began"] >= self._began
            return status if is_ours else None
        return None

    def _work_out(self) -> None:
        made, kept = made_so_far(self._run_dir, self._record_elsewhere), kept_so_far(self._run_dir)
        self._figures = {"made": made and to_json_values(made), "kept": kept and to_json_values(kept)}

    def _record_elsewhere(self, folder: Path) -> StepRecord | None:
        shared = self._place.shared
        with contextlib.suppress(FileNotFoundError):  # nobody has finished it
            return shared.record(shared.runs_dir / folder.relative_to(shared.runs_dir.resolve()))
        return None

    def _safely(self, what: str, call: Callable[[], None]) -> None:
        """Does something that is tried again the next time; where it goes on failing, that is said once."""
        try:
            call()
            self._failures[what] = 0
        except Exception as error:  # whatever a store or a file answers, the run goes on
            self._failures[what] = self._failures.get(what, 0) + 1
            if self._failures[what] == _FAILURES:
                what_of = f"the {what} that `synthmill status URL` shows"
                self._place.console.warn(f"{what_of} cannot be shared now: {_in_words(error)}")


def _in_words(error: Exception) -> str:
    return redacted(" ".join(f"{type(error).__name__}: {error}".split()))
