"""Places for tests of steps that generate nothing: a terminal that is text in memory, and no engines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole

from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker, Tracker


class NoEngines:
    """Engines of a run that must not generate."""

    def start(self, config: Any, place: Place, salt: str = "") -> Any:
        """Fails the test."""
        raise AssertionError(f"no engine is wanted here, and one of {config} was started in {place.run_dir}")

    def stop(self) -> None:
        """Does nothing."""

    def release(self, place: Place, purpose: str) -> None:
        """Does nothing."""

    def leave_gpu(self, place: Place) -> bool:
        """No engine holds one."""
        return True


def quiet_place(folder: Path, tracker: Tracker | None = None, cluster: ClusterConfig | None = None) -> Place:
    """A place whose run folder and store lie in `folder`."""
    console = Console(RichConsole(file=io.StringIO(), width=200))
    cluster, tracker = cluster or ClusterConfig(), tracker or NoTracker()
    return Place(folder / "run", folder / "store", cluster, console, tracker, MemorySampler(), NoEngines())


def printed(place: Place) -> str:
    """What the person at the terminal of a quiet place saw."""
    file = place.console.rich.file
    assert isinstance(file, io.StringIO), "a quiet place writes to memory"
    return file.getvalue()
