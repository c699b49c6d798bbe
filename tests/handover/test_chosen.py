"""What is handed over: what the report chose, what was set by hand, or the default; under the names of the report."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from engine.handover.chosen import DEFAULT_WEIGHT, Chosen, choose_system
from engine.handover.config import SystemConfig
from tests.support.small_run import CHOICE


def report_of(choice: dict[str, Any] | None, model: str = "base") -> dict[str, Any]:
    return {"recommendation": {"choice": choice, "systems": {}}, "decision": {"model": model}}


@pytest.mark.parametrize("model", ["base", "tuned"])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_choice_of_the_report_has_the_name_that_the_report_gives_it(model: str, weight: float) -> None:
    choice = replace(CHOICE, model=model, weight=weight)
    chosen = choose_system(report_of(asdict(choice)), SystemConfig())
    assert (chosen.model, chosen.weight, chosen.name) == (model, weight, choice.system)
    assert (chosen.has_words, chosen.has_meaning) == (weight > 0, weight < 1)
    assert chosen.is_measured
    assert "18 synthetic queries of 12 documents, 5 real queries" in chosen.why


@pytest.mark.parametrize("recommendation", [None, {"choice": None, "systems": {}}])
def test_without_a_choice_words_and_meaning_count_half_each(recommendation: dict[str, Any] | None) -> None:
    chosen = choose_system({"recommendation": recommendation, "decision": {"model": "tuned"}}, SystemConfig())
    assert (chosen.name, chosen.weight, chosen.is_measured) == ("tuned_words", DEFAULT_WEIGHT, False)
    assert "this is the default" in chosen.why


def test_what_is_set_by_hand_wins_and_says_so() -> None:
    report = report_of(asdict(CHOICE))
    chosen = choose_system(report, SystemConfig(model="tuned", weight=0.6))
    assert (chosen.name, chosen.weight, chosen.is_measured) == ("tuned_words", 0.6, False)
    assert chosen.why == (
        "It was set by system.model=tuned and system.weight=0.6, in place of base_words, weight of words 0.30."
    )
    assert choose_system(report, SystemConfig(weight=1.0)).is_measured, "words alone are measured, whatever was chosen"
    assert choose_system(report, SystemConfig(model="tuned")).is_measured, "at the chosen weight both models are"


def test_without_a_word_meaning_is_left() -> None:
    chosen = Chosen("base", 0.5, "Because.").without_words()
    assert (chosen.name, chosen.weight) == ("base", 0.0)
    assert "No passage has a word" in chosen.why
