"""The driver's side of following: processes that curate beside generation, started and ended with it.

In: the steps of a run. Out: processes of this machine (process.py) for as long as samples are generated that the run
curates. They ask Ray for nothing, so that no engine waits for what they hold, and run at the lowest priority.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.examples.config import ExamplesConfig
from engine.examples.following.child import Child
from engine.examples.following.holding import remove_results, using_results
from engine.examples.following.process import Job, RowsJob, SearchJob, write_job
from engine.examples.following.results import FREE_SPACE_SETTING, begin_results
from engine.examples.step import curate_examples
from engine.runtime.step import Step, is_made
from engine.storage.files import require_space
from engine.storage.store import Store

if TYPE_CHECKING:
    from engine.runtime.place import Place


class Following:
    """Has the samples of a run followed.

    Args:
        steps: what the run makes, in order.
        place: where.
    """

    def __init__(self, steps: Sequence[Step], place: Place) -> None:
        self._steps, self._place, self._store = steps, place, Store(place.store_dir)
        self._search: Child | None = None
        self._using = contextlib.ExitStack()
        self._results: dict[str, tuple[Path, contextlib.ExitStack]] = {}

    @contextlib.contextmanager
    def until_the_end(self) -> Iterator[Following]:
        """Ends whatever is at work when the block ends, and lets go of results that nobody has used."""
        with self._using:
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
            except (OSError, UserError) as error:  # such as a full disk, which the run itself may yet get by with
                self._place.console.warn(f"curation does not begin beside generation, but after it: {error}")
        try:
            yield
        finally:
            if rows:
                rows.end()
        if step.fingerprint in self._results:
            results, using = self._results.pop(step.fingerprint)
            using.close()
            remove_results(results)

    def _curation_of(self, step: Step) -> Step | None:
        """Returns the step of the run that curates what a step generates."""
        curations = (later for later in self._steps if later.function is curate_examples and not later.part_of)
        return next((later for later in curations if step.key == "samples" and step in later.inputs), None)

    def _is_wanted(self, curation: Step, step: Step) -> bool:
        assert isinstance(curation.config, ExamplesConfig), "what is curated by"
        if any(is_made(each, self._store, self._place) for each in (step, curation)):
            return False
        return curation.config.follow

    def _begin(self, step: Step, curation: Step) -> Child:
        assert isinstance(curation.config, ExamplesConfig), "what is curated by"
        config, place = curation.config, self._place
        folders = {source.key: self._store.folder(source.noun, source.fingerprint) for source in curation.inputs}
        for noun in ("documents", "prompts"):
            place.shared.fetch(folders[noun])
        samples = self._store.reserve(step.noun, step.fingerprint)
        require_space(samples, place.cluster.min_free_disk_bytes, FREE_SPACE_SETTING)
        results = begin_results(place.store_dir, samples, config)
        self._use(results, curation)
        if config.round_trip.enabled and self._search is None:
            job = SearchJob(folders["documents"], config, place.run_dir, place.store_dir, place.cluster)
            self._search = self._start("search", job)
        free_bytes = place.cluster.min_free_disk_bytes
        rows = RowsJob(samples, folders["documents"], folders["prompts"], results, config, free_bytes)
        return self._start("rows", rows)

    def _use(self, results: Path, curation: Step) -> None:
        """Keeps results from being removed until the run has curated by them, or ends."""
        using = self._using.enter_context(contextlib.ExitStack())
        using.enter_context(using_results(results))
        self._results[curation.fingerprint] = (results, using)

    def _start(self, name: str, job: Job) -> Child:
        command = [sys.executable, "-P", "-m", "engine.examples.following.process"]
        return Child(name, command, write_job(job), self._place)
