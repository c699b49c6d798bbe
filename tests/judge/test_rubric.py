"""A question to a judge as a task: both orders of the choices, what templates see, and the columns of its figure."""

from dataclasses import replace

import pytest

from engine.artifacts.judged import QUERY
from engine.errors import UserError
from engine.generation.kinds import settle_kinds
from engine.judge.config import InformationConfig, RubricConfig
from engine.judge.rubric import (
    INFORMATION_COLUMNS,
    check_question,
    information_task,
    rubric_columns,
    rubric_task,
    with_blanks,
)
from engine.samples.config import SamplesConfig
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig
from engine.task.render import Ask

RUBRIC = RubricConfig('{{ passage.text }}\n{{ query }} ({{ label }})\n{{ choices | join(" or ") }}?')
ASK = Ask({"title": "", "text": "Bees dance."}, 0, {"form": "question", "length": "short", QUERY: "why {{ bees }}"})


def settled(rubric: RubricConfig, *, instruct: bool = False) -> TaskConfig:
    return with_blanks(settle_kinds(rubric_task("x", rubric), SamplesConfig(instruct=instruct, seed=0)))


def test_choices_that_are_listed_are_asked_in_both_orders() -> None:
    task = compile_task(settled(RUBRIC))
    texts = {name: renderer.text(ASK) for name, renderer in task.renderers.items()}
    start = "Bees dance.\nwhy {{ bees }} (form: question, length: short)\n"
    assert texts == {"listed": f"{start}yes or no?", "reversed": f"{start}no or yes?"}
    assert {column.name for column in task.answer_columns()} >= set(rubric_columns(RUBRIC, task.config))
    assert rubric_columns(RUBRIC, task.config) == ("score_listed_yes", "score_reversed_yes")


def test_choices_that_are_not_listed_have_no_order() -> None:
    rubric = RubricConfig("Is {{ query }} clear?")
    task = settled(rubric)
    assert list(task.turns) == ["listed"]
    assert rubric_columns(rubric, task) == ("score_listed_yes",)


def test_a_choice_of_a_completion_stands_behind_a_blank_and_one_of_a_chat_does_not() -> None:
    assert [turn.choice for turn in settled(RUBRIC).turns.values()] == [[" yes", " no"]] * 2
    assert [turn.choice for turn in settled(RUBRIC, instruct=True).turns.values()] == [["yes", "no"]] * 2


def test_a_choice_of_several_words_has_a_column() -> None:
    rubric = replace(RUBRIC, choices=["not at all", 'so-called "yes"'])
    task = compile_task(settled(rubric))
    assert rubric_columns(rubric, task.config)[0] in {column.name for column in task.answer_columns()}
    assert 'not at all or so-called "yes"?' in task.renderers["listed"].text(ASK)


def test_information_scores_the_query_behind_two_prompts() -> None:
    task = compile_task(information_task("information", InformationConfig("{{ passage.text }} Q:", "Q:")))
    assert [renderer.text(ASK) for renderer in task.renderers.values()] == ["Bees dance. Q:", "Q:"]
    assert [renderer.continuation(ASK) for renderer in task.renderers.values()] == [" why {{ bees }}"] * 2
    assert {column.name for column in task.answer_columns()} >= set(INFORMATION_COLUMNS)


@pytest.mark.parametrize("prompt", ["{{ passage.txt }}", "{{ querry }}", "{{ query", "{{ condition.form }}"])
def test_a_template_that_cannot_be_rendered_is_refused_with_its_rubric(prompt: str) -> None:
    check_question(rubric_task("x", RUBRIC), {"form": None}, "judge.rubrics.x")
    with pytest.raises(UserError, match=r"^judge.rubrics.x(\.prompt)?: "):
        check_question(rubric_task("x", RubricConfig(prompt)), {}, "judge.rubrics.x")


def test_a_condition_of_the_judges_own_name_is_refused() -> None:
    with pytest.raises(UserError, match=f"^task.attributes.{QUERY}: "):
        check_question(rubric_task("x", RUBRIC), {QUERY: None}, "judge.rubrics.x")
