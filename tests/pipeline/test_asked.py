"""What a report has models asked becomes steps: none by default, a plan and its answers for each question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.command_line.compose import load_config
from engine.pipeline.adaptation import curated
from engine.pipeline.asked import expansions, question_of_report, report_model, reranks, with_scores
from engine.pipeline.config import RunConfig


def composed(corpus: Path, *overrides: str) -> RunConfig:
    return load_config(["experiment=adapt", f"collection={corpus}", "samples=fake", *overrides])[0]


def test_by_default_nothing_is_asked(corpus: Path) -> None:
    config = composed(corpus)
    made = curated(config)
    known = (made.documents, made.prompts, made.examples)
    assert expansions(config, known) == reranks(config, known) == []
    assert question_of_report(config) is None
    assert with_scores(config) is config.report


def test_an_expansion_is_rows_a_plan_and_answers(corpus: Path) -> None:
    config = composed(corpus, "report.expand=[rewrites,hypothetical]")
    made = curated(config)
    asked = expansions(config, (made.documents, made.prompts, made.examples))
    assert [step.entry for step in asked] == [
        f"asked/{name}/{noun}" for name in ("rewrites", "hypothetical") for noun in ("rows", "prompts", "samples")
    ]
    assert [step.needs_engines for step in asked] == [False, False, True] * 2
    assert asked[2].config == report_model(config)


def test_scores_are_a_plan_and_answers_that_the_report_knows_of(corpus: Path) -> None:
    config = composed(corpus, "report.rerank_by=relevance")
    made = curated(config)
    asked = reranks(config, (made.documents, made.prompts, made.examples))
    assert [step.noun for step in asked] == ["prompts", "samples"]
    question = question_of_report(config)
    assert question is not None
    assert with_scores(config) == replace(config.report, reranked=question.criterion)
