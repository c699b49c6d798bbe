"""The body of the samples step: what is committed, what is missing, and the units in which it is generated.

In: the plan, the passages, the parts that earlier starts committed. Out: parts that together hold every planned
id once, and a record of how it went.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.atomic import write_json
from engine.cost import engine_time
from engine.errors import StoppedEarly
from engine.generators import hit_rate
from engine.loop import Job
from engine.parts import committed_ids, committed_parts, open_attempt, seal_attempts
from engine.pool import Unit, check_failures
from engine.prompts import load_prompts
from engine.records import CONDITION_PREFIX

if TYPE_CHECKING:
    from engine.place import Place
    from engine.samples import SamplesConfig

_UNIT_BATCHES = 2
"""A unit holds about this many full batches: at least seconds of work on any engine, so queues stay short."""


def generate(config: SamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    """See engine.samples.generate_samples."""
    plan = read_plan(inputs["prompts"])
    attempt = seal_attempts(output)
    committed = committed_ids(committed_parts(output))
    pending = plan.filter(pc.invert(pc.is_in(plan["sample_id"], pa.array(committed))))
    if pending.num_rows:
        job = Job(load_prompts(inputs["prompts"]), attempt, open_attempt(output, attempt), condition_names(plan))
        passages = pq.read_table(inputs["documents"] / "passages.parquet", columns=["passage_id", "title", "text"])
        units = make_units(pending, passages, _UNIT_BATCHES * config.max_num_seqs)
        _run_job(config, place, job, _Amount(units, plan.num_rows, plan.num_rows - pending.num_rows))
        seal_attempts(output)
    _check_complete(output, plan.num_rows)
    record, last_error = _record(output), _an_error(output)
    check_failures(
        config.max_failed_share, plan.num_rows, [{"failed": record["failed"], "last_error": last_error}], at_least=1
    )
    return record


def condition_names(plan: pa.Table) -> list[str]:
    """Names of the conditions that a plan's rows carry."""
    return [name.removeprefix(CONDITION_PREFIX) for name in plan.column_names if name.startswith(CONDITION_PREFIX)]


@dataclass(frozen=True)
class _Amount:
    units: Iterator[Unit]
    planned: int
    done_before: int


def _run_job(config: SamplesConfig, place: Place, job: Job, amount: _Amount) -> None:
    """Has the pool write all units, with a bar, and leaves the totals beside the parts when all are written."""
    left = amount.planned - amount.done_before
    pool = place.engines.start(config, place)
    place.console.step("samples", f"{left:,} of {amount.planned:,} to generate; loading {config.model_name()}")
    start_seconds = pool.wait_ready()
    with place.console.progress("samples", amount.planned, "samples") as bar:
        bar.start_at(amount.done_before)
        totals = pool.generate(job, amount.units, lambda written: bar.reach(amount.done_before + written))
    write_json(job.attempt_folder / "attempt.json", {"engine_start_seconds": start_seconds, "engines": totals})
    if pool.out_of_time:
        done = amount.done_before + sum(own["committed"] for own in totals)
        raise StoppedEarly(f"time budget (samples.max_seconds) reached: {done:,} of {amount.planned:,} generated")


def read_plan(prompts: Path) -> pa.Table:
    """All planned rows of a prompts folder, by `sample_id`."""
    return pa.concat_tables([pq.read_table(file) for file in sorted(prompts.glob("plan-*.parquet"))])


def make_units(pending: pa.Table, passages: pa.Table, unit_rows: int) -> Iterator[Unit]:
    """Cuts pending rows into runs of one prefix, in the order of `sample_id`, and joins their passages."""
    ordered = pending.sort_by([("prefix", "ascending"), ("sample_id", "ascending")])
    row_of = pc.index_in(ordered["passage_id"], value_set=passages["passage_id"].combine_chunks())
    assert row_of.null_count == 0, "the plan names only passages of its documents"
    for name in ("title", "text"):
        ordered = ordered.append_column(name, passages[name].take(row_of))
    prefixes = ordered["prefix"].to_numpy()
    starts = np.flatnonzero(np.diff(prefixes, prepend=prefixes[:1] - 1))
    for start, end in zip(starts, [*starts[1:], len(prefixes)], strict=True):
        for first in range(start, end, unit_rows):
            yield Unit(int(prefixes[start]), ordered.slice(first, min(unit_rows, end - first)).combine_chunks())


def _check_complete(output: Path, planned: int) -> None:
    ids = committed_ids(committed_parts(output))
    assert len(ids) == planned, f"{planned} samples planned, {len(ids)} committed in {output}"


def _an_error(output: Path) -> str:
    """Why some sample failed; empty when none did."""
    for part in committed_parts(output):
        errors = pq.read_table(part, columns=["error"])["error"]
        if found := [error for error in errors.unique().to_pylist() if error]:
            return str(found[-1])
    return ""


def _record(output: Path) -> dict[str, object]:
    tables = [
        pq.read_table(part, columns=["status", "prompt_tokens", "output_tokens"]) for part in committed_parts(output)
    ]
    table = pa.concat_tables(tables)
    failed = pc.sum(pc.equal(table["status"], "failed")).as_py() or 0
    return {
        "planned": table.num_rows,
        "generated": table.num_rows - failed,
        "failed": failed,
        "prompt_tokens": pc.sum(table["prompt_tokens"]).as_py(),
        "output_tokens": pc.sum(table["output_tokens"]).as_py(),
        "generation": _rates(output),
        "cost": engine_time(engine for start in _ended_well(output) for engine in start["engines"]),
    }


def _ended_well(output: Path) -> list[dict[str, Any]]:
    """What the starts that ended in good order left behind."""
    return [json.loads(file.read_text()) for file in sorted(output.glob("attempt-*/attempt.json"))]


def _rates(output: Path) -> dict[str, float]:
    """Rates over the starts that ended in good order: from first admitted request to last committed row."""
    starts = _ended_well(output)
    engines = [engine for start in starts for engine in start["engines"]]
    seconds = sum(_busy_seconds(start["engines"]) for start in starts)
    counters: dict[str, int] = {}
    for engine in engines:
        for name, value in engine["counters"].items():
            counters[name] = counters.get(name, 0) + value
    totals: dict[str, Any] = {
        name: sum(engine[name] for engine in engines)
        for name in ("generated", "requests", "prompt_tokens", "output_tokens")
    }
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
