"""What a run has made so far, read off its folder: before any sample, between two parts, and after curation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import EngineTime, Rates, SamplesRecord
from engine.generation.totals import EngineTotals
from engine.samples.starts import Start, note_start
from engine.storage.parts import PartWriter
from engine.storage.run_folders import begin_run
from engine.storage.store import StepRecord, Store, finish
from engine.storage.typed import to_json_values
from engine.watch.made import Kept, kept_so_far, made_so_far
from tests.support.committed import SCHEMA, begin, commit_table, row
from tests.support.jobs import TASK
from tests.support.small_run import step_record

CONFIG = """
samples: {price_per_cpu_hour: 2.0}
examples: {filters: {min_words: 3, judge: []}, seed: 0}
"""
WORKED = EngineTotals(generated=30, failed=2, first_admitted=100.0, last_committed=1900.0, cpus=4)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run that has planned, and generates."""
    begin_run(tmp_path, CONFIG)
    for noun in ("documents", "prompts"):
        (tmp_path / noun).mkdir()
    passages = [{"passage_id": "p", "document_id": "p", "title": "", "text": "about a lamp in the hall"}]
    pq.write_table(pa.Table.from_pylist(passages, schema=PASSAGES), tmp_path / "documents" / "passages.parquet")
    PromptsFolder(tmp_path / "prompts").write_basis(TASK, [], [])
    return tmp_path


def write_samples(folder: Path, texts: list[str]) -> None:
    """A part as engines leave it, listed, with one sample that failed."""
    parts = begin(folder)
    writer = PartWriter(parts.attempt_folder, 0, SCHEMA)
    for number, text in enumerate([*texts, ""]):
        status = "generated" if text else "failed"
        writer.add(row(number, passage_id="p", text=text, status=status, finish_reason="stop"))
    writer.commit()
    parts.list_new()
    note_start(parts.attempt_folder, Start(1.0, [WORKED]))


def test_before_generation_nothing_is_made(run_dir: Path) -> None:
    assert made_so_far(run_dir) is None
    assert kept_so_far(run_dir) is None


def test_while_engines_work_their_notes_and_their_parts_tell(run_dir: Path) -> None:
    begin(run_dir / "samples")
    assert kept_so_far(run_dir) is None, "no part is listed"
    write_samples(run_dir / "samples", ["where does the lamp stand", "which lamp is in it", "lamp"])
    made = made_so_far(run_dir)
    assert made is not None
    assert (made.generated, made.failed, made.cpu_seconds, made.gpu_seconds) == (30, 2, 7200.0, 0.0)
    assert made.price == pytest.approx(4.0), "two core-hours"
    assert kept_so_far(run_dir) == Kept(2, 3, is_curated=False), "min_words=3 is the run's own setting"


def test_parts_of_a_run_count_once(run_dir: Path) -> None:
    write_samples(run_dir / "samples", ["where does the lamp stand"])
    judged = run_dir / "judge" / "relevance"
    judged.mkdir(parents=True)
    (judged / "samples").symlink_to("../../samples")
    made = made_so_far(run_dir)
    assert made is not None
    assert made.generated == 30


def write_examples(run_dir: Path, source: str) -> None:
    """Finished examples, made from samples of a fingerprint."""
    examples = run_dir / "examples"
    examples.mkdir()
    record = step_record("examples", examples, ExamplesRecord(8, 6, 2, {"format": 1, "copy": 2}, {}))
    finish(examples, replace(record, inputs={"samples": source}))


def test_examples_of_the_round_before_say_nothing_of_this_one(run_dir: Path) -> None:
    write_samples(run_dir / "round2", ["where does the lamp stand", "which lamp is in it", "lamp"])
    (run_dir / "samples").symlink_to("round2")
    write_examples(run_dir, "round1")
    assert kept_so_far(run_dir) == Kept(2, 3, is_curated=False)
    (run_dir / "samples").unlink()
    (run_dir / "samples").symlink_to("round1")
    assert kept_so_far(run_dir) == Kept(8, 11, is_curated=True), "the samples need not be on this disk"
    (run_dir / "round1").mkdir()
    assert kept_so_far(run_dir) == Kept(8, 11, is_curated=True)


def test_parts_that_are_merged_away_meanwhile_are_left_out(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_samples(run_dir / "samples", ["where does the lamp stand"])
    open_part = pq.ParquetFile

    def merge_first(part: Path, **options: Any) -> pq.ParquetFile:
        part.unlink(missing_ok=True)
        return open_part(part, **options)

    monkeypatch.setattr("engine.watch.made.pq.ParquetFile", merge_first)
    assert kept_so_far(run_dir) is None


@contextlib.contextmanager
def counted_memory() -> Iterator[pa.MemoryPool]:
    """Arrow's memory, counted within the block."""
    before = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counted)
    try:
        yield counted
    finally:
        pa.set_memory_pool(before)


def test_of_a_large_part_and_of_a_large_collection_little_is_in_memory_at_a_time(run_dir: Path) -> None:
    made = np.random.default_rng(0)
    texts = [f"which lamp is {made.bytes(3000).hex()}" for _ in range(6000)]
    rows = [row(number, passage_id=f"p{number}", text=text, status="generated") for number, text in enumerate(texts)]
    rows[-5:] = [{**failed, "status": "failed"} for failed in rows[-5:]]
    commit_table(run_dir / "samples", pa.Table.from_pylist(rows, schema=SCHEMA))
    passages = [{"passage_id": f"p{number}", "title": "", "text": text} for number, text in enumerate(texts)]
    table = pa.Table.from_pylist(passages, schema=PASSAGES)
    pq.write_table(table, run_dir / "documents" / "passages.parquet", compression="zstd")
    del rows, passages, table
    with counted_memory() as memory:
        kept = kept_so_far(run_dir)
    assert kept == Kept(0, 256, is_curated=False), "each is a copy of its passage"
    assert memory.max_memory() < 30e6, "each of the two files holds 36 MB of texts"


