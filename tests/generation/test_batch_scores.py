"""Scored turns in the continuous batch: each row once, its scores in columns, beside turns that are written."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from engine.generation.generator import Request
from engine.storage.parts import committed_parts
from engine.task.compiled import Prompts
from engine.task.config import ScoreKind, TaskConfig, TurnConfig
from engine.task.scores import Scoring
from tests.support.loops import CONFIG, Start, Watched, row

WRITE_THEN_SCORE = Prompts(
    TaskConfig(
        stop=["\n"],
        turns={
            "query": TurnConfig("P: {{ passage.text }}\nQ:"),
            "alone": TurnConfig("Q:", continuation="{{ turns.query.text }}", prompt_logprobs=True),
            "about": TurnConfig("{{ turns.query.text }} about?", choice=["yes", "no"], score=ScoreKind.sum),
            "likely": TurnConfig(
                "P: {{ passage.text }}\nQ:",
                continuation="{{ turns.query.text }}",
                keep_if="field.mean > -2 and turns.about.yes + turns.about.no > 0.99",
            ),
        },
    ),
    [],
)


def test_what_one_turn_wrote_is_scored_by_the_next(start: Start) -> None:
    generator = Watched(CONFIG)
    written = start(generator=generator, prompts=WRITE_THEN_SCORE).write([row(i) for i in range(9)])
    assert [r["status"] for r in written] == ["generated"] * 9
    for r in written:
        assert r["text"] == r["turn_query"] == r["turn_alone"]
        assert r["score_likely_tokens"] == r["output_tokens"] == len(r["text"].split()), "one turn alone writes"
        assert r["score_likely_mean"] == r["score_likely_logprob"] / r["score_likely_tokens"]
        assert abs(r["logprob"] - r["score_likely_mean"]) < 1e-6, "that of the last turn"
        assert r["score_about_yes"] + r["score_about_no"] == pytest.approx(1)
        assert r["turn_about"] == ("yes" if r["score_about_yes"] > 0.5 else "no")
        assert r["score_alone_prompt_logprobs"] == [None], "a prompt of one word"
        assert r["finish_reason"] == "stop"
    assert len({r["score_likely_logprob"] for r in written}) > 1


def test_scores_are_numbers_in_the_parts(start: Start) -> None:
    running = start(prompts=WRITE_THEN_SCORE)
    running.write([row(i) for i in range(3)])
    [part] = committed_parts(running.folder)
    kinds = {name: str(kind) for name, kind in zip(*_schema(part), strict=True)}
    assert kinds["score_about_yes"] == "double"
    assert kinds["score_alone_prompt_logprobs"] == "list<element: float>"


def _schema(part: object) -> tuple[list[str], list[object]]:
    schema = pq.read_schema(part)
    return schema.names, schema.types


def test_replicates_of_a_scored_turn_are_asked_once(start: Start) -> None:
    config = replace(CONFIG, temperature=0.0)
    generator = Watched(config)
    task = TaskConfig(turns={"label": TurnConfig("{{ passage.text }}", choice=["good", "bad"], score=ScoreKind.mean)})
    rows = [row(i, passage_id="p", title="T", text="same", replicate=i) for i in range(4)]
    written = start(config, generator=generator, prompts=Prompts(task, [])).write(rows)
    [request] = generator.requests()
    assert isinstance(request, Request)
    assert (request.n, request.scoring) == (4, Scoring(("good", "bad")))
    assert len({r["score_label_good"] for r in written}) == 1
    assert {r["output_tokens"] for r in written} == {0}


def test_a_row_that_is_turned_down_shows_what_was_scored(start: Start) -> None:
    turns = {"label": TurnConfig("P", continuation="{{ passage.text }}", keep_if="field.mean > 0")}
    running = start(prompts=Prompts(TaskConfig(turns=turns), []))
    [done] = running.write([row(0)])
    assert done["status"] == "failed"
    assert done["error"] == "turn label: keep_if does not hold: field.mean > 0"
    assert done["text"].startswith("Something worth")
    assert done["score_label_mean"] is None, "a turn that fails has no answer"
    assert running.loop.totals().turned_down == 1


def test_an_empty_continuation_fails_its_row_alone(start: Start) -> None:
    turns = {"label": TurnConfig("P", continuation="{{ passage.title }}")}
    written = start(prompts=Prompts(TaskConfig(turns=turns), [])).write([row(0), row(1, title=" ")])
    assert [r["status"] for r in written] == ["generated", "failed"]
    assert written[1]["error"] == (
        "turn label: task.turns.label.continuation: the continuation is empty; let it name the text to score, "
        "as in ' {{ turns.query.text }}'"
    )
