"""The report and what is handed over fit the family of the model and the kind of run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.examples.config import ExamplesConfig
from engine.pipeline.config import RunConfig, last_noun, nouns_of
from engine.pipeline.reported import measured_files, report_of_examples
from engine.pipeline.steps import steps
from engine.run import wanted_steps
from engine.runtime.step import Step
from engine.task.config import AttributeConfig, TaskConfig
from eval.config import ReportConfig
from eval.given.config import GivenReportConfig
from eval.given.step import report_given
from tests.support.models import write_cross_encoder
from training.config import Family, ModelConfig

TASK = TaskConfig(prompt="{{ condition.tone }}:", attributes={"tone": AttributeConfig(values=["glad", "sad"])})
"""A task whose texts can be labelled."""


def adapted(family: Family, **report: str) -> RunConfig:
    """An adaptation of a collection, with a model of a family."""
    needed: dict[Family, dict[str, Any]] = {
        Family.cross_encoder: {"num_hard_negatives": 1},
        Family.classifier: {"label": "tone"},
    }
    model = ModelConfig(family=family, seed=0, **needed.get(family, {}))
    return RunConfig(task=TASK, collection="x", model=model, report=ReportConfig(benchmark="", **report))  # type: ignore[arg-type]


def made(config: RunConfig) -> list[tuple[str, str]]:
    """The noun of each step from the model on, with the module of its function."""
    every = steps(config)
    first = next(number for number, step in enumerate(every) if step.noun == "model")
    return [(step.noun, step.function.__module__) for step in every[first:]]


def test_a_file_whose_columns_are_doubtful_is_named_by_its_own_key(tmp_path: Path) -> None:
    (tmp_path / "sts.csv").write_text("query,passage\na,b\n")
    (read,) = measured_files(adapted(Family.bi_encoder, similarity=str(tmp_path / "sts.csv")))
    with pytest.raises(UserError, match=r"report\.similarity=.*the score.*name its columns query, passage, score"):
        read.function(read.config, {}, tmp_path, None)  # type: ignore[arg-type]


def test_a_condition_with_one_value_is_no_label() -> None:
    task = replace(TASK, attributes={"tone": AttributeConfig(values=["glad"])})
    with pytest.raises(UserError, match=r"model\.label=tone: all texts have the same 'tone'"):
        steps(replace(adapted(Family.classifier), task=task))


@pytest.mark.parametrize("family", [Family.bi_encoder, Family.adapter])
def test_an_encoder_is_chosen_and_handed_over(family: Family) -> None:
    assert made(adapted(family)) == [
        ("model", "training.step"),
        ("report", "eval.step"),
        ("system", "engine.handover.step"),
    ]


@pytest.mark.parametrize("family", [Family.cross_encoder, Family.classifier])
def test_any_other_model_is_measured_by_its_examples_and_not_handed_over(family: Family) -> None:
    config = adapted(family)
    assert made(config) == [("model", "training.step"), ("report", "eval.given.step")]
    assert nouns_of(config)[-1] == "report"
    assert {step.key for step in steps(config)[-1].inputs} >= {"documents", "prompts", "examples", "model"}


def test_until_system_ends_with_the_report_where_nothing_is_handed_over() -> None:
    assert last_noun(adapted(Family.cross_encoder)) == "report"
    assert last_noun(replace(adapted(Family.cross_encoder), until="model")) == "model"
    assert last_noun(adapted(Family.bi_encoder)) == "system"


def test_files_are_read_before_anything_is_generated(tmp_path: Path) -> None:
    file = tmp_path / "graded.jsonl"
    file.write_text('{"sentence1": "a", "sentence2": "b", "score": 1.0}\n' * 2)
    every = steps(adapted(Family.bi_encoder, similarity=str(file)))
    read = next(step for step in every if step.name == "similarity")
    assert every.index(read) < next(number for number, step in enumerate(every) if step.noun == "prompts")
    assert read in next(step for step in every if step.noun == "report").inputs


def test_files_that_say_nothing_about_the_model_are_refused() -> None:
    with pytest.raises(UserError, match=r"report\.similarity=x: a classifier scores no pairs"):
        measured_files(adapted(Family.classifier, similarity="x"))
    with pytest.raises(UserError, match=r"report\.labelled=x: only a classifier gives labels"):
        measured_files(adapted(Family.bi_encoder, labelled="x"))


def test_a_report_that_asks_models_is_for_encoders() -> None:
    with pytest.raises(UserError, match="has no model asked about its queries"):
        steps(adapted(Family.cross_encoder, rerank_by="likelihood"))


def test_a_training_on_given_examples_ends_with_a_report(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"query": "a", "passage": "b"}\n' * 2)
    config = RunConfig(examples=replace(ExamplesConfig(), path=str(file)), report=ReportConfig(benchmark=""))
    assert [step.noun for step in steps(config)] == ["examples", "model", "report"]
    assert wanted_steps(config)[-1].function.__module__ == "eval.given.step"


def test_a_cross_encoder_orders_what_the_retriever_of_its_training_finds(tmp_path: Path) -> None:
    """Not what its own base finds, which makes no vectors for search; an encoder that the report names stays."""
    plain = write_cross_encoder(tmp_path)

    def first_stage(*overrides: str) -> str:
        common = ["experiment=adapt", "collection=x", "samples=fake", "model=cross_encoder", f"model.base={plain}"]
        config, _ = load_config([*common, *overrides])
        report = report_of_examples(config, (), Step("model", report_given, None), []).config
        assert isinstance(report, GivenReportConfig)
        return report.report.encoder.model

    assert first_stage() == "bundled:all-minilm-l6-v2"
    assert first_stage("model.retriever.model=somewhere") == "somewhere"
    assert first_stage("report.encoder.model=elsewhere") == "elsewhere"


@pytest.mark.parametrize("experiment", ["chunk_size", "learning_curve"])
def test_a_sweep_refuses_files_that_it_would_not_measure(experiment: str) -> None:
    config, _ = load_config([f"experiment={experiment}", "collection=x", "samples=fake", "report.similarity=x.csv"])
    with pytest.raises(UserError) as caught:
        steps(config)
    assert caught.value.where == "report.similarity=x.csv"
