"""The samples step: prompts -> samples, written by engines in Ray actors and committed part by part.

In: the plan, what it is about, the parts of earlier starts, other samples folders of the store. Out: the parts that the
manifest lists (columns.SAMPLES), which together hold every planned id exactly once, failed rows included. A step that
was killed goes on where its parts end. Memory does not grow with the plan: what is committed is a
bitmap, what is pending is read window by window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.prompts import PromptsFolder, size_of
from engine.artifacts.samples import SamplesRecord
from engine.artifacts.subjects import Subjects, open_subjects
from engine.errors import StoppedEarly
from engine.generation.jobs import GenerationJob
from engine.generation.totals import EngineTotals, check_failures
from engine.samples.accounts import check_complete, find_error, make_record
from engine.samples.pending import PendingUnits
from engine.samples.reuse import make_recipe, note_recipe, reuse_rows
from engine.samples.starts import Start, note_start
from engine.storage.merging import compact
from engine.storage.parts_log import PartsLog

if TYPE_CHECKING:
    from engine.generation.jobs import Pool, Unit
    from engine.runtime.place import Place
    from engine.samples.config import SamplesConfig

_UNIT_BATCHES = 2
"""A unit holds about this many full batches: at least seconds of work on any engine, so queues stay short."""
_NOTE_SECONDS = 5.0
"""Totals are written this often, so that a kill costs no more of them."""


def generate_samples(config: SamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> SamplesRecord:
    """Generates what the plan holds and no listed part has yet.

    Raises:
        FencedError: another start has taken the folder over.
        StoppedEarly: `samples.max_seconds` ran out.
        BrokenInvariantError: something planned is missing in the end.
    """
    prompts = PromptsFolder(inputs["prompts"])
    parts = PartsLog.take_over(output, size_of(prompts.plan_files()), place.shared.parts(output))
    with parts.naming_who_took_over():
        _fill(parts, prompts, open_subjects(inputs, prompts), config, place)
        return _close(parts, prompts, config)


def _fill(parts: PartsLog, prompts: PromptsFolder, subjects: Subjects, config: SamplesConfig, place: Place) -> None:
    """Has what no part holds taken over from earlier folders that answer the same prompts, and the rest written."""
    plan = prompts.plan_files()
    note_recipe(parts.folder, make_recipe(config, prompts, subjects.file))
    if reused := reuse_rows(parts, prompts, subjects):
        place.console.step("samples", f"{reused:,} taken over from earlier runs")
    planned, done = sum(file.rows for file in plan), len(parts.committed)
    if done < planned:
        share, conditions = config.max_failed_share, prompts.conditions()
        upload = parts.shared.uploader() if parts.shared else None
        job = GenerationJob(prompts.prompts(), parts.start, parts.attempt_folder, conditions, share, upload)
        missing = parts.committed.copy()  # the parts that engines write are added to the other
        units = PendingUnits(plan, missing, subjects, _UNIT_BATCHES * config.max_num_seqs)
        _have_written(job, parts, _Missing(units, planned, done), config, place)


def _close(parts: PartsLog, prompts: PromptsFolder, config: SamplesConfig) -> SamplesRecord:
    """Merges small parts, and counts what is there against the plan."""
    compact(parts)
    parts.clear()
    check_complete(parts.folder, prompts.plan_files())
    record = make_record(parts.folder)
    outcome = EngineTotals(record.generated, record.failed, record.turned_down, last_error=find_error(parts.folder))
    check_failures(config.max_failed_share, outcome, at_least=1)
    return record


@dataclass(frozen=True)
class _Missing:
    """The work of one start."""

    units: Iterable[Unit]
    planned: int
    """Samples of the whole plan."""
    done_before: int
    """Samples that were committed before."""


def _have_written(job: GenerationJob, parts: PartsLog, missing: _Missing, config: SamplesConfig, place: Place) -> None:
    """Has the run's engines write all units, with a bar; what they do is noted beside the parts every few seconds.

    Raises:
        StoppedEarly: `samples.max_seconds` ran out first.
    """
    planned, done_before = missing.planned, missing.done_before
    salt = f"{job.attempt_folder.parent.name}/{job.attempt}"  # for engines that the run has not started already
    pool: Pool = place.engines.start(config, place, salt)
    place.console.step("samples", f"{planned - done_before:,} of {planned:,} to generate by {config.model_name()}")
    with place.console.waiting("samples", f"loading {config.model_name()}"):
        pool.wait_ready()
    note = _note_of(pool, job.attempt_folder)
    with place.console.progress("samples", planned, "samples") as bar:
        bar.start_at(done_before)

        def on_progress(written: int) -> None:
            bar.reach(done_before + written)
            note(_NOTE_SECONDS)

        try:
            pool.generate(job, parts, missing.units, on_progress)
        finally:
            note(0.0)
    if pool.out_of_time:
        done = len(parts.committed)
        raise StoppedEarly(f"time budget (samples.max_seconds) reached: {done:,} of {planned:,} generated")


def _note_of(pool: Pool, attempt_folder: Path) -> Callable[[float], None]:
    """Makes a function that notes what engines did, unless it did so less than a number of seconds ago."""
    last = time.monotonic()

    def note(every_seconds: float) -> None:
        nonlocal last
        if time.monotonic() - last >= every_seconds:
            last = time.monotonic()
            note_start(attempt_folder, Start(pool.start_seconds, pool.totals()))

    return note
