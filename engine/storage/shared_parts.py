"""What a samples folder asks of the place that it is shared through while it is being written.

In: entries of its manifest and parts. Out: the same on every machine. With `runs_dir` behind a URL it is answered by
engine/storage/remote/parts.py; a folder that one disk has needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol


class SharedParts(Protocol):
    """The shared side of one samples folder."""

    def fetch(self) -> None:
        """Makes the manifest on this disk the one that is shared, and brings the parts that may count here."""

    def fetch_new(self, start: int) -> None:
        """Brings the parts here that engines on other machines have written since; `start` is that of the driver."""

    def append(self, entry: Path, text: str, adds: Iterable[str]) -> bool:
        """Shares an entry of the manifest under its name, and before it the parts that it adds.

        Args:
            entry: the file that it will be on this disk.
            text: its content, one line.
            adds: the names of parts that count from now on.

        Returns:
            Whether it is written: not where another driver has used this name, or a higher one.
        """

    def forget(self, entries: Iterable[Path]) -> None:
        """Deletes entries that nobody reads any more."""

    def uploader(self) -> Callable[[Path], None]:
        """Returns what shares a part, on whichever machine an engine writes it; it can be sent there."""
