"""What several models are told: names that are there, stages in order, and curves that become chains of models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.artifacts.forms import Form
from engine.errors import UserError
from eval.config import ReportConfig
from eval.stages.config import BASE, SetConfig, StageConfig, StagesConfig, StagesPlan

SETS = {
    "questions": SetConfig(path="pairs.json"),
    "paragraphs": SetConfig(of="questions", form=Form.texts),
    "graded": SetConfig(path="sts.json", form=Form.graded),
}


def stages(**models: StageConfig) -> StagesConfig:
    return StagesConfig(sets=SETS, models=models)


def test_a_curve_is_a_chain_whose_last_model_a_later_stage_goes_on_from() -> None:
    config = stages(
        ranking=StageConfig("questions", epochs=[1, 3, 10]),
        again=StageConfig("questions", start="ranking"),
        early=StageConfig("questions", start="ranking-3"),
        reranked=StageConfig("questions", reranks="again"),
        plain=StageConfig("questions", reranks=BASE),
    )
    points = {point.name: point for point in config.points()}
    assert list(points) == ["ranking-1", "ranking-3", "ranking-10", "again", "early", "reranked", "plain"]
    curve = [points[f"ranking-{total}"] for total in (1, 3, 10)]
    assert [(point.start, point.epochs, point.total_epochs) for point in curve] == [
        ("", 1, 1),
        ("ranking-1", 2, 3),
        ("ranking-3", 7, 10),
    ]
    assert points["again"].start == "ranking-10"
    assert points["early"].start == "ranking-3"
    assert [points[name].beside for name in ("ranking-1", "ranking-3", "reranked", "plain")] == [
        BASE,
        "ranking-1",
        "again",
        BASE,
    ]
    assert config.reranks
    assert config.measured == ["questions", "graded"]


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (StageConfig("question"), r"stages.models.x.examples=question: there is no set 'question'.*'questions'"),
        (StageConfig(), r"stages.models.x.examples=: there is no set ''"),
        (StageConfig("questions", start="y"), r"stages.models.x.start=y: there is no earlier stage 'y'"),
        (StageConfig("questions", reranks="x"), r"stages.models.x.reranks=x: there is no earlier stage 'x'"),
        (StageConfig("questions", epochs=[3, 1]), r"stages.models.x.epochs=\[3, 1\]: .* does not grow"),
        (StageConfig("questions", epochs=[0, 1]), r"does not grow"),
        (StageConfig("questions", depth=0), r"stages.models.x.depth=0: 0 is too small"),
        (StageConfig("questions", epochs=[1], model={"epochs": 2}), r"beside the epochs of a curve"),
    ],
)
def test_a_stage_that_cannot_be_is_refused_with_its_key(stage: StageConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        stages(x=stage)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"stages.sets.x: names no examples"),
        ({"path": "a", "of": "questions"}, r"stages.sets.x: has both a path and a set"),
        ({"of": "question", "form": Form.texts}, r"there is no set with a path 'question'"),
        ({"of": "paragraphs", "form": Form.texts}, r"there is no set with a path 'paragraphs'"),
        (
            {"of": "graded", "form": Form.triplets},
            r"stages.sets.x.of=graded: is made of pairs.*are graded",
        ),
        ({"of": "questions"}, r"stages.sets.x.form=null: null is not what pairs can become"),
        ({"of": "questions", "form": Form.graded}, r"stages.sets.x.form=graded: graded is not what pairs can become"),
        ({"of": "questions", "form": Form.texts, "limit": 3}, r"stages.sets.x.limit=3: 3 is of no use"),
        ({"path": "a", "limit": -1}, r"stages.sets.x.limit=-1: -1 is too small"),
        ({"path": "a", "negatives": 0}, r"stages.sets.x.negatives=0: 0 is too small"),
    ],
)
def test_a_set_that_cannot_be_is_refused_with_its_key(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        StagesConfig(sets={**SETS, "x": SetConfig(**settings)}, models={"y": StageConfig("questions")})


@pytest.mark.parametrize("name", ["base", "bm25", "Big", "a/b", ""])
def test_names_that_folders_or_rows_could_not_have(name: str) -> None:
    with pytest.raises(UserError, match="cannot be a name"):
        StagesConfig(sets=SETS, models={name: StageConfig("questions")})


@pytest.mark.parametrize("name", ["model", "first", "base", "questions-all"])
def test_names_that_a_set_could_not_have_beside_what_measures_it(name: str) -> None:
    sets = {**SETS, "questions": SetConfig(path="pairs.json", limit=3), name: SetConfig(path="other.json")}
    with pytest.raises(UserError, match=rf"stages.sets.{name}: "):
        StagesConfig(sets=sets, models={"x": StageConfig("questions")})


@pytest.mark.parametrize("epochs", [[], [5]])
def test_a_stage_is_not_called_as_a_model_of_a_curve(epochs: list[int]) -> None:
    models = {"b-1": StageConfig("questions", epochs=epochs), "b": StageConfig("questions", epochs=[1, 2])}
    with pytest.raises(UserError, match=r"stages.models.b-1: is what a model of the curve of b is called"):
        stages(**models)


def test_metrics_are_those_that_are_measured() -> None:
    with pytest.raises(UserError, match=r"stages.metrics: 'hit@4' is not measured.*hit@"):
        StagesConfig(metrics=["hit@4"])
    with pytest.raises(UserError, match=r"stages.metrics"):
        StagesConfig(metrics=[])


def test_what_changes_the_table_is_in_its_identity() -> None:
    config = stages(x=StageConfig("questions"))
    report = ReportConfig(benchmark="", seed=0)
    plan = StagesPlan(config, report)
    others = [
        replace(config, metrics=["hit@1"]),
        stages(y=StageConfig("questions")),
        stages(x=StageConfig("questions", epochs=[1])),
        stages(x=StageConfig("paragraphs")),
    ]
    assert all(StagesPlan(other, report).identity() != plan.identity() for other in others)
    assert StagesPlan(config, replace(report, resamples=5)).identity() != plan.identity()
