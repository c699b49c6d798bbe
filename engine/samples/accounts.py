"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.prompts import PlanFile, size_of
from engine.artifacts.samples import Rates, SamplesRecord
from engine.generation.totals import engine_time, hit_rate
from engine.samples.reuse import CARRIED_ATTEMPT
from engine.storage.ids import IdSet
from engine.storage.parts import committed_parts, committed_set
from engine.task.answers import TURNED_DOWN


def check_complete(output: Path, plan: list[PlanFile]) -> None:
    committed: IdSet = committed_set(committed_parts(output), size_of(plan))
    for file in plan:
        found = committed.count_between(file.first, file.last)
        assert found == file.rows, f"{file.path.name} plans {file.rows} samples, {found} are committed in {output}"


def an_error(output: Path) -> str:
    """Why some sample failed; empty when none did."""
    for part in committed_parts(output):
        errors = pq.read_table(part, columns=["error"])["error"]
        if found := [error for error in errors.unique().to_pylist() if error]:
            return str(found[-1])
    return ""


def make_record(output: Path) -> SamplesRecord:
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
    cost = engine_time(engine for start in _starts(output) for engine in start["engines"])
    return SamplesRecord(**counts, generated=generated, generation=_rates(output), cost=cost)


def _starts(output: Path) -> list[dict[str, Any]]:
    """What each start noted, the last time that it did."""
    return [json.loads(file.read_text()) for file in sorted(output.glob("attempt-*/attempt.json"))]


def _rates(output: Path) -> Rates:
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
    return Rates(
        samples_per_second=_per_second(totals["generated"], seconds),
        prompt_tokens_per_second=_per_second(totals["prompt_tokens"], seconds),
        output_tokens_per_second=_per_second(totals["output_tokens"], seconds),
        prefix_cache_hit_rate=round(hit_rate(counters), 4),
        requests=totals["requests"],
        engine_start_seconds=round(max((start["engine_start_seconds"] for start in starts), default=0.0), 2),
        seconds=round(seconds, 2),
    )


def _busy_seconds(engines: list[dict[str, Any]]) -> float:
    first = min((engine["first_admitted"] for engine in engines if engine["first_admitted"]), default=0.0)
    return max(0.0, max((engine["last_committed"] for engine in engines), default=0.0) - first)


def _per_second(count: float, seconds: float) -> float:
    return round(count / seconds, 3) if seconds else 0.0
