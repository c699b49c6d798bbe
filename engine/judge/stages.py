"""The questions of a run to its judges, cheap to costly: each is one plan that one model answers.

In: the settings of the judge and of the filters, which name rubrics, the generator's config and the task that is
judged. Out: stages. Each model of the cascade in turn is asked every rubric, so that it is loaded once; the filter by
likelihoods comes first, and is asked of the cheapest model alone. Mistakes in rubrics are refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from engine.artifacts.judged import Criterion
from engine.errors import UserError, suggest
from engine.filters.chain import FiltersConfig
from engine.generation.config import (
    SETTINGS_PER_MODEL,
    GeneratorConfig,
    GeneratorKind,
    Settings,
    generator_configs,
    with_settings,
)
from engine.generation.kinds import check_chat, check_scores, settle_kinds
from engine.judge.config import INFORMATION, JudgeConfig, JudgementsConfig
from engine.judge.rubric import (
    INFORMATION_COLUMNS,
    check_question,
    information_task,
    rubric_columns,
    rubric_task,
    with_blanks,
)
from engine.models.resolve import model_digest
from engine.runtime.step import JUDGE
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig
from engine.task.templates import undeclared_names


@dataclass(frozen=True)
class Stage(Generic[Settings]):
    """One question to one model."""

    name: str
    """The rubric, with a number from the second model of a cascade on."""
    plan: JudgementsConfig
    generator: Settings
    """The model that answers; it writes nothing, so its sampling does not matter."""
    criterion: Criterion

    @property
    def part(self) -> str:
        """Returns the folder of its plan and answers, below that of the run."""
        return f"{JUDGE}/{self.name}"

    @property
    def asks_rest(self) -> bool:
        """Tells whether it is only asked what an earlier model could not decide, or could not be asked."""
        return any(criterion.rubric == self.plan.rubric for criterion in self.plan.earlier)


def judge_stages(
    judge: JudgeConfig, filters: FiltersConfig, generator: Settings, attributes: Mapping[str, object]
) -> list[Stage[Settings]]:
    """Lists what is asked, in order; nothing where no filter wants it.

    Args:
        judge: the models, and what they can be asked.
        filters: of curation, which say what is asked, and what need not be asked about.
        generator: the config of the model that writes the samples.
        attributes: the conditions of the task that is judged, by name.

    Raises:
        UserError: a rubric does not exist or cannot be rendered, or the settings of a model are wrong.
    """
    if not filters.rubrics() and filters.min_information is None:
        return []
    models = _models(judge, generator)
    stages: list[Stage[Settings]] = []
    for question in _questions(judge, filters, models):
        check_question(question.plan.task, attributes, _key(question.plan.rubric))
        check_label(judge, question.plan.rubric, attributes)
        check_model(question.plan.task, question.generator, "judge.model", "judge.model")
        earlier = tuple(stage.criterion for stage in stages)
        stages.append(replace(question, plan=replace(question.plan, earlier=earlier)))
    return stages


def _questions(judge: JudgeConfig, filters: FiltersConfig, models: Sequence[Settings]) -> Iterator[Stage[Settings]]:
    if (least := filters.min_information) is not None:
        task = information_task(INFORMATION, judge.information)
        given, without = INFORMATION_COLUMNS
        criterion = Criterion(INFORMATION, _input(INFORMATION), INFORMATION, (given,), without, least, least)
        yield Stage(INFORMATION, JudgementsConfig(task, INFORMATION, filters), models[0], criterion)
    for rubric in filters.rubrics():
        check_rubric(judge, rubric, "examples.filters.judge")
    for number, model in enumerate(models, 1):
        for rubric in filters.rubrics():
            plan, criterion = _asked(judge, rubric, model, number, is_last=number == len(models))
            yield Stage(_name(rubric, number), JudgementsConfig(plan, rubric, filters), model, criterion)


def check_rubric(judge: JudgeConfig, rubric: str, where: str, beside: Sequence[str] = ()) -> None:
    """Refuses the name of a rubric that there is not.

    Args:
        judge: has the rubrics.
        rubric: the name.
        where: the key that it stands under.
        beside: what may stand there in place of a rubric.

    Raises:
        UserError: there is no such rubric.
    """
    if rubric not in judge.rubrics:
        remedy = suggest(rubric, [*judge.rubrics, *beside])
        raise UserError(f"there is no rubric {rubric!r}", where=where, remedy=remedy)


def check_label(judge: JudgeConfig, rubric: str, attributes: Mapping[str, object]) -> None:
    """Refuses a rubric about the conditions of a text where there are none.

    Raises:
        UserError: it is about them.
    """
    if rubric in judge.rubrics and not attributes and "label" in undeclared_names(judge.rubrics[rubric].prompt):
        remedy = "leave the rubric out, or give the task attributes"
        raise UserError("asks about `label`, and the task has no conditions", where=_key(rubric), remedy=remedy)


def _asked(
    judge: JudgeConfig, rubric: str, model: GeneratorConfig, number: int, *, is_last: bool
) -> tuple[TaskConfig, Criterion]:
    """Makes the task of a rubric for one model of the cascade, and where it draws the line."""
    config = judge.rubrics[rubric]
    task = settled_rubric(judge, rubric, model)
    low = high = config.threshold
    if not is_last:
        low, high = min(low, 1 - judge.sure), max(high, judge.sure)
    return task, Criterion(rubric, _input(_name(rubric, number)), "judge", rubric_columns(config, task), "", low, high)


def settled_rubric(judge: JudgeConfig, rubric: str, model: GeneratorConfig) -> TaskConfig:
    """Makes the task of a rubric as it is put to a model, in chats or as a text that goes on with a choice."""
    return with_blanks(settle_kinds(rubric_task(rubric, judge.rubrics[rubric]), model))


def _name(rubric: str, number: int) -> str:
    return rubric if number == 1 else f"{rubric}-{number}"


def check_model(task: TaskConfig, model: GeneratorConfig, key: str, another: str) -> None:
    """Refuses a model that cannot chat where it is to, or that cannot score.

    Args:
        task: what it is asked.
        model: the model.
        key: names the model, for messages.
        another: the key by which another one can be named.

    Raises:
        UserError: it cannot.
    """
    where = f"{key}={model.model}"
    for turn in compile_task(task).turns.values():
        try:
            check_chat(turn, model, "samples")
        except UserError as error:
            remedy = "set instruct: false for that model, or the rubric's kind to completion"
            raise UserError(error.what, where=where, remedy=remedy) from error
        try:
            check_scores(turn, model, "samples")
        except UserError as error:
            what = f"has the adapter {model.lora}, and a model with an adapter cannot score"
            remedy = f"name a model without one ({another}), or merge the adapter into the model"
            raise UserError(what, where=where, remedy=remedy) from error


def _models(judge: JudgeConfig, generator: Settings) -> list[Settings]:
    """Makes the config of every model that is asked, cheap to costly: one without settings of its own is the generator.

    Its engines are then those of the generator, but for a mix, of which the settings that all share are taken. A model
    that is named is asked as it is: the adapter of the generator is not put on it.
    """
    settings = [(f"judge.cascade[{number}]", each) for number, each in enumerate(judge.cascade)]
    models = [model_beside(generator, each, where, f"{where}.model") for where, each in settings]
    return [*models, judging_model(judge, generator)]


def judging_model(judge: JudgeConfig, generator: Settings) -> Settings:
    """Makes the config of the model that has the last word, `judge.model`."""
    own = {"model": judge.model} if judge.model else {}
    return model_beside(generator, own | judge.settings, "judge.settings", "judge.model")


def model_beside(generator: Settings, settings: Mapping[str, object], where: str, key: str) -> Settings:
    """Makes the config of a model that is asked beside the generator: the generator itself where nothing is set.

    Args:
        generator: gives what is not set.
        settings: what differs.
        where: the key that the settings stand under.
        key: that of the model's name.

    Raises:
        UserError: a setting does not exist, cannot be set for one model, or is wrong; or there is no such model.
    """
    if not settings:
        return replace(generator, mix={})
    alone = replace(generator, mix={}, models={})
    if "model" in settings:
        alone = replace(alone, lora="")
    config = with_settings(alone, dict(settings), where=where, allowed=SETTINGS_PER_MODEL)
    if config.generator is not GeneratorKind.fake:
        model_digest(config.model, key=key)  # a model that is not there is named by the key it stands under
    return config


def judge_is_generator(stages: Sequence[Stage[Settings]], generator: GeneratorConfig) -> bool:
    """Tells whether a rubric is put to a model that also writes samples; likelihoods alone are no opinion."""
    rubrics = [stage for stage in stages if stage.plan.rubric != INFORMATION]
    return any(writes_samples(stage.generator, generator) for stage in rubrics)


def writes_samples(model: GeneratorConfig, generator: GeneratorConfig) -> bool:
    """Tells whether a model is the generator, or one of a mix."""
    writers = {config.model_name() for config in generator_configs(generator).values()} or {generator.model_name()}
    return model.model_name() in writers


def _input(stage: str) -> str:
    return f"judged_{stage}"


def _key(rubric: str) -> str:
    return "judge.information" if rubric == INFORMATION else f"judge.rubrics.{rubric}"
