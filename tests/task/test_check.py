"""A task is rendered once with stand-ins, and the names in its filters are looked up, before any engine starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import UserError
from engine.task.check import check_turns, stand_in
from engine.task.compiled import compile_task
from engine.task.config import ParserKind, TaskConfig, TurnConfig
from engine.task.render import Demonstration
from engine.task.turns import Turn
from tests.support.tasks import SCHEMA, TASK


def test_every_turn_is_rendered_before_anything_starts() -> None:
    check_turns(compile_task(TASK), {})
    broken = replace(TASK, turns={**TASK.turns, "last": TurnConfig("{{ turns.review.star }}")})
    with pytest.raises(UserError, match="there is no 'star'") as caught:
        check_turns(compile_task(broken), {})
    assert caught.value.where == "task.turns.last.prompt"
    free = {"a": TurnConfig("x", parser=ParserKind.json), "b": TurnConfig("{{ turns.a.anything }}")}
    check_turns(compile_task(replace(TASK, turns=free)), {})


@pytest.mark.parametrize(
    ("keep_if", "what"),
    [
        ("txt == 'a'", "there is no 'txt'"),
        ("field.star > 2", "there is no field.star"),
        ("condition.tone == 'dry'", "there is no condition.tone"),
        ("passage.body", "there is no passage.body"),
    ],
)
def test_the_names_of_a_filter_are_checked_before_anything_starts(keep_if: str, what: str) -> None:
    task = replace(TASK, turns={**TASK.turns, "review": replace(TASK.turns["review"], keep_if=keep_if)})
    with pytest.raises(UserError) as caught:
        check_turns(compile_task(task), {"form": "question"})
    assert caught.value.what == what
    assert caught.value.where == "task.turns.review.keep_if"


@pytest.mark.parametrize(
    "keep_if",
    [
        "field.stars > 2 and condition.form == 'question' and turns.persona.text != text",
        "field | length > 1 and 'x' in turns[passage.title].text",
        "text.split() | map('length') | max < 30",
    ],
)
def test_a_filter_may_use_what_there_is(keep_if: str) -> None:
    task = replace(TASK, turns={**TASK.turns, "review": replace(TASK.turns["review"], keep_if=keep_if)})
    check_turns(compile_task(task), {"form": "question"})


def test_the_demonstrations_that_prompts_show_are_rendered_too() -> None:
    task = TaskConfig(prompt="x", demonstration="{{ demonstration.author }}")
    check_turns(compile_task(task), {})
    with pytest.raises(UserError, match="there is no 'author'"):
        check_turns(compile_task(task, [[Demonstration("d", "q")]]), {})


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({}, {}),
        ({"json_schema": SCHEMA}, {"stars": 1, "tags": "(t)", "why": "(t)"}),
        (
            {"json_schema": {"properties": {"share": {"type": "number"}, "sure": {"type": "boolean"}}}},
            {"share": 1.0, "sure": True},
        ),
        ({"regex": r"(?P<year>\d+)"}, {"year": "(t)"}),
    ],
)
def test_a_stand_in_has_the_fields_that_an_answer_will_have(config: dict[str, Any], fields: dict[str, object]) -> None:
    turn = Turn("t", TurnConfig("p", **config), "task.turns.t")
    assert stand_in(turn, "(t)") == {**fields, "text": "(t)", "reasoning": "(t)"}


def test_what_json_without_a_schema_holds_is_not_known_before_it_is_there() -> None:
    assert stand_in(Turn("t", TurnConfig("p", parser=ParserKind.json), "task.turns.t"), "x")["anything"] == ""
