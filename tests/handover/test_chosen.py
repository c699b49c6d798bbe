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
    assert chosen.why == "The report chose it by 18 synthetic queries of 12 documents and the texts of 5 real queries."


@pytest.mark.parametrize(
    ("real", "judged", "log", "said"),
    [
        (25, 25, None, "documents and the texts and the judgements of 25 real queries."),
        (25, 25, {"path": "log"}, "documents, the texts of 25 real queries and the judgements of 25."),
        (40, 25, None, "documents, the texts of 40 real queries and the judgements of 25."),
        (0, 0, None, "by 18 synthetic queries of 12 documents."),
    ],
)
def test_no_query_is_told_twice(real: int, judged: int, log: dict[str, str] | None, said: str) -> None:
    report = report_of(asdict(replace(CHOICE, real=real, judged=judged))) | ({"query_log": log} if log else {})
    assert choose_system(report, SystemConfig()).why.endswith(said)


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


def measured_reranker(low: float) -> dict[str, Any]:
    report = report_of(asdict(CHOICE))
    gain = {"mean": 0.02, "ci95": [low, 0.04], "p": 0.03}
    report["recommendation"]["reranker"] = {"depth": 30, "gain": gain}
    return report


def test_the_reranker_of_the_run_is_taken_where_the_report_recommends_it_or_it_is_named() -> None:
    recommended, not_sure = measured_reranker(0.001), measured_reranker(-0.001)
    followed = choose_system(recommended, SystemConfig())
    assert (followed.reranker, followed.depth, followed.is_measured) == ("trained", 30, True)
    assert (followed.name, followed.measured_name) == ("base_words", "base_words@30@trained")
    assert "which added +0.020 [+0.001, +0.040] to nDCG@10 on the queries that this was decided on." in followed.why
    assert choose_system(not_sure, SystemConfig()).reranker == ""
    assert choose_system(recommended, SystemConfig(reranker="none")).reranker == ""
    for report in (recommended, not_sure):
        named = choose_system(report, SystemConfig(reranker="trained"))
        assert (named.reranker, named.depth, named.is_measured) == ("trained", 30, True)
    unmeasured = choose_system(report_of(asdict(CHOICE)), SystemConfig(reranker="trained"))
    assert (unmeasured.reranker, unmeasured.depth, unmeasured.is_measured) == ("trained", 50, False)


@pytest.mark.parametrize("changes", [{"weight": 0.6}, {"model": "tuned"}, {"rerank_depth": 20}])
def test_no_figure_is_told_of_a_reranked_system_that_the_report_did_not_measure(changes: dict[str, Any]) -> None:
    chosen = choose_system(measured_reranker(0.001), SystemConfig(**changes))
    assert (chosen.reranker, chosen.is_measured) == ("trained", False)
    another = choose_system(measured_reranker(0.001), SystemConfig(reranker="owner/name"))
    assert (another.reranker, another.depth, another.is_measured) == ("owner/name", 50, False)


def test_a_folder_that_is_set_by_hand_is_told_by_its_last_part() -> None:
    chosen = choose_system(report_of(asdict(CHOICE)), SystemConfig(reranker="/home/alice/pairs"))
    assert chosen.reranker == "/home/alice/pairs"
    assert "system.reranker=pairs" in chosen.why
    assert "alice" not in chosen.why


def test_a_depth_without_a_reranker_sets_nothing() -> None:
    report = report_of(asdict(CHOICE))
    assert choose_system(report, SystemConfig(rerank_depth=20)).why == choose_system(report, SystemConfig()).why


def test_without_a_word_meaning_is_left() -> None:
    chosen = Chosen("base", 0.5, "Because.").without_words()
    assert (chosen.name, chosen.weight) == ("base", 0.0)
    assert "No passage has a word" in chosen.why
