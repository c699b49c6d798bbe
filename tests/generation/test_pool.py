"""The pool with real actors: every row is committed once, also when engines die."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation import pool as pool_module
from engine.generation.endings import EngineEndedError
from engine.generation.engines import EngineGroup
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.generation.jobs import GenerationJob, Unit
from engine.generation.pool import EnginePool
from engine.generation.pools import EnginePools
from engine.generation.routing import Queues
from engine.generation.totals import EngineTotals, add_up
from engine.runtime.place import Place
from engine.storage.parts import committed_ids, ignored_files
from tests.support.committed import begin
from tests.support.engines import Clock, hold, kill_after_its_first_part, process_of
from tests.support.jobs import FAKE, job_at, rows, units
from tests.support.places import quiet_place
from tests.support.waiting import wait_until


def test_two_engines_write_every_row_once(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, num_engines=2), place)
    seen: list[int] = []
    totals = pool.generate(*job_at(tmp_path), units(300, 15), seen.append)
    table = SamplesFolder(tmp_path).rows()
    assert table["sample_id"].to_pylist() == list(range(300))
    assert set(table["status"].to_pylist()) == {"generated"}
    assert sum(engine.committed for engine in totals) == 300
    assert seen[-1] == 300


def test_a_killed_engine_costs_only_its_open_part(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "30")  # work is left when the new engine has loaded, also on a busy machine
    pool = pools.start(replace(FAKE, num_engines=2), place)
    assert isinstance(pool, EnginePool)
    pool.wait_ready(2)
    seeds = {engine.seed for engine in pool.engines}
    killer = threading.Thread(target=kill_after_its_first_part, args=(place, tmp_path, 0))
    killer.start()
    totals = pool.generate(*job_at(tmp_path), units(240, 12), lambda _: None)
    killer.join()
    table = SamplesFolder(tmp_path).rows()
    assert table["sample_id"].to_pylist() == list(range(240))
    writers = table["engine"].to_pylist()
    assert set(writers) == {0, 1, 2}, "another engine took the dead one's place"
    assert len(seeds | {engine.seed for engine in pool.engines}) == 3, "and draws otherwise than it did"
    assert writers.count(0) >= 20, "what the dead one had committed is kept"
    assert next(engine.committed for engine in totals) == writers.count(0), "and counted"


def test_an_engine_out_of_reach_is_given_up_and_what_it_writes_on_does_not_count(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver cannot end it, hands its rows to another, and both write them; it stands still in the meantime."""
    monkeypatch.setenv(SAMPLES_PER_SECOND, "60")
    monkeypatch.setattr("engine.generation.engines.end_actors", lambda actors: None)
    pool = pools.start(FAKE, place)
    assert isinstance(pool, EnginePool)
    pool.wait_ready()
    lost, process = pool.engines[0], process_of(place, 0)

    def lose_the_first(_: int) -> None:
        if not lost.is_loaded:
            return
        hold(process)
        written = committed_ids(list(tmp_path.glob("attempt-*/part-e0-*.parquet")))
        if written.size and any(lost.uncommitted(written)):
            with lost.watched():
                raise EngineEndedError("it is out of reach")
        os.kill(process, signal.SIGCONT)

    job, parts = job_at(tmp_path)
    try:
        pool.generate(job, parts, units(120, 60), lose_the_first)  # seconds of work, so that much of it is left
    finally:
        os.kill(process, signal.SIGCONT)
    rows = SamplesFolder(tmp_path).rows()
    assert rows["sample_id"].to_pylist() == list(range(120))
    assert set(rows["engine"].to_pylist()) == {0, 1}
    late = wait_until(lambda: ignored_files(tmp_path, is_done=False), "a part of the lost engine")
    assert {part.name[:8] for part in late} == {"part-e0-"}, "it was alive, and goes on with what it had"
    parts.list_new()
    assert SamplesFolder(tmp_path).rows().equals(rows)
    assert len(begin(tmp_path).committed) == 120, "and a later start follows the manifest"
    import ray

    ray.kill(lost.actor)


def test_a_failing_prompt_is_a_failed_row(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, context_tokens=60, max_tokens=8), place)
    work = rows(40)
    texts = ["word " * 200 if i == 7 else text for i, text in enumerate(work["text"].to_pylist())]
    work = work.set_column(work.column_names.index("text"), "text", pa.array(texts))
    pool.generate(*job_at(tmp_path), [Unit(0, work)], lambda _: None)
    failed = [row for row in SamplesFolder(tmp_path).rows().to_pylist() if row["status"] == "failed"]
    assert [row["sample_id"] for row in failed] == [7]
    assert "the context 60" in failed[0]["error"]


def test_a_time_budget_ends_in_good_order(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "50")
    Clock(monkeypatch)
    pool = pools.start(replace(FAKE, max_seconds=1.5, part_rows=1000), place)
    totals = pool.generate(*job_at(tmp_path), units(3000, 15), lambda _: None)
    assert pool.out_of_time
    there = SamplesFolder(tmp_path).rows().num_rows
    assert 0 < there < 3000, "60 s of work were planned"
    assert sum(engine.committed for engine in totals) == there, "the open part is committed"
    assert pool.generate(*job_at(tmp_path / "again"), units(30, 15), lambda _: None) == [], "the time stays used up"


def test_a_budget_that_suffices_changes_nothing(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, max_seconds=60.0), place)
    totals = pool.generate(*job_at(tmp_path), units(60, 15), lambda _: None)
    assert not pool.out_of_time
    assert (totals[0].committed, totals[0].cpus, totals[0].gpus) == (60, 1, 0)


def test_a_job_in_which_too_many_samples_fail_is_stopped(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, context_tokens=3, max_tokens=2), place)
    with pytest.raises(UserError, match="samples failed, the last with: the prompt has"):
        pool.generate(*job_at(tmp_path), units(300, 15), lambda _: None)


def test_a_job_may_allow_all_of_its_samples_to_fail(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, context_tokens=3, max_tokens=2), place)
    job, parts = job_at(tmp_path)
    totals = pool.generate(replace(job, max_failed_share=1.0), parts, units(90, 15), lambda _: None)
    assert [engine.failed for engine in totals] == [90]


def test_long_units_wait_in_smaller_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_ROWS_WAITING", 100)
    source, queues = iter(units(3000, 30)), Queues[Unit]()
    assert [unit.size for unit in pool_module._take_in(source, queues)] == [30] * 4, "as many as have a hundred rows"
    assert pool_module._take_in(source, queues) == [], "whose texts are enough to hold"
    for index in range(3):
        queues.add_engine(index, 1)
    assert len(pool_module._take_in(source, queues)) == 2, "but each engine finds two"


class NoEngines(EngineGroup):
    """A group that tells of work, and counts each job anew as real ones do."""

    def __init__(self, *_: object) -> None:
        self.engines, self.told = [], [5, 0, 7]

    def open(self, job: GenerationJob) -> None:
        """Begins the next job."""
        self.told.pop(0)

    def totals(self) -> list[EngineTotals]:
        """Returns those of the job at work."""
        return [EngineTotals(requests=self.told[0])]


def test_what_all_jobs_did_is_added_up_and_those_of_the_last_are_told(tmp_path: Path) -> None:
    pool = EnginePool(FAKE, quiet_place(tmp_path), "salt", make_group=NoEngines)
    assert pool.run_totals().requests == 5
    for number, (last, of_all) in enumerate([(0, 5), (7, 12)]):
        totals = pool.generate(*job_at(tmp_path / str(number)), [], print)
        assert (add_up(totals).requests, pool.run_totals().requests) == (last, of_all)
