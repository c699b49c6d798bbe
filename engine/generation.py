"""The body of the samples step: what is committed, what is missing, and the record of how it went.

In: the plan, the passages, the parts that earlier starts committed, and other samples folders of the store. Out: parts
that together hold every planned id once. Memory does not grow with the plan: what is committed is a bitmap, what is
pending is read window by window.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.atomic import write_json
from engine.carry import CARRIED_ATTEMPT, carry_over, make_recipe, note_recipe
from engine.compaction import compact
from engine.cost import engine_time
from engine.errors import StoppedEarly
from engine.failures import check_failures
from engine.generators import hit_rate
from engine.idset import IdSet
from engine.loop import Job
from engine.parts import committed_parts, committed_set, open_attempt, seal_attempts
from engine.pending import PlanFile, make_units, pending_units, plan_files, read_passages, size_of
from engine.pool import Unit
from engine.prompts import load_prompts
from engine.records import condition_names
from engine.turns import TURNED_DOWN

if TYPE_CHECKING:
    from engine.mix import MixedPool
    from engine.place import Place
    from engine.pool import EnginePool
    from engine.samples import SamplesConfig

__all__ = ["generate", "make_units", "read_plan"]

_UNIT_BATCHES = 2
"""A unit holds about this many full batches: at least seconds of work on any engine, so queues stay short."""
_MANY_PARTS = 1000
"""A start that finds more small parts than this merges them first: footers are read by each start."""
_NOTE_SECONDS = 5.0
"""Totals are written this often, so that a kill costs no more of them."""


def generate(config: SamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    """See engine.samples.generate_samples."""
    attempt = seal_attempts(output)
    plan = plan_files(inputs["prompts"])
    committed = committed_set(committed_parts(output), size_of(plan))
    passages = read_passages(inputs["documents"])
    note_recipe(output, make_recipe(config, inputs["prompts"]))
    if carried := carry_over(output, inputs, plan, passages, committed):
        place.console.step("samples", f"{carried:,} taken over from earlier runs")
    compact(output, more_than=_MANY_PARTS)
    planned = sum(file.rows for file in plan)
    if len(committed) < planned:
        conditions = condition_names(pq.read_schema(plan[0].path))
        job = Job(load_prompts(inputs["prompts"]), attempt, open_attempt(output, attempt), conditions)
        units = pending_units(plan, committed, passages, _UNIT_BATCHES * config.max_num_seqs)
        _run_job(config, place, job, _Amount(units, planned, len(committed)))
        seal_attempts(output)
    compact(output)
    _check_complete(output, plan)
    record = _record(output)
    check_failures(config.max_failed_share, planned, [{**record, "last_error": _an_error(output)}], at_least=1)
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


def read_plan(prompts: Path) -> pa.Table:
    """All planned rows of a prompts folder, by `sample_id`."""
    return pa.concat_tables([pq.read_table(file) for file in sorted(prompts.glob("plan-*.parquet"))])


def _check_complete(output: Path, plan: list[PlanFile]) -> None:
    committed: IdSet = committed_set(committed_parts(output), size_of(plan))
    for file in plan:
        found = committed.count_between(file.first, file.last)
        assert found == file.rows, f"{file.path.name} plans {file.rows} samples, {found} are committed in {output}"


def _an_error(output: Path) -> str:
    """Why some sample failed; empty when none did."""
    for part in committed_parts(output):
        errors = pq.read_table(part, columns=["error"])["error"]
        if found := [error for error in errors.unique().to_pylist() if error]:
            return str(found[-1])
    return ""


def _record(output: Path) -> dict[str, object]:
    """Counts over all parts, one part in memory at a time."""
    counts = dict.fromkeys(("planned", "failed", "prompt_tokens", "output_tokens", "carried", "turned_down"), 0)
    for part in committed_parts(output):
        table = pq.read_table(part, columns=["status", "error", "attempt", "prompt_tokens", "output_tokens"])
        counts["planned"] += table.num_rows
        counts["failed"] += pc.sum(pc.equal(table["status"], "failed")).as_py() or 0
        counts["turned_down"] += pc.sum(pc.match_substring(table["error"], TURNED_DOWN)).as_py() or 0
        counts["carried"] += pc.sum(pc.equal(table["attempt"], CARRIED_ATTEMPT)).as_py() or 0
        for name in ("prompt_tokens", "output_tokens"):
            counts[name] += pc.sum(table[name]).as_py() or 0
    generated = counts["planned"] - counts["failed"]
    first = {"planned": counts.pop("planned"), "generated": generated}
    cost = engine_time(engine for start in _starts(output) for engine in start["engines"])
    return {**first, **counts, "generation": _rates(output), "cost": cost}


def _starts(output: Path) -> list[dict[str, Any]]:
    """What each start noted, the last time that it did."""
    return [json.loads(file.read_text()) for file in sorted(output.glob("attempt-*/attempt.json"))]


def _rates(output: Path) -> dict[str, float]:
    """Rates over all starts, killed ones as last noted: from first admitted request to last committed row."""
    starts = _starts(output)
    engines = [engine for start in starts for engine in start["engines"]]
    seconds = sum(_busy_seconds(start["engines"]) for start in starts)
    counters: dict[str, int] = {}
    for engine in engines:
        for name, value in engine["counters"].items():
            counters[name] = counters.get(name, 0) + value
    totals: dict[str, Any] = {
        name: sum(engine[name] for engine in engines) for name in ("requests", "prompt_tokens", "output_tokens")
    }
    # What a killed engine had written and not committed was written again, and counts once.
    totals["generated"] = sum(min(engine["generated"], engine["committed"]) for engine in engines)
    return {
        "samples_per_second": _per_second(totals["generated"], seconds),
        "prompt_tokens_per_second": _per_second(totals["prompt_tokens"], seconds),
        "output_tokens_per_second": _per_second(totals["output_tokens"], seconds),
        "prefix_cache_hit_rate": round(hit_rate(counters), 4),
        "requests": totals["requests"],
        "engine_start_seconds": round(max((start["engine_start_seconds"] for start in starts), default=0.0), 2),
        "seconds": round(seconds, 2),
    }


def _busy_seconds(engines: list[dict[str, Any]]) -> float:
    first = min((engine["first_admitted"] for engine in engines if engine["first_admitted"]), default=0.0)
    return max(0.0, max((engine["last_committed"] for engine in engines), default=0.0) - first)


def _per_second(count: float, seconds: float) -> float:
    return round(count / seconds, 3) if seconds else 0.0
