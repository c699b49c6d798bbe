"""The engine loop with the fake generator, in a thread, without Ray: every row in is one row out."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.fake_generator import SAMPLES_PER_SECOND, FakeGenerator
from engine.generation.generator import Finished, prompt_hash
from engine.generation.loop import EngineLoop, Rest
from engine.generation.sending import MOST_SENT
from engine.generation.totals import EngineTotals
from engine.storage.manifest import FencedError
from engine.storage.parts import committed_parts
from tests.support.committed import begin
from tests.support.loops import CONFIG, PROMPTS, Start, Watched, finished, row
from tests.support.waiting import PATIENCE_SECONDS, wait_until


def test_every_row_in_is_one_row_out(start: Start) -> None:
    rows = [row(i, prefix=i % 3, demonstration_set=i % 3) for i in range(200)]
    running = start()
    written = running.write(rows[:70], rows[70:71], rows[71:])
    assert [r["sample_id"] for r in written] == list(range(200))
    for given, r in zip(rows, written, strict=True):
        text = PROMPTS.compile().first.text(given.ask())
        assert r["prompt_hash"] == prompt_hash(text)
        assert r["prompt_tokens"] == len(text.split())
        assert r["text"].startswith(" where is ")
        expected = {
            "status": "generated",
            "error": "",
            "finish_reason": "stop",
            "engine": 5,
            "attempt": 1,
            "model": "fake",
        }
        assert {name: r[name] for name in expected} == expected
        assert (r["passage_id"], r["condition_form"]) == (given.passage_id, "question")
        assert r["demonstration_set"] == given.demonstration_set


def test_totals_add_up(start: Start) -> None:
    before = time.time()
    generator = Watched(CONFIG)
    running = start(generator=generator)
    written = running.write([row(i) for i in range(50)], [row(50, text="long " * 5000)])
    totals = running.loop.totals()
    assert (totals.generated, totals.failed, totals.committed, totals.requests) == (50, 1, 51, 50)
    assert totals.prompt_tokens == sum(r["prompt_tokens"] for r in written)
    assert totals.output_tokens == sum(r["output_tokens"] for r in written) == 50 * 8
    assert totals.counters == {"prefix_cache_queries": totals.prompt_tokens, "prefix_cache_hits": 0}
    assert totals.last_error == "the prompt has 5011 tokens, the context 2048"
    assert before <= totals.first_admitted <= totals.last_committed <= time.time()
    assert len(generator.threads) == 1


@pytest.mark.parametrize("text", ["", "a\0b \x1b[31m\x7f", "half \ud800 a pair", "\u2028\u202e\ufeff", "   \n\t "])
def test_odd_passages_are_rows_like_others(start: Start, text: str) -> None:
    written = start().write([row(0, text=text, title=""), row(1)])
    assert [r["status"] for r in written] == ["generated", "generated"]


def test_all_of_a_unit_may_fail(start: Start) -> None:
    written = start().write([row(i, text="long " * 3000) for i in range(10)])
    assert [r["status"] for r in written] == ["failed"] * 10


def test_an_error_of_the_engine_ends_the_loop(start: Start) -> None:
    class Broken(FakeGenerator):
        def step(self) -> list[Finished]:
            raise RuntimeError("the engine is dead")

    running = start(generator=Broken(CONFIG))
    ticket = running.loop.hand_in([row(0)])
    running.thread.join(PATIENCE_SECONDS)
    with pytest.raises(RuntimeError, match="the engine is dead"):
        running.end()
    assert not ticket.done.is_set()


def test_parts_are_closed_after_so_many_rows(start: Start) -> None:
    running = start(replace(CONFIG, part_rows=5, max_num_seqs=1))
    running.write([row(i) for i in range(23)])
    sizes = [pq.read_metadata(part).num_rows for part in committed_parts(running.folder)]
    assert sizes == [5, 5, 5, 5, 3]


def test_parts_are_closed_after_so_many_seconds(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "50")
    running = start(replace(CONFIG, part_seconds=0.1))
    written = running.write([row(i) for i in range(30)])
    assert len(written) == 30
    assert len(committed_parts(running.folder)) >= 3, "thirty rows take 0.6 s, or longer on a busy machine"


def test_an_idle_loop_leaves_nothing_open(start: Start) -> None:
    running = start()
    finished(running.loop.hand_in([row(0), row(1)]))
    wait_until(lambda: running.loop.totals().committed == 2, "the part of an idle loop")
    running.parts.list_new()
    assert SamplesFolder(running.folder).rows()["sample_id"].to_pylist() == [0, 1]
    assert running.thread.is_alive()


def test_stopping_commits_what_is_written(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "10")
    running = start()
    ticket = running.loop.hand_in([row(i) for i in range(500)])
    wait_until(lambda: running.loop.totals().generated, "a row")
    assert list(running.attempt.iterdir()) == []
    totals = running.end()
    running.parts.list_new()
    assert not ticket.done.is_set()
    assert 0 < totals.generated < 500
    assert totals.committed == totals.generated == SamplesFolder(running.folder).rows().num_rows


def test_jobs_follow_each_other_on_one_engine(start: Start, tmp_path: Path) -> None:
    running = start()
    folders = [running.attempt]
    for number in range(2, 22):
        running.loop.hand_in([row(number)])
        folders.append(begin(tmp_path / f"job{number}").attempt_folder)
        finished(running.loop.hand_in([row(number + 100)]))
        finished(running.loop.hand_in(replace(running.job, attempt=number, attempt_folder=folders[-1])))
        assert running.loop.totals() == EngineTotals()
    running.write([row(99)])
    rows = [pa.concat_tables(map(pq.read_table, sorted(folder.glob("part-*")))).to_pylist() for folder in folders]
    assert [len(found) for found in rows] == [2] * 20 + [1], "a job's last rows are not lost to the next"


def test_another_start_of_the_driver_stops_the_loop(start: Start) -> None:
    running = start()
    begin(running.folder)
    running.loop.hand_in([row(0)])
    running.thread.join(PATIENCE_SECONDS)
    with pytest.raises(FencedError):
        running.end()


def test_a_loop_without_a_job_has_no_totals_and_stops() -> None:
    loop = EngineLoop(CONFIG, 0)
    loop.stop()
    loop.run(FakeGenerator(CONFIG))
    assert loop.totals() == EngineTotals()


def test_a_generator_sleeps_between_two_units_and_wakes(start: Start) -> None:
    generator = Watched(CONFIG)
    running = start(generator=generator)
    finished(running.loop.hand_in([row(0)]))
    finished(running.loop.hand_in(Rest.sleep))
    with pytest.raises(AssertionError, match="sleeps"):
        generator.add(generator.requests()[0])
    finished(running.loop.hand_in(Rest.wake))
    assert len(running.write([row(1)])) == 2
    assert len(generator.threads - {threading.get_ident()}) == 1


def test_a_generator_that_has_work_is_not_put_to_sleep(start: Start) -> None:
    running = start(generator=Watched(CONFIG, delay=10**9))
    running.loop.hand_in([row(0)])
    running.loop.hand_in(Rest.sleep)
    running.thread.join(PATIENCE_SECONDS)
    assert "before all that it was given was written" in str(running.errors)


def test_a_loop_whose_parts_are_not_taken_goes_round_and_writes_no_more(start: Start) -> None:
    is_back = threading.Event()

    def send(_: Path) -> None:
        assert is_back.wait(PATIENCE_SECONDS)

    running = start(config=replace(CONFIG, part_rows=2))
    finished(running.loop.hand_in(replace(running.job, upload=send)))
    ticket = running.loop.hand_in([row(i) for i in range(80)])
    wait_until(lambda: running.loop.num_sent == MOST_SENT, "parts on their way")
    passes = running.loop.passes
    wait_until(lambda: running.loop.passes > passes + 5, "a loop that goes round, and does not pass for one that hangs")
    assert running.loop.totals().finished < 80
    is_back.set()
    finished(ticket)
    assert running.end().committed == 80
