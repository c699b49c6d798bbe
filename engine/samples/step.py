"""The body of the samples step: what is committed, what is missing, and the record of how it went.

In: the plan, the passages, the parts that earlier starts committed, and other samples folders of the store. Out: parts
that together hold every planned id once. Memory does not grow with the plan: what is committed is a bitmap, what is
pending is read window by window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from engine.artifacts.columns import condition_names
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.artifacts.samples import SamplesRecord
from engine.errors import StoppedEarly
from engine.generation.config import SamplesConfig
from engine.generation.jobs import Job, Unit
from engine.generation.totals import check_failures
from engine.samples.accounts import an_error, check_complete, make_record
from engine.samples.pending import pending_units
from engine.samples.reuse import carry_over, make_recipe, note_recipe
from engine.storage.files import write_json
from engine.storage.merging import compact
from engine.storage.parts import committed_parts, committed_set, open_attempt, seal_attempts

if TYPE_CHECKING:
    from engine.generation.pool import EnginePool
    from engine.generation.pools import MixedPool
    from engine.runtime.place import Place


_UNIT_BATCHES = 2
"""A unit holds about this many full batches: at least seconds of work on any engine, so queues stay short."""


_MANY_PARTS = 1000
"""A start that finds more small parts than this merges them first: footers are read by each start."""


_NOTE_SECONDS = 5.0
"""Totals are written this often, so that a kill costs no more of them."""


def generate_samples(config: SamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> SamplesRecord:
    """Generates what the plan holds and no committed part has yet."""
    attempt = seal_attempts(output)
    plan = PromptsFolder(inputs["prompts"]).plan_files()
    committed = committed_set(committed_parts(output), size_of(plan))
    passages = DocumentsFolder(inputs["documents"]).texts()
    note_recipe(output, make_recipe(config, inputs["prompts"]))
    if carried := carry_over(output, inputs, plan, passages, committed):
        place.console.step("samples", f"{carried:,} taken over from earlier runs")
    compact(output, more_than=_MANY_PARTS)
    planned = sum(file.rows for file in plan)
    if len(committed) < planned:
        conditions = condition_names(pq.read_schema(plan[0].path))
        job = Job(PromptsFolder(inputs["prompts"]).prompts(), attempt, open_attempt(output, attempt), conditions)
        units = pending_units(plan, committed, passages, _UNIT_BATCHES * config.max_num_seqs)
        _run_job(config, place, job, _Amount(units, planned, len(committed)))
        seal_attempts(output)
    compact(output)
    check_complete(output, plan)
    record = make_record(output)
    failures = {"failed": record.failed, "turned_down": record.turned_down, "last_error": an_error(output)}
    check_failures(config.max_failed_share, planned, [failures], at_least=1)
    return record


@dataclass(frozen=True)
class _Amount:
    units: Iterator[Unit]
    planned: int
    done_before: int


def _run_job(config: SamplesConfig, place: Place, job: Job, amount: _Amount) -> None:
    """Has the pool write all units, with a bar; the totals lie beside the parts, as they were seconds ago at most."""
    left = amount.planned - amount.done_before
    pool = place.engines.start(config, place)
    place.console.step("samples", f"{left:,} of {amount.planned:,} to generate; loading {config.model_name()}")
    pool.wait_ready()
    note = _noting(job.attempt_folder, pool)
    with place.console.progress("samples", amount.planned, "samples") as bar:
        bar.start_at(amount.done_before)

        def on_progress(written: int) -> None:
            bar.reach(amount.done_before + written)
            note(_NOTE_SECONDS)

        try:
            totals = pool.generate(job, amount.units, on_progress)
        finally:
            note(0.0)
    if pool.out_of_time:
        done = amount.done_before + sum(own["committed"] for own in totals)
        raise StoppedEarly(f"time budget (samples.max_seconds) reached: {done:,} of {amount.planned:,} generated")


def _noting(folder: Path, pool: EnginePool | MixedPool) -> Callable[[float], None]:
    """A function that writes the totals of a job into its folder, unless it did so less than that many seconds ago."""
    last = time.monotonic()

    def note(every_seconds: float) -> None:
        nonlocal last
        if time.monotonic() - last >= every_seconds:
            last = time.monotonic()
            values = {"engine_start_seconds": pool.start_seconds, "engines": pool.totals()}
            write_json(folder / "attempt.json", values)

    return note
