"""The accounts of a samples step: that every planned row is there once, how many failed, how fast engines were.

In: the parts that the manifest lists, and what each start noted in its attempt.json. Out: a SamplesRecord, whose counts
add up: planned = generated + failed. Parts are read one at a time.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.prompts import PlanFile, size_of
from engine.artifacts.samples import EngineTime, Rates, SamplesRecord
from engine.errors import BrokenInvariantError
from engine.generation.totals import add_up, engine_time, hit_rate, idle_time
from engine.samples.starts import REUSED_ATTEMPT, Start, read_starts
from engine.storage.parts import committed_parts, committed_set
from engine.task.answers import TURNED_DOWN


def check_complete(output: Path, plan: list[PlanFile]) -> None:
    """Holds what the parts themselves say against the plan: anything but every planned row once is a defect.

    Raises:
        BrokenInvariantError: a planned row is missing, or something is there twice.
    """
    committed = committed_set(committed_parts(output), size_of(plan))
    for file in plan:
        count = committed.count_between(file.first, file.last)
        if count != file.rows:
            raise BrokenInvariantError(f"{file.path.name} plans {file.rows} samples, {count} are committed in {output}")


def find_error(output: Path) -> str:
    """Finds why some sample failed; empty where none did."""
    for part in committed_parts(output):
        errors = pq.read_table(part, columns=["error"])["error"].unique().to_pylist()
        if reasons := [error for error in errors if error]:
            return str(reasons[-1])
    return ""


def make_record(output: Path) -> SamplesRecord:
    """Makes the record of a samples step, counted over all of its parts."""
    counts = dict.fromkeys(("planned", "failed", "prompt_tokens", "output_tokens", "carried", "turned_down"), 0)
    for part in committed_parts(output):
        table = pq.read_table(part, columns=["status", "error", "attempt", "prompt_tokens", "output_tokens"])
        counts["planned"] += table.num_rows
        counts["failed"] += pc.sum(pc.equal(table["status"], "failed")).as_py() or 0
        counts["turned_down"] += pc.sum(pc.match_substring(table["error"], TURNED_DOWN)).as_py() or 0
        counts["carried"] += pc.sum(pc.equal(table["attempt"], REUSED_ATTEMPT)).as_py() or 0
        for name in ("prompt_tokens", "output_tokens"):
            counts[name] += pc.sum(table[name]).as_py() or 0
    starts = read_starts(output)
    return SamplesRecord(
        **counts,
        generated=counts["planned"] - counts["failed"],
        generation=_rates(starts),
        cost=engine_time(engine for start in starts for engine in start.engines),
        idle=_idle(starts),
    )


def _idle(starts: list[Start]) -> EngineTime | None:
    """Adds up what engines held without work in all starts; None where one of them did not note enough."""
    noted = [idle_time(start.engines) for start in starts]
    idle = [each for each in noted if each is not None]
    if len(idle) < len(noted):
        return None
    cpu_seconds, gpu_seconds = sum(each.cpu_seconds for each in idle), sum(each.gpu_seconds for each in idle)
    return EngineTime(round(cpu_seconds, 2), round(gpu_seconds, 2))


def _rates(starts: list[Start]) -> Rates:
    """Works out how fast engines wrote over all starts, of which those that were killed count as they last noted."""
    engines = [engine for start in starts for engine in start.engines]
    together = add_up(engines)
    seconds = sum(add_up(start.engines).seconds for start in starts)
    # What a killed engine had written and not committed was written again, and counts once.
    generated = sum(min(engine.generated, engine.committed) for engine in engines)
    return Rates(
        samples_per_second=_per_second(generated, seconds),
        prompt_tokens_per_second=_per_second(together.prompt_tokens, seconds),
        output_tokens_per_second=_per_second(together.output_tokens, seconds),
        prefix_cache_hit_rate=round(hit_rate(together), 4),
        requests=together.requests,
        engine_start_seconds=round(max((start.engine_start_seconds for start in starts), default=0.0), 2),
        seconds=round(seconds, 2),
    )


def _per_second(count: float, seconds: float) -> float:
    return round(count / seconds, 3) if seconds else 0.0
