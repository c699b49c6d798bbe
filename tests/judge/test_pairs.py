"""The question by which passages are ranked: a rubric put to the judge, or the likelihood of the query."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.generation.config import GeneratorKind
from engine.judge.config import JudgeConfig, RubricConfig
from engine.judge.pairs import PairQuestion, pair_question
from engine.samples.config import SamplesConfig
from engine.task.compiled import compile_task

FAKE = SamplesConfig(generator=GeneratorKind.fake, seed=0, mix={"a": {"share": 1.0}})
JUDGE = JudgeConfig(model="large")


def question(by: str, judge: JudgeConfig = JUDGE, generator: SamplesConfig = FAKE, **settings: Any) -> Any:
    asked: PairQuestion[SamplesConfig] = pair_question(judge, by, generator, settings, "report.rerank_by")
    return asked


def test_a_rubric_is_put_to_the_judge_and_likelihoods_to_the_generator() -> None:
    relevance, likelihood = question("relevance"), question("likelihood")
    assert (relevance.generator.model, likelihood.generator.model) == ("large", FAKE.model)
    assert question("likelihood", model="small").generator.model == "small"
    assert question("relevance", model="small").generator.model == "large"
    assert (relevance.generator.mix, likelihood.generator.mix) == ({}, {})


def test_the_figures_are_columns_of_the_answers() -> None:
    for by in ("relevance", "likelihood"):
        asked = question(by)
        columns = {column.name for column in compile_task(asked.task).answer_columns()}
        assert set(asked.criterion.columns) <= columns
        assert not asked.criterion.baseline
    assert len(compile_task(question("likelihood").task).turns) == 1, "without its passage a query ranks nothing"


@pytest.mark.parametrize(
    ("by", "judge", "where"),
    [
        ("relevanse", JUDGE, "report.rerank_by"),
        ("label", JUDGE, "judge.rubrics.label"),
        ("x", JudgeConfig(rubrics={"x": RubricConfig("{{ nothing }}")}), "judge.rubrics.x"),
    ],
)
def test_mistakes_are_named_before_anything_is_made(by: str, judge: JudgeConfig, where: str) -> None:
    with pytest.raises(UserError) as caught:
        question(by, judge)
    assert caught.value.where == where


def test_a_model_with_an_adapter_is_refused_by_the_key_that_names_another() -> None:
    adapted = SamplesConfig(seed=0, lora="DIR")
    with pytest.raises(UserError, match="a model with an adapter cannot score") as caught:
        question("likelihood", generator=adapted)
    assert caught.value.where.startswith("samples.model")
    assert "report.generator" in caught.value.remedy