def test_where_many_failed_not_all_is_read_to_find_others(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.watch.made._ROWS_READ", 4)
    parts = begin(run_dir / "samples")
    for number, status in enumerate(["generated", "failed", "generated"]):
        writer = PartWriter(parts.attempt_folder, number, SCHEMA)
        for sample_id in range(2 * number, 2 * number + 2):
            writer.add(row(sample_id, passage_id="p", text="where does it stand", status=status, finish_reason="stop"))
        part = writer.commit()
        assert part is not None
        os.utime(part, (number, number))
    parts.list_new()
    assert kept_so_far(run_dir) == Kept(2, 2, is_curated=False)


def test_what_is_finished_is_read_off_records(run_dir: Path) -> None:
    samples, examples = run_dir / "samples", run_dir / "examples"
    write_samples(samples, ["where does the lamp stand"])
    rates = Rates(1.0, 1.0, 1.0, 0.0, 1, 1.0, 1.0)
    record = SamplesRecord(12, 11, 1, 100, 100, 0, 0, rates, EngineTime(3600.0, 0.0))
    finish(samples, step_record("samples", samples, record))
    examples.mkdir()
    finish(examples, step_record("examples", examples, ExamplesRecord(8, 6, 2, {"format": 1, "copy": 2}, {})))
    made = made_so_far(run_dir)
    assert made is not None
    assert (made.generated, made.failed, made.price) == (11, 1, 2.0)
    assert kept_so_far(run_dir) == Kept(8, 11, is_curated=True)


RATES = Rates(1.0, 1.0, 1.0, 0.0, 1, 1.0, 1.0)


def made_in_a_store(store: Store, noun: str, name: str, inputs: dict[str, str], record: object = None) -> Path:
    """A finished folder that says what it was made from."""
    folder = store.reserve(noun, name)
    values = to_json_values(record) if record else {}
    finish(folder, StepRecord(noun, name, inputs, {}, 1.0, 0, values))
    return folder


def link_to(run_dir: Path, entry: str, folder: Path) -> None:
    """What a run does when a step of another round is made."""
    (run_dir / entry).unlink(missing_ok=True)
    (run_dir / entry).symlink_to(folder)


def test_what_earlier_rounds_cost_counts_while_the_next_one_goes_on(tmp_path: Path) -> None:
    run_dir, store = tmp_path / "run", Store(tmp_path / "store")
    begin_run(run_dir, CONFIG)
    link_to(run_dir, "prompts", made_in_a_store(store, "prompts", "p1", {}))
    first = store.reserve("samples", "s1")
    link_to(run_dir, "samples", first)
    write_samples(first, ["where does the lamp stand"])
    done = SamplesRecord(32, 30, 2, 100, 100, 0, 0, RATES, EngineTime(7200.0, 0.0))
    made_in_a_store(store, "samples", "s1", {"prompts": "p1"}, done)
    seen = [made_so_far(run_dir)]
    made_in_a_store(store, "examples", "e1", {"samples": "s1", "prompts": "p1", "relevance": "j1"})
    judged = SamplesRecord(5, 5, 0, 100, 100, 0, 0, RATES, EngineTime(1800.0, 0.0))
    made_in_a_store(store, "samples", "j1", {"prompts": "p1"}, judged)
    link_to(run_dir, "prompts", made_in_a_store(store, "prompts", "p2", {"prompts": "p1", "examples": "e1"}))
    seen.append(made_so_far(run_dir))
    second = store.reserve("samples", "s2")
    link_to(run_dir, "samples", second)
    note_start(begin(second).attempt_folder, Start(1.0, [EngineTotals(generated=9)]))
    seen.append(made_so_far(run_dir))
    both = SamplesRecord(42, 40, 2, 100, 100, 32, 0, RATES, EngineTime(3600.0, 0.0))
    made_in_a_store(store, "samples", "s2", {"prompts": "p2"}, both)
    seen.append(made_so_far(run_dir))
    told = [(made.generated, made.failed, made.price) for made in seen if made]
    assert told == [(30, 2, 4.0), (35, 2, 5.0), (44, 2, 5.0), (45, 2, 7.0)], "32 rows were taken over"


def test_other_folders_of_a_shared_store_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir, store = tmp_path / "run", Store(tmp_path / "store")
    begin_run(run_dir, CONFIG)
    done = SamplesRecord(32, 30, 2, 100, 100, 0, 0, RATES, EngineTime(7200.0, 0.0))
    made_in_a_store(store, "samples", "s1", {"prompts": "p1"}, done)
    made_in_a_store(store, "examples", "e1", {"samples": "s1"})
    link_to(run_dir, "prompts", made_in_a_store(store, "prompts", "p2", {"examples": "e1"}))
    monkeypatch.setattr(Store, "outputs", lambda _store: pytest.fail("lists a store that others fill too"))
    made = made_so_far(run_dir)
    assert made is not None
    assert made.generated == 30
