"""What a run asks of the place that its folders are shared through, and the answers where that is the disk itself.

In: folders of a store and of runs, on this machine's disk. Out: whether they are made, here or elsewhere, and the right
to make them. With `runs_dir` behind a URL engine/storage/remote/store.py answers, and the disk is a cache.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.storage.shared_parts import SharedParts
from engine.storage.store import StepRecord, is_done, read_record


class Sharing(Protocol):
    """The place that finished folders are shared through."""

    @property
    def runs_dir(self) -> Path:
        """Returns where run folders and their store lie on this machine."""

    @property
    def here(self) -> str:
        """Returns what tells this disk from the others that share; empty where there are none."""

    def has(self, folder: Path) -> bool:
        """Tells whether a step's folder is made; it need not be on this disk."""

    def record(self, folder: Path) -> StepRecord:
        """Reads what made a folder that `has` knows."""

    def fetch(self, folder: Path) -> None:
        """Brings a folder that `has` knows to this disk, if it is not there."""

    def producing(self, folder: Path, on_wait: Callable[[], None], /) -> AbstractContextManager[object]:
        """Gives the right to make a folder while the block lasts, and shares what is finished when it ends.

        Args:
            folder: the folder, for which this process has the right on this disk already.
            on_wait: called once if somebody elsewhere is making it, before waiting for it. What was made elsewhere
                meanwhile is finished on this disk when the block begins.
        """

    def parts(self, folder: Path, /) -> SharedParts | None:
        """Returns what a samples folder that this process is writing is shared through; None where it is not."""

    def holding_run(self, run_dir: Path, /) -> AbstractContextManager[object]:
        """Gives the right to change a run while the block lasts.

        Raises:
            UserError: another driver works on it.
        """

    def save_run(self) -> None:
        """Shares what the folder of the run that is held links to."""

    def end_run(self) -> None:
        """Shares that the run that is held has finished, later than all others so far."""

    def share_status(self, said: Mapping[str, Any], *, has_begun: bool) -> None:
        """Shares how far the run is that is held, or was held last; nothing where none was.

        Args:
            said: as JSON values; nothing takes back what was said before the run had begun.
            has_begun: whether its folder is this start's by now; else what is shared of the last one stays beside it.
        """

    def make_room(self, keep_bytes: int) -> None:
        """Removes from this disk what is shared, the longest unused first, until so much is left at most."""


@dataclass(frozen=True)
class Unshared:
    """The disk itself: what is there is all there is."""

    runs_dir: Path
    here: str = ""

    def has(self, folder: Path) -> bool:
        """Tells whether the step that writes a folder finished."""
        return is_done(folder)

    def record(self, folder: Path) -> StepRecord:
        """Reads what made a finished folder."""
        return read_record(folder)

    def fetch(self, folder: Path) -> None:
        """Does nothing: the folder is here."""

    def producing(self, _folder: Path, _on_wait: Callable[[], None], /) -> AbstractContextManager[object]:
        """Adds nothing to the lock on this disk."""
        return contextlib.nullcontext()

    def parts(self, _folder: Path, /) -> SharedParts | None:
        """Returns None: parts are shared as they lie on the disk."""
        return None

    def holding_run(self, _run_dir: Path, /) -> AbstractContextManager[object]:
        """Adds nothing to the lock on this disk."""
        return contextlib.nullcontext()

    def save_run(self) -> None:
        """Does nothing: the links are here."""

    def end_run(self) -> None:
        """Does nothing: `runs_dir/latest` says so."""

    def share_status(self, said: Mapping[str, Any], *, has_begun: bool) -> None:
        """Does nothing: the file is here."""

    def make_room(self, keep_bytes: int) -> None:
        """Removes nothing: there is no copy elsewhere."""
