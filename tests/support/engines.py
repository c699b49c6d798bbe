"""Engines of a pool as the machine has them: their processes, found by their logs, and their ends; and none at all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.generation.engine import Engine
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.generation.totals import EngineTotals, add_up
from engine.runtime.place import Place
from tests.support.waiting import PATIENCE_SECONDS, wait_until


def hold(process: int) -> None:
    """Stops a process, and waits until each of its threads stands still: one may be about to write a file."""
    os.kill(process, signal.SIGSTOP)
    stats = [task / "stat" for task in Path(f"/proc/{process}/task").iterdir()]
    wait_until(
        lambda: all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats), "a process to stop"
    )


def process_of(place: Place, index: int) -> int:
    """The process of an engine, once there is one: its standard output is the engine's log."""
    log = (place.logs() / f"engine-{index}.log").resolve()

    def writer() -> int:
        for process in psutil.Process().children(recursive=True):
            try:
                if any(Path(file.path) == log for file in process.open_files()):
                    return process.pid
            except psutil.NoSuchProcess:
                continue
        return 0

    return wait_until(writer, f"a process that writes {log}")


def kill(place: Place, *indexes: int) -> None:
    """Ends engines as the system does, once they are there."""
    for index in indexes:
        os.kill(process_of(place, index), signal.SIGKILL)


def kill_after_its_first_part(place: Place, folder: Path, *indexes: int) -> None:
    """Ends each engine in turn as soon as a part of it is written: it has an open part and units then."""
    for index in indexes:
        process, parts = process_of(place, index), f"attempt-*/part-e{index}-*.parquet"
        wait_until(lambda parts=parts: list(folder.glob(parts)), f"a part of engine {index}")  # type: ignore[misc]
        os.kill(process, signal.SIGKILL)


class StubPool:
    """A pool without engines that writes what it is given, and remembers its last job, and how much it wrote in all."""

    out_of_time = holds_gpu = is_loading = False
    next_index = 1
    num_wanted = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        self.last: list[EngineTotals] = []
        self.engines: list[Engine] = []
        self._of_all = EngineTotals()

    def wait_ready(self) -> float:
        """Is there at once."""
        return 0.0

    def wake(self) -> bool:
        """Never sleeps."""
        return True

    def generate(self, _job: Any, _parts: Any, units: Iterable[Unit], _on_progress: Any) -> list[EngineTotals]:
        """Writes nothing down."""
        self.last = [EngineTotals(generated=sum(unit.size for unit in units))]
        self._of_all += add_up(self.last)
        return self.last

    def totals(self) -> list[EngineTotals]:
        """Those of the last job."""
        return self.last

    def run_totals(self) -> EngineTotals:
        """Those of all jobs."""
        return self._of_all

    def stop(self) -> None:
        """Has nothing to end."""


class Clock:
    """The clock of time budgets: it stands still until an engine has written a sample, and then all time is over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._is_over = False
        monkeypatch.setattr("engine.generation.budget.time", self)
        monkeypatch.setattr(EnginePool, "totals", self._looking_at(EnginePool.totals))

    def monotonic(self) -> float:
        return 3600.0 if self._is_over else 0.0

    def _looking_at(self, totals: Callable[[EnginePool], list[EngineTotals]]) -> Callable[[EnginePool], Any]:
        def look(pool: EnginePool) -> list[EngineTotals]:
            found = totals(pool)
            self._is_over |= add_up(found).finished > 0
            return found

        return look


def hold_cpus(number: int) -> Any:
    """An actor that holds so many of the cluster's CPUs until it is killed."""
    import ray

    class Holder:
        def is_there(self) -> bool:
            return True

    holder = ray.remote(Holder).options(num_cpus=number).remote()  # type: ignore[attr-defined]
    assert ray.get(holder.is_there.remote(), timeout=PATIENCE_SECONDS)
    return holder
