"""The continuous batch: what becomes of rows on their way to the generator, and of prompts that cannot be asked."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation.batch import JobBatch
from engine.generation.fake_generator import FakeGenerator
from engine.generation.generator import Request
from engine.generation.jobs import GenerationJob, Ticket
from engine.task.compiled import Prompts
from engine.task.config import PromptKind, TaskConfig, TurnConfig
from tests.support.committed import begin
from tests.support.loops import CONFIG, PROMPTS, SETS, TASK, Start, Watched, row


def test_a_batch_writes_step_by_step_what_it_takes_in(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    job = GenerationJob(PROMPTS, parts.start, parts.attempt_folder, ["form"])
    batch = JobBatch(job, FakeGenerator(CONFIG), CONFIG, 5, map(str, itertools.count()))
    assert batch.is_idle
    ticket = Ticket(3)
    batch.take([row(number) for number in range(3)], ticket)
    assert not batch.is_idle
    steps = 0
    while not batch.is_idle:
        batch.send()
        batch.receive()
        steps += 1
    assert steps == 2, "one row goes ahead, for the prefix"
    assert ticket.done.is_set()
    assert (batch.totals.generated, batch.totals.committed) == (3, 0)
    batch.commit_when_due(nothing_to_take=False)
    assert batch.totals.committed == 0, "more rows may come"
    batch.commit_when_due(nothing_to_take=True)
    assert batch.totals.committed == 3
    parts.list_new()
    assert SamplesFolder(tmp_path).rows().num_rows == 3


def test_replicates_of_a_prompt_are_one_request(start: Start) -> None:
    generator = Watched(CONFIG)
    same = {"passage_id": "p", "title": "T", "text": "same words everywhere"}
    replicates = [row(number, **same, replicate=replicate) for replicate, number in enumerate((2, 4, 9))]
    rows = [*replicates[::-1], row(0), row(3, **same, cell="form=keywords")]
    written = {r["sample_id"]: r for r in start(generator=generator).write(rows)}
    assert sorted(request.n for request in generator.requests()) == [1, 1, 3]
    assert all(request.sampling.stop == ("\n",) for request in generator.requests())
    assert len({written[i]["text"] for i in (2, 4, 9)}) == 3, "each sample is its own"
    assert len({written[i]["prompt_hash"] for i in (2, 4, 9)}) == 1
    assert written[2]["prompt_tokens"] > 0
    assert (written[4]["prompt_tokens"], written[9]["prompt_tokens"]) == (0, 0), "the prompt was computed once"


def test_rows_are_asked_in_the_order_of_their_ids(start: Start) -> None:
    generator = Watched(CONFIG)
    ids = [7, 2, 9, 4, 0]
    start(generator=generator).write([row(number, passage_id=f"p{9 - number}") for number in ids])
    asked = [str(request.prompt).split("number")[1].split(",")[0] for request in generator.requests()]
    assert asked == ["0", "2", "4", "7", "9"], "neighbours of a plan may share more than their prefix"


def test_a_failing_prompt_is_a_row_with_a_reason(start: Start) -> None:
    long = {i: {"text": "long " * 3000} for i in (0, 1, 17)}  # the first of each prefix is the one that goes ahead
    rows = [row(i, prefix=i % 2, **long.get(i, {})) for i in range(40)]
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


def test_a_chat_is_handed_over_as_messages(start: Start) -> None:
    generator = Watched(CONFIG)
    prompts = Prompts(replace(TASK, kind=PromptKind.chat, instruction="Ask."), SETS)
    [written] = start(generator=generator, prompts=prompts).write([row(0)])
    [request] = generator.requests()
    assert isinstance(request.prompt, list)
    assert [turn["role"] for turn in request.prompt] == ["system", "user", "assistant", "user"]
    assert written["status"] == "generated"


def test_a_row_sets_its_own_sampling_where_its_turn_does_not(start: Start) -> None:
    """Rows of a rows folder: a turn's own temperature is the turn's, whatever the row says."""
    turns = {
        "first": TurnConfig(prompt="One {{ row.body }}:"),
        "last": TurnConfig(prompt="Two {{ turns.first.text }}:", temperature=0.25, stop=["own"]),
    }
    generator = Watched(CONFIG)
    running = start(CONFIG, generator, Prompts(TaskConfig(turns=turns), []))
    settings: list[dict[str, Any]] = [{}, {"temperature": 0.0, "max_tokens": 5, "stop": ["x"]}]
    rows = [
        replace(row(number), row={"body": f"body{number}"}, sampling=sampling)
        for number, sampling in enumerate(settings)
    ]
    written = running.write(rows)
    assert [sample["status"] for sample in written] == ["generated"] * 2
    drawn = {
        request.prompt: request.sampling
        for request in generator.requests()
        if isinstance(request.prompt, str) and request.prompt.startswith("One")
    }
    plain, own = drawn["One body0:"], drawn["One body1:"]
    assert (plain.temperature, plain.max_tokens, plain.stop) == (CONFIG.temperature, CONFIG.max_tokens, ())
    assert (own.temperature, own.max_tokens, own.stop) == (0.0, 5, ["x"])
    later = [request.sampling for request in generator.requests() if str(request.prompt).startswith("Two")]
    assert sorted((sampling.temperature, sampling.max_tokens) for sampling in later) == [(0.25, 5), (0.25, 48)]
    assert [list(sampling.stop) for sampling in later] == [["own"], ["own"]]
