"""The batch with tasks of several turns: who waits for whom, what is asked of the engine, what becomes a row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.task.compiled import Prompts
from engine.task.config import TaskConfig, TurnConfig
from tests.support.loops import CONFIG, Start, Watched, row

TURNS = TaskConfig(
    turns={
        "summary": TurnConfig("S {{ passage.text }}"),
        "rating": TurnConfig("R {{ passage.title }}", choice=["good", "bad"], max_tokens=3, temperature=0.0),
        "review": TurnConfig(
            "{{ turns.summary.text }} {{ turns.rating.text }} {{ passage.title }}",
            json_schema={"type": "object", "properties": {"stars": {"type": "integer"}, "why": {"type": "string"}}},
        ),
    }
)


def test_a_turn_waits_for_those_it_reads_and_for_no_other_sample(start: Start) -> None:
    generator = Watched(CONFIG)
    rows = [row(i, text="same words everywhere", passage_id="p", title="T") for i in range(3)] + [row(9)]
    written = start(generator=generator, prompts=Prompts(TURNS, [])).write(rows)
    assert [r["status"] for r in written] == ["generated"] * 4
    sampling = {request.sampling.max_tokens for request in generator.requests()}
    assert sampling == {3, CONFIG.max_tokens}, "a turn has its own sampling"
    assert sorted(request.n for request in generator.requests()) == [1] * 9 + [3], (
        "one prompt is asked n times, except greedily"
    )
    for r in written:
        assert r["turn_rating"] in {"good", "bad"}
        assert isinstance(r["field_stars"], int)
        assert r["text"].startswith("{")
        last = f"{r['turn_summary']} {r['turn_rating']} {'T' if r['sample_id'] < 3 else 'Title 9'}"
        assert last in [request.prompt for request in generator.requests()]
        assert r["output_tokens"] > 8, "tokens of all turns"


@pytest.mark.parametrize("slow", [1, 3])
def test_turns_of_different_samples_share_the_batch(start: Start, slow: int) -> None:
    generator = Watched(replace(CONFIG, max_num_seqs=6), delay=slow)
    start(CONFIG, generator=generator, prompts=Prompts(TURNS, [])).write([row(i) for i in range(40)])
    kinds = ["review" if "{" in str(r.prompt) or "where is" in str(r.prompt) else "root" for r in generator.requests()]
    first, last = kinds.index("review"), len(kinds) - 1 - kinds[::-1].index("root")
    assert first < last, "a last turn is asked while first turns of other samples still wait"


def test_a_sample_that_fails_at_a_turn_says_which(start: Start) -> None:
    filtered = {**TURNS.turns, "rating": TurnConfig("R {{ passage.title }}", keep_if="'nothing' in text")}
    generator = Watched(CONFIG)
    running = start(generator=generator, prompts=Prompts(TaskConfig(turns=filtered), []))
    written = running.write([row(i) for i in range(5)])
    assert {r["error"] for r in written} == {"turn rating: keep_if does not hold: 'nothing' in text"}
    assert {r["status"] for r in written} == {"failed"}
    assert all(r["turn_summary"] and r["field_stars"] is None and "where is" in r["text"] for r in written)
    totals = running.loop.totals()
    assert (totals.generated, totals.failed, totals.committed, totals.requests) == (0, 5, 5, 10)


def test_a_turn_that_cannot_be_rendered_for_one_row_fails_that_row(start: Start) -> None:
    turns = {
        "a": TurnConfig("A {{ passage.text }}"),
        "b": TurnConfig("{{ 1 / (passage.title | length) }} {{ turns.a.text }}"),
    }
    written = start(prompts=Prompts(TaskConfig(turns=turns), [])).write([row(0), row(1, title="")])
    assert [r["status"] for r in written] == ["generated", "failed"]
    assert written[1]["error"].startswith("turn b: task.turns.b.prompt: the template cannot be rendered: division by")
    assert written[1]["turn_a"]


@pytest.mark.parametrize("second", ["wanted in text", "true"])
def test_a_replicate_that_failed_takes_nothing_from_the_others(start: Start, second: str) -> None:
    """Two first turns of one prompt, asked for three samples at once: one sample fails while the other turn waits."""
    turns = {
        "a": TurnConfig("A {{ passage.text }}", keep_if="'apples' in text"),
        "b": TurnConfig("B {{ passage.text }}", keep_if=second.replace("wanted", "'where'")),
        "c": TurnConfig("C {{ turns.a.text }} {{ turns.b.text }}"),
    }
    same = {"passage_id": "p", "title": "T", "text": "apples pears plums quinces cherries grapes melons peaches\nx"}
    config = replace(CONFIG, max_num_seqs=2)  # the second turn waits until the first is answered
    generator = Watched(config)
    written = start(config, generator=generator, prompts=Prompts(TaskConfig(turns=turns), [])).write(
        [row(i, **same, replicate=i) for i in range(12)]
    )
    assert [r["sample_id"] for r in written] == list(range(12))
    statuses = {r["status"] for r in written}
    assert statuses == {"generated", "failed"}, "the fake generator draws apples for some and not for others"
    for r in written:
        assert ("apples" in (r["turn_a"] or "")) == (r["status"] == "generated")
        assert (r["error"] == "") == (r["status"] == "generated")
