"""The accounts of a samples step: counts of rows, rates over all starts, and that nothing planned is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import EngineTime
from engine.errors import BrokenInvariantError
from engine.generation.totals import EngineTotals
from engine.samples.accounts import check_complete, find_error, make_record
from engine.samples.starts import Start, note_start
from engine.storage.parts import PartWriter
from tests.support.committed import SCHEMA, begin, commit, commit_table, row
from tests.support.jobs import rows

DOWN = "turn rating: keep_if does not hold: false"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two rows that were taken over, and five of two starts, of which two failed and one more was turned down."""
    commit_table(tmp_path, pa.Table.from_pylist([row(0), row(1)], schema=SCHEMA))
    outcomes = [("", 10), ("too long", 0), ("", 20), (DOWN, 5), ("too long", 0)]
    for number, (error, tokens) in enumerate(outcomes, 2):
        parts = begin(tmp_path)
        writer = PartWriter(parts.attempt_folder, 0, SCHEMA)
        status = "failed" if error else "generated"
        values = {"error": error, "status": status, "output_tokens": tokens, "prompt_tokens": 7}
        writer.add(row(number, attempt=1 + number % 2, **values))
        writer.commit()
        parts.list_new()
    return tmp_path


def test_planned_is_generated_and_failed(output: Path) -> None:
    record = make_record(output)
    assert (record.planned, record.generated, record.failed, record.turned_down, record.carried) == (7, 4, 3, 1, 2)
    assert (record.prompt_tokens, record.output_tokens) == (35, 35)


def test_rates_are_over_all_starts(output: Path) -> None:
    first = EngineTotals(
        generated=30,
        committed=20,
        requests=30,
        output_tokens=300,
        prompt_tokens=1000,
        first_admitted=100.0,
        last_committed=110.0,
        counters={"prefix_cache_queries": 100, "prefix_cache_hits": 50},
        cpus=2,
        began=90.0,
    )
    second = EngineTotals(generated=10, committed=10, requests=5, first_admitted=200.0, last_committed=205.0, cpus=1)
    late = EngineTotals(cpus=3, began=201.0)
    note_start(output / "attempt-0001", Start(4.0, [first]))
    note_start(output / "attempt-0002", Start(3.0, [replace(second, began=190.0), late]))
    record = make_record(output)
    assert record.generation.seconds == 15.0
    assert record.generation.samples_per_second == 2.0, "what was written and not committed was written again"
    assert record.generation.output_tokens_per_second == 20.0
    assert (record.generation.requests, record.generation.engine_start_seconds) == (35, 4.0)
    assert record.generation.prefix_cache_hit_rate == 0.5
    assert record.cost == EngineTime(cpu_seconds=25.0, gpu_seconds=0.0)
    assert record.idle == EngineTime(cpu_seconds=42.0, gpu_seconds=0.0), "loading, and the engine that found no work"
    note_start(output / "attempt-0002", Start(3.0, [second]))
    assert make_record(output).idle is None, "an earlier version did not note since when engines held anything"


def test_without_any_engine_there_are_no_rates(output: Path) -> None:
    record = make_record(output)
    assert (record.generation.samples_per_second, record.generation.seconds) == (0.0, 0.0)


def test_some_reason_of_a_failure_is_found(output: Path, tmp_path: Path) -> None:
    assert find_error(output) in {"too long", DOWN}
    commit(begin(tmp_path / "none"), [0])
    assert find_error(tmp_path / "none") == ""


def test_a_planned_row_that_is_not_there_is_a_defect(output: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    for number, count in enumerate((7, 8)):
        pq.write_table(rows(count).drop_columns(["title", "text"]), prompts / f"plan-{number:05d}.parquet")
    whole, longer = PromptsFolder(prompts).plan_files()
    check_complete(output, [whole])
    with pytest.raises(BrokenInvariantError, match=r"plan-00001.parquet plans 8 samples, 7 are committed"):
        check_complete(output, [longer])
