"""Rounds are found by what each was made from, and what they took adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from engine.artifacts.samples import EngineTime, SamplesRecord
from engine.storage.store import StepRecord
from engine.storage.typed import to_json_values
from eval.rounds import earlier_rounds, in_all_rounds, seconds_of_rounds
from tests.support.small_run import SAMPLES_RECORD

MADE_FROM: dict[tuple[str, str], Mapping[str, str]] = {
    ("prompts", "p1"): {"documents": "d"},
    ("samples", "s1"): {"documents": "d", "prompts": "p1"},
    ("examples", "e1"): {"prompts": "p1", "samples": "s1"},
    ("prompts", "p2"): {"documents": "d", "prompts": "p1", "examples": "e1"},
    ("samples", "s2"): {"documents": "d", "prompts": "p2"},
    ("examples", "e2"): {"prompts": "p2", "samples": "s2"},
    ("prompts", "p3"): {"documents": "d", "prompts": "p2", "examples": "e2"},
}
LAST = SAMPLES_RECORD


def record(noun: str, name: str, samples: SamplesRecord = SAMPLES_RECORD) -> StepRecord:
    inputs = MADE_FROM.get((noun, name), {"documents": "d", "prompts": "p3"})
    return StepRecord(noun, name, inputs, {}, 10.0, 0, to_json_values(samples) if noun == "samples" else {})


def record_of(noun: str, name: str) -> StepRecord | None:
    return record(noun, name) if (noun, name) in MADE_FROM else None


def test_rounds_are_found_back_to_the_first() -> None:
    found = earlier_rounds(record("samples", "s3"), record_of)
    assert found is not None
    assert [[each[noun].fingerprint for noun in ("prompts", "samples", "examples")] for each in found] == [
        ["p2", "s2", "e2"],
        ["p1", "s1", "e1"],
    ]
    assert earlier_rounds(record("samples", "s1"), record_of) == [], "the first one has none before it"


@pytest.mark.parametrize("gone", [key for key in MADE_FROM if key != ("prompts", "p1")] + [("prompts", "p1")])
def test_where_a_record_is_gone_nobody_knows_the_rounds(gone: tuple[str, str]) -> None:
    def without(noun: str, name: str) -> StepRecord | None:
        return None if (noun, name) == gone else record_of(noun, name)

    assert earlier_rounds(record("samples", "s3"), without) is None


def test_what_rounds_took_adds_up_and_their_rates_are_those_of_all_seconds() -> None:
    slow = replace(LAST.generation, samples_per_second=1.0, prefix_cache_hit_rate=0.0, seconds=30.0, requests=30)
    fast = replace(slow, samples_per_second=9.0, prefix_cache_hit_rate=0.5, seconds=10.0, requests=90)
    last = replace(LAST, generation=fast, cost=EngineTime(10.0, 1.0), idle=EngineTime(1.0, 0.5))
    first = replace(LAST, generation=slow, cost=EngineTime(30.0, 2.0), idle=EngineTime(2.0, 0.5))
    before = {"samples": record("samples", "s1", first), "prompts": record("prompts", "p1")}
    both = in_all_rounds(last, [before])
    assert (both.planned, both.output_tokens) == (last.planned, last.output_tokens), "its rows are those of all rounds"
    assert (both.cost, both.idle) == (EngineTime(40.0, 3.0), EngineTime(3.0, 1.0))
    assert (both.generation.samples_per_second, both.generation.seconds) == (3.0, 40.0)
    assert (both.generation.prefix_cache_hit_rate, both.generation.requests) == (0.125, 120)
    assert in_all_rounds(last, []) == last
    unmeasured = {"samples": record("samples", "s1", replace(first, idle=None))}
    assert in_all_rounds(last, [unmeasured]).idle is None
    steps = {"samples": record("samples", "s2"), "model": record("model", "m")}
    assert seconds_of_rounds(steps, [before, before]) == {"samples": 30.0, "model": 10.0}
