"""The engine loop with the fake generator, in a thread, without Ray: every row in is one row out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation.fake_generator import FakeGenerator
from engine.generation.generator import Finished, Request, prompt_hash
from engine.generation.totals import Totals
from engine.storage.parts import FencedError, committed_parts, open_attempt, seal_attempts
from engine.task.config import PromptKind
from engine.task.render import Prompts
from tests.support.loops import CONFIG, PROMPTS, SETS, TASK, Start, Watched, finished, row


def test_every_row_in_is_one_row_out(start: Start) -> None:
    rows = [row(i, prefix=i % 3, demonstration_set=i % 3) for i in range(200)]
    running = start()
    written = running.write(rows[:70], rows[70:71], rows[71:])
    assert [r["sample_id"] for r in written] == list(range(200))
    for given, r in zip(rows, written, strict=True):
        text = PROMPTS.renderer().completion(given, given["demonstration_set"], given["cell"])
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
        assert (r["passage_id"], r["condition_form"]) == (given["passage_id"], "question")
        assert r["demonstration_set"] == given["demonstration_set"]


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


def test_replicates_of_a_prompt_are_one_request(start: Start) -> None:
    generator = Watched(CONFIG)
    same = {"passage_id": "p", "title": "T", "text": "same words everywhere"}
    rows = [row(4, **same), row(0), row(2, **same), row(9, **same), row(3, **same, cell="form=keywords")]
    written = {r["sample_id"]: r for r in start(generator=generator).write(rows)}
    assert sorted(request.n for request in generator.requests()) == [1, 1, 3]
    assert all(request.sampling.stop == ("\n",) for request in generator.requests())
    assert len({written[i]["text"] for i in (2, 4, 9)}) == 3, "each sample is its own"
    assert len({written[i]["prompt_hash"] for i in (2, 4, 9)}) == 1
    assert written[2]["prompt_tokens"] > 0
    assert (written[4]["prompt_tokens"], written[9]["prompt_tokens"]) == (0, 0), "the prompt was computed once"


@pytest.mark.parametrize("text", ["", "a\0b \x1b[31m\x7f", "half \ud800 a pair", "\u2028\u202e\ufeff", "   \n\t "])
def test_odd_passages_are_rows_like_others(start: Start, text: str) -> None:
    written = start().write([row(0, text=text, title=""), row(1)])
    assert [r["status"] for r in written] == ["generated", "generated"]


def test_a_failing_prompt_is_a_row_with_a_reason(start: Start) -> None:
    rows = [row(i, prefix=i % 2) for i in range(40)]
    for i in (0, 1, 17):  # the first of each prefix is the one that goes ahead
        rows[i]["text"] = "long " * 3000
    written = start().write(rows)
    assert Counter(r["status"] for r in written) == {"generated": 37, "failed": 3}
    assert [r["sample_id"] for r in written if r["status"] == "failed"] == [0, 1, 17]
    for i in (0, 1, 17):
        r = written[i]
        assert r["error"] == "the prompt has 3011 tokens, the context 2048"
        assert (r["text"], r["prompt_hash"], r["finish_reason"]) == ("", "", "")
        assert (r["prompt_tokens"], r["output_tokens"], r["passage_id"]) == (0, 0, f"p{i}")


@pytest.mark.parametrize(
    "error", [ValueError("too\n  long"), TypeError("not text"), UserError("w", where="p", remedy="r")]
)
def test_any_fault_of_a_prompt_fails_its_rows_alone(start: Start, error: Exception) -> None:
    class Picky(FakeGenerator):
        def add(self, request: Request) -> str:
            if "number3" in str(request.prompt):
                raise error
            return super().add(request)

    written = start(generator=Picky(CONFIG)).write([row(i, text=f"about number{i}") for i in range(5)])
    assert [r["status"] for r in written] == ["generated"] * 3 + ["failed", "generated"]
    assert written[3]["error"] == " ".join(str(error).split())


def test_a_template_that_fails_for_one_passage_fails_that_row(start: Start) -> None:
    prompts = Prompts(
        replace(TASK, prompt="{% if passage.text|length > 100 %}{{ oops }}{% endif %}{{ passage.text }}"), SETS
    )
    written = start(prompts=prompts).write([row(0), row(1, text="long " * 30), row(2)])
    assert [r["status"] for r in written] == ["generated", "failed", "generated"]
    assert "there is no 'oops'" in written[1]["error"]


def test_all_of_a_unit_may_fail(start: Start) -> None:
    written = start().write([row(i, text="long " * 3000) for i in range(10)])
    assert [r["status"] for r in written] == ["failed"] * 10


def test_an_error_of_the_engine_ends_the_loop(start: Start) -> None:
    class Broken(FakeGenerator):
        def step(self) -> list[Finished]:
            raise RuntimeError("the engine is dead")

    running = start(generator=Broken(CONFIG))
    ticket = running.loop.hand_in([row(0)])
    running.thread.join(10)
    with pytest.raises(RuntimeError, match="the engine is dead"):
        running.end()
    assert not ticket.done.is_set()


def test_one_request_of_a_cold_prefix_goes_ahead(start: Start) -> None:
    generator = Watched(CONFIG, delay=3)
    rows = [row(i, prefix=i // 10, demonstration_set=i // 10) for i in range(40)]
    start(generator=generator).write(rows)
    first = generator.before_step(1)
    assert [str(request.prompt).splitlines()[0] for request in first] == [f"P: document {i}" for i in range(4)]
    assert len(generator.before_step(2)) > 4
    assert len(generator.requests()) == 40


def test_a_long_prefix_is_waited_for_longer(start: Start) -> None:
    generator = Watched(CONFIG, delay=9)
    start(generator=generator).write([row(i, prompt_tokens=3 * 4096 + 5) for i in range(10)])
    assert [len(generator.before_step(number)) for number in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert len(generator.before_step(5)) == 10


@pytest.mark.parametrize("tokens", [20, 100_000])
def test_a_warm_prefix_that_ended_early_holds_nobody(start: Start, tokens: int) -> None:
    generator = Watched(CONFIG)
    written = start(generator=generator).write([row(i, prompt_tokens=tokens) for i in range(30)])
    assert len(written) == 30


def test_half_a_batch_more_than_fits_is_admitted(start: Start) -> None:
    generator = Watched(CONFIG, delay=2)
    start(generator=generator).write([row(i) for i in range(100)])
    waiting = [event for event in generator.events if isinstance(event, int)]
    assert max(waiting) == 12


def test_parts_are_closed_after_so_many_rows(start: Start) -> None:
    running = start(replace(CONFIG, part_rows=5, max_num_seqs=1))
    running.write([row(i) for i in range(23)])
    sizes = [pq.read_metadata(part).num_rows for part in committed_parts(running.folder)]
    assert sizes == [5, 5, 5, 5, 3]


def test_parts_are_closed_after_so_many_seconds(start: Start) -> None:
    running = start(replace(CONFIG, part_seconds=0.1, fake_samples_per_second=50.0))
    written = running.write([row(i) for i in range(30)])
    assert len(written) == 30
    assert 3 <= len(committed_parts(running.folder)) <= 10


def test_an_idle_loop_leaves_nothing_open(start: Start) -> None:
    running = start()
    finished(running.loop.hand_in([row(0), row(1)]))
    deadline = time.monotonic() + 5
    while running.loop.totals().committed < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert SamplesFolder(running.folder).rows()["sample_id"].to_pylist() == [0, 1]
    assert running.thread.is_alive()


def test_stopping_commits_what_is_written(start: Start) -> None:
    running = start(replace(CONFIG, fake_samples_per_second=100.0))
    ticket = running.loop.hand_in([row(i) for i in range(500)])
    time.sleep(0.4)
    assert committed_parts(running.folder) == []
    totals = running.end()
    assert not ticket.done.is_set()
    assert 0 < totals.generated < 500
    assert totals.committed == totals.generated == SamplesFolder(running.folder).rows().num_rows


def test_jobs_follow_each_other_on_one_engine(start: Start, tmp_path: Path) -> None:
    running = start()
    folders = [running.attempt]
    for number in range(2, 22):
        running.loop.hand_in([row(number)])
        second = tmp_path / f"job{number}"
        second.mkdir()
        folders.append(open_attempt(second, number))
        finished(running.loop.hand_in([row(number + 100)]))
        finished(running.loop.hand_in(replace(running.job, attempt=number, attempt_folder=folders[-1])))
        assert running.loop.totals() == Totals()
    running.write([row(99)])
    rows = [pa.concat_tables(map(pq.read_table, sorted(folder.glob("part-*")))).to_pylist() for folder in folders]
    assert [len(found) for found in rows] == [2] * 20 + [1], "a job's last rows are not lost to the next"


def test_a_sealed_attempt_stops_the_loop(start: Start) -> None:
    running = start()
    seal_attempts(running.folder)
    running.loop.hand_in([row(0)])
    running.thread.join(10)
    with pytest.raises(FencedError):
        running.end()


def test_a_chat_is_handed_over_as_messages(start: Start) -> None:
    generator = Watched(CONFIG)
    prompts = Prompts(replace(TASK, kind=PromptKind.chat, instruction="Ask."), SETS)
    [written] = start(generator=generator, prompts=prompts).write([row(0)])
    [request] = generator.requests()
    assert isinstance(request.prompt, list)
    assert [turn["role"] for turn in request.prompt] == ["system", "user", "assistant", "user"]
    assert written["status"] == "generated"
