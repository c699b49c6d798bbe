"""The question by which passages are ranked for a query: a rubric put to the judge, or the likelihood of the query.

In: the settings of the judge, and the generator's config. Out: the task, the model that answers, and the columns of its
figure. The plan itself, which passages for which queries, is made by whoever ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from engine.artifacts.judged import Criterion
from engine.generation.config import Settings
from engine.judge.config import LIKELIHOOD, JudgeConfig
from engine.judge.rubric import LIKELIHOOD_COLUMNS, check_question, likelihood_task, rubric_columns
from engine.judge.stages import check_label, check_model, check_rubric, judging_model, model_beside, settled_rubric
from engine.task.config import TaskConfig


@dataclass(frozen=True)
class PairQuestion(Generic[Settings]):
    """One question about a passage and a query."""

    task: TaskConfig
    generator: Settings
    """The model that answers."""
    criterion: Criterion
    """The columns of the figure; more is better, and no line is drawn."""


def pair_question(
    judge: JudgeConfig,
    by: str,
    generator: Settings,
    settings: Mapping[str, object],
    where: str,
    *,
    another: str = "report.generator",
) -> PairQuestion[Settings]:
    """Makes the question.

    Args:
        judge: the rubrics, the model that judges, and the prompt of the likelihood.
        by: `likelihood`, or the name of a rubric.
        generator: the config of the model that writes the samples.
        settings: what differs for the model that gives likelihoods.
        where: the key that `by` stands under.
        another: the key that `settings` stand under.

    Raises:
        UserError: there is no such rubric, it cannot be rendered, or the model cannot score.
    """
    if by == LIKELIHOOD:
        key = f"{another}.model" if settings else "samples.model"
        model = model_beside(generator, settings, another, f"{another}.model")
        task, rubric = likelihood_task(LIKELIHOOD, judge.information), "judge.information"
    else:
        check_rubric(judge, by, where, beside=[LIKELIHOOD])
        check_label(judge, by, {})
        key, another, rubric = "judge.model", "judge.model", f"judge.rubrics.{by}"
        model = judging_model(judge, generator)
        task = settled_rubric(judge, by, model)
    check_question(task, {}, rubric)
    check_model(task, model, key, another)
    columns = LIKELIHOOD_COLUMNS if by == LIKELIHOOD else rubric_columns(judge.rubrics[by], task)
    return PairQuestion(task, model, Criterion(by, "", "", columns, "", 0.0, 0.0))
