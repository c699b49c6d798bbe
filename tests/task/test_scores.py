"""Turns that are scored: which settings they can have, and what their answers and columns are."""

from __future__ import annotations

import math
import re
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.task.answers import TurnError
from engine.task.check import check_turns
from engine.task.compiled import compile_task
from engine.task.config import ParserKind, ScoreKind, TaskConfig, TurnConfig
from engine.task.render import Ask
from engine.task.scores import Score, Scores, Scoring, choice_label, softmax

PASSAGE = {"title": "Bees", "text": "Bees dance."}
TASK = TaskConfig(
    stop=["\n"],
    turns={
        "query": TurnConfig("{{ passage.text }} Q:", max_tokens=9),
        "likely": TurnConfig("{{ passage.text }} Q:", continuation=" {{ turns.query.text }}", prompt_logprobs=True),
        "about": TurnConfig("About {{ turns.likely.mean }}?", choice=[" yes", " no way"], score=ScoreKind.sum),
    },
)
SCORES = Scores((Score(" yes", -2.0, 1), Score(" no way", -3.0, 3)))


def ask(text: str = "why") -> Ask:
    return Ask(PASSAGE, 0, {}, {"query": {"text": text}, "likely": {"mean": -1.0}})


def mistake(**settings: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        compile_task(TaskConfig(turns={"a": TurnConfig("P", **settings)}))
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_generator_is_asked_for_what_a_turn_scores() -> None:
    task = compile_task(TASK)
    assert task.scoring("query", ask()) is None
    assert task.scoring("likely", ask()) == Scoring((" why",), prompt=True)
    assert task.scoring("about", ask()) == Scoring((" yes", " no way"))


def test_a_turn_waits_for_those_that_its_continuation_names() -> None:
    assert compile_task(TASK).needs["likely"] == {"query"}


def test_a_continuation_is_the_answer_and_its_log_probability_are_fields() -> None:
    turn = compile_task(TASK).turns["likely"]
    answer = turn.read_scores(Scores((Score(" why", -3.0, 2),), (None, -0.5)), {})
    assert answer.text == " why"
    assert answer.fields == {"logprob": -3.0, "tokens": 2, "mean": -1.5, "prompt_logprobs": [None, -0.5]}


@pytest.mark.parametrize(
    ("kind", "best", "odds"), [(ScoreKind.sum, "yes", math.exp(-2 + 3)), (ScoreKind.mean, "no way", math.exp(-2 + 1))]
)
def test_choices_are_compared_as_a_whole_or_by_token(kind: ScoreKind, best: str, odds: float) -> None:
    turn = compile_task(
        TaskConfig(turns={"a": TurnConfig("P", choice=[" yes", " no way"], score=kind)}),
    ).turns["a"]
    answer = turn.read_scores(SCORES, {})
    assert answer.text == best
    assert sum(answer.fields.values()) == pytest.approx(1)
    assert answer.fields["yes"] / answer.fields["no_way"] == pytest.approx(odds)


def test_a_prompt_alone_has_log_probabilities_and_no_text() -> None:
    turn = compile_task(TaskConfig(turns={"a": TurnConfig("P", prompt_logprobs=True)})).turns["a"]
    answer = turn.read_scores(Scores(prompt=(None, -1.0)), {})
    assert (answer.text, answer.fields) == ("", {"prompt_logprobs": [None, -1.0]})


def test_columns_carry_the_name_of_their_turn_and_are_read_back() -> None:
    task = compile_task(TASK)
    columns = {field.name: field.type for field in task.answer_columns()}
    assert columns == {
        "turn_query": pa.string(),
        "turn_likely": pa.string(),
        "score_likely_logprob": pa.float64(),
        "score_likely_tokens": pa.int64(),
        "score_likely_mean": pa.float64(),
        "score_likely_prompt_logprobs": pa.list_(pa.float32()),
        "score_about_yes": pa.float64(),
        "score_about_no_way": pa.float64(),
    }
    answers = {
        "likely": task.turns["likely"].read_scores(Scores((Score(" why", -3.0, 2),), (None, -0.5)), {}),
        "about": task.turns["about"].read_scores(SCORES, {}),
    }
    values = task.answer_values(answers)
    assert values["score_likely_mean"] == -1.5
    assert values["score_likely_prompt_logprobs"] == [None, -0.5]
    stored = task.stored_answers(values | {"error": "", "text": "yes"})
    assert stored == answers


def test_a_scored_turn_can_filter_by_its_scores() -> None:
    turns = {"a": TurnConfig("P", choice=["yes", "no"], score=ScoreKind.sum, keep_if="field.yes > 0.9")}
    task = compile_task(TaskConfig(turns=turns))
    check_turns(task, {})
    scores = Scores((Score("yes", -1.0, 1), Score("no", -2.0, 1)))
    with pytest.raises(TurnError, match=r"keep_if does not hold: field.yes > 0.9"):
        task.turns["a"].read_scores(scores, {})


def test_the_stop_of_the_task_is_for_what_is_written() -> None:
    assert compile_task(TASK).turns["likely"].config.stop == []
    assert compile_task(TASK).turns["query"].config.stop == ["\n"]


def test_a_scored_turn_takes_no_output_tokens() -> None:
    assert compile_task(TASK).output_limit(48) == 9


@pytest.mark.parametrize(
    ("settings", "key", "what"),
    [
        (
            {"continuation": "x", "temperature": 0.5},
            "temperature",
            r"is scored \(`continuation`\) and has `temperature`",
        ),
        ({"continuation": "x", "max_tokens": 5}, "max_tokens", "has `max_tokens`"),
        ({"continuation": "x", "stop": ["\n"]}, "stop", "has `stop`"),
        ({"continuation": "x", "json_schema": {"type": "object"}}, "json_schema", "has `json_schema`"),
        ({"continuation": "x", "choice": ["a"]}, "choice", "has `choice`"),
        ({"prompt_logprobs": True, "choice": ["a"]}, "choice", r"is scored \(`prompt_logprobs`\) and has `choice`"),
        ({"continuation": "x", "choice": ["a"], "score": ScoreKind.sum}, "continuation", "has `continuation`"),
        ({"prompt_logprobs": True, "regex": "a"}, "regex", "has `regex`"),
        ({"prompt_logprobs": True, "parser": ParserKind.list}, "parser", "has `parser`"),
        ({"score": ScoreKind.sum, "choice": ["a"], "answer_after": ":"}, "answer_after", "has `answer_after`"),
        ({"score": ScoreKind.sum}, "score", "has no choice to score"),
        (
            {"score": ScoreKind.sum, "choice": ["a", " a"]},
            "choice",
            "the choices 'a' and ' a' would both be called 'a'",
        ),
        ({"score": ScoreKind.sum, "choice": ["a", " "]}, "choice", "a choice is blank"),
    ],
)
def test_what_contradicts_is_named(settings: dict[str, Any], key: str, what: str) -> None:
    error = mistake(**settings)
    assert error.where == f"task.turns.a.{key}"
    assert re.search(what, str(error))


def test_two_turns_may_score_the_same_choices() -> None:
    turn = TurnConfig("P", choice=["yes", "no"], score=ScoreKind.sum)
    names = [field.name for field in compile_task(TaskConfig(turns={"a": turn, "b": turn})).answer_columns()]
    assert names == ["turn_a", "score_a_yes", "score_a_no", "score_b_yes", "score_b_no"]


@pytest.mark.parametrize("continuation", ["{{ condition.form if false }}", " {# nothing #} "])
def test_a_continuation_that_renders_empty_is_refused_before_anything_starts(continuation: str) -> None:
    task = compile_task(TaskConfig(turns={"a": TurnConfig("P", continuation=continuation)}))
    with pytest.raises(UserError, match="the continuation is empty") as caught:
        check_turns(task, {"form": "question"})
    assert caught.value.where == "task.turns.a.continuation"


def test_a_continuation_that_is_empty_for_one_row_fails_that_row_alone() -> None:
    task = compile_task(TaskConfig(turns={"a": TurnConfig("P", continuation="{{ passage.title }}")}))
    check_turns(task, {})
    assert task.scoring("a", ask()) == Scoring(("Bees",))
    with pytest.raises(UserError, match="the continuation is empty"):
        task.scoring("a", Ask({"title": " ", "text": "x"}, 0, {}))


def test_choices_are_named_by_their_letters() -> None:
    assert [choice_label(text) for text in (" yes", "no way!", "아니요", "4/5")] == ["yes", "no_way_", "아니요", "4_5"]


def test_softmax_holds_for_log_probabilities_of_long_texts() -> None:
    assert softmax([-1000.0, -1000.0]) == [0.5, 0.5]
    assert softmax([0.0, -2000.0]) == [1.0, 0.0]


@pytest.mark.parametrize(
    "scores",
    [
        Scores((Score(" yes", math.nan, 1), Score(" no way", -3.0, 3))),
        Scores((Score(" yes", -2.0, 1), Score(" no way", math.nan, 3))),
        Scores((Score(" yes", -math.inf, 1), Score(" no way", -math.inf, 3))),
    ],
)
def test_scores_that_are_no_numbers_are_no_answer(scores: Scores) -> None:
    with pytest.raises(TurnError, match="the model"):
        compile_task(TASK).turns["about"].read_scores(scores, {})


def test_a_prompt_with_a_token_that_has_no_score_is_no_answer() -> None:
    turn = compile_task(TASK).turns["likely"]
    with pytest.raises(TurnError, match="nan"):
        turn.read_scores(Scores((Score(" why", -3.0, 2),), (None, math.nan)), {})


def test_a_choice_that_is_impossible_has_no_share() -> None:
    scores = Scores((Score(" yes", -2.0, 1), Score(" no way", -math.inf, 3)))
    assert compile_task(TASK).turns["about"].read_scores(scores, {}).fields == {"yes": 1.0, "no_way": 0.0}


@pytest.mark.parametrize("choices", [[" yes", " no", " no way"], ["1", "10"]])
def test_a_choice_that_begins_another_is_refused_where_whole_texts_are_compared(choices: list[str]) -> None:
    error = mistake(choice=choices, score=ScoreKind.sum)
    assert error.where == "task.turns.a.choice"
    assert "begins" in error.what
    assert "score: mean" in error.remedy
    compile_task(TaskConfig(turns={"a": TurnConfig("P", choice=choices, score=ScoreKind.mean)}))
    compile_task(TaskConfig(turns={"a": TurnConfig("P", choice=choices)}))
