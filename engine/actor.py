"""One engine in one Ray actor: loads a generator, runs the engine loop in a thread, answers the driver.

In: jobs and work units from the driver. Out: committed parts, totals. A broken engine ends its process, so that
the driver sees the actor die and gives its rows to another; a process that lives is one that works.
"""

from __future__ import annotations

import copy
import os
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.generators import make_generator
from engine.loop import EngineLoop, Job
from engine.parts import FencedError

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.samples import SamplesConfig

EXIT_BROKEN, EXIT_FENCED = 1, 3


class EngineActor:
    """Ray calls the methods, several at a time; the loop has its own thread."""

    def __init__(self, config: SamplesConfig, model: str, index: int, log: Path) -> None:
        _redirect_output(log)
        self._config, self._model = config, model
        self._loop = EngineLoop(config, index)
        self._loaded, self._ended = threading.Event(), threading.Event()
        self._error = ""
        self._start_seconds = 0.0
        threading.Thread(target=self._run, name="engine-loop", daemon=True).start()

    def ready(self) -> float:
        """Waits until the generator is loaded; returns the seconds it took.

        Raises:
            RuntimeError: it could not be loaded; the message is the library's own.
        """
        self._loaded.wait()
        if self._error:
            raise RuntimeError(self._error)
        return self._start_seconds

    def open(self, job: Job) -> None:
        """Begins a job: the units that follow commit into its attempt folder."""
        self._loop.hand_in(job).done.wait()

    def process(self, rows: pa.Table) -> int:
        """Generates a unit; returns when each of its rows is in a part, committed or open.

        Args:
            rows: columns of `records.PROMPTS`, the conditions, and the passage's `title` and `text`.
        """
        self._loop.hand_in(rows.to_pylist()).done.wait()
        return len(rows)

    def totals(self) -> dict[str, Any]:
        """Totals of the job so far (engine.loop.Totals)."""
        return asdict(copy.copy(self._loop.totals()))

    def stop(self) -> dict[str, Any]:
        """Drops what is in flight, commits the open part, ends the loop; returns the totals."""
        self._loop.stop()
        self._ended.wait()
        return self.totals()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            generator = make_generator(self._config, self._model)
        except BaseException as error:  # anything at all must reach the driver, which waits in ready()
            traceback.print_exc()
            self._error = f"{type(error).__name__}: {error}"
            self._loaded.set()
            self._ended.set()
            return
        self._start_seconds = time.monotonic() - started
        self._loaded.set()
        try:
            self._loop.run(generator)
        except FencedError:
            traceback.print_exc()
            os._exit(EXIT_FENCED)
        except BaseException:
            traceback.print_exc()
            os._exit(EXIT_BROKEN)
        self._ended.set()


def _redirect_output(log: Path) -> None:
    """Sends everything that this process prints, C libraries included, to a file of the run."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
