"""The driver's side of following: processes that curate beside generation, started and ended with it.

In: the steps of a run. Out: processes of this machine (process.py) for as long as samples are generated that the run
curates. They ask Ray for nothing, so that no engine waits for what they hold, and run at the lowest priority.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.examples.config import ExamplesConfig
from engine.examples.following.process import Job, RowsJob, SearchJob, write_job
from engine.examples.following.results import begin_results
from engine.examples.step import curate_examples
from engine.runtime.own_packages import search_path
from engine.runtime.step import Step, is_made
from engine.storage.store import Store

if TYPE_CHECKING:
    from engine.runtime.place import Place

_LEAST_PRIORITY = 19
_PATIENCE_SECONDS = 5.0
"""So long a process may take to notice that its input has ended."""


class Following:
    """Has the samples of a run followed.

    Args:
        steps: what the run makes, in order.
        place: where.
    """

    def __init__(self, steps: Sequence[Step], place: Place) -> None:
        self._steps, self._place, self._store = steps, place, Store(place.store_dir)
        self._search: _Process | None = None

    @contextlib.contextmanager
    def until_the_end(self) -> Iterator[Following]:
        """Ends whatever is at work when the block ends."""
        try:
            yield self
        finally:
            if self._search:
                self._search.end()

    @contextlib.contextmanager
    def beside(self, step: Step) -> Iterator[None]:
        """Follows a step while it is made, if it makes samples that the run curates and that are to be followed.

        What is prepared for the round trip is waited for before samples are curated: both would make the same.
        """
        if step.function is curate_examples and self._search:
            with self._place.console.waiting("examples", "preparing the round trip, begun beside generation"):
                self._search.finish()
        curation = self._curation_of(step)
        rows = None
        if curation and self._is_wanted(curation, step):
            try:
                rows = self._begin(step, curation)
            except OSError as error:  # such as a full disk, which the run itself may yet get by with
                self._place.console.warn(f"curation does not begin beside generation, but after it: {error}")
        try:
            yield
        finally:
            if rows:
                rows.end()

    def _curation_of(self, step: Step) -> Step | None:
        """Returns the step of the run that curates what a step generates."""
        curations = (later for later in self._steps if later.function is curate_examples and not later.part_of)
        return next((later for later in curations if step.key == "samples" and step in later.inputs), None)

    def _is_wanted(self, curation: Step, step: Step) -> bool:
        assert isinstance(curation.config, ExamplesConfig), "what is curated by"
        if any(is_made(each, self._store, self._place) for each in (step, curation)):
            return False
        return curation.config.follow

    def _begin(self, step: Step, curation: Step) -> _Process:
        assert isinstance(curation.config, ExamplesConfig), "what is curated by"
        config, place = curation.config, self._place
        folders = {source.key: self._store.folder(source.noun, source.fingerprint) for source in curation.inputs}
        for noun in ("documents", "prompts"):
            place.shared.fetch(folders[noun])
        samples = self._store.reserve(step.noun, step.fingerprint)
        results = begin_results(place.store_dir, samples, config)
        if config.round_trip.enabled and self._search is None:
            job = SearchJob(folders["documents"], config, place.run_dir, place.store_dir, place.cluster)
            self._search = _Process("search", job, place)
        return _Process("rows", RowsJob(samples, folders["documents"], folders["prompts"], results, config), place)


class _Process:
    """One process that works beside the driver.

    Args:
        name: names its log.
        job: what it does.
        place: where logs are kept, and the terminal.
    """

    def __init__(self, name: str, job: Job, place: Place) -> None:
        self._place, self._log = place, place.logs() / f"following-{name}.log"
        command = [sys.executable, "-P", "-m", "engine.examples.following.process"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | search_path(),
                start_new_session=True,  # Ctrl-C is for the driver, which ends it
            )
        _give_way(self._process.pid)
        assert self._process.stdin, "a pipe"
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and `end` says so
            self._process.stdin.write(write_job(job).encode())
            self._process.stdin.flush()

    def finish(self) -> None:
        """Waits until its job is done."""
        self._process.wait()
        self.end()

    def end(self) -> None:
        """Ends it, if it has not ended; says on the terminal that it broke."""
        assert self._process.stdin, "a pipe"
        if self._process.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            has_broken = self._process.wait(_PATIENCE_SECONDS) != 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            has_broken = False
        if has_broken:
            self._place.console.warn(
                f"what follows generation has ended with an error; curation does it afterwards (see {self._log})"
            )


def _give_way(process: int) -> None:
    """Has whoever else wants the CPU come before a process that leads a session.

    Desktop kernels give each session a share of its own (sched_autogroup), within which alone a priority counts.
    """
    os.setpriority(os.PRIO_PROCESS, process, _LEAST_PRIORITY)
    with contextlib.suppress(OSError):  # this kernel has no such shares
        Path(f"/proc/{process}/autogroup").write_text(str(_LEAST_PRIORITY), encoding="ascii")
