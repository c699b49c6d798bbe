"""The first prompt of a row is what the model reads, and a row that cannot be asked is named, or fails alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.artifacts.first_prompts import FirstPrompts, RowName
from engine.errors import UserError
from engine.models.tokenizer import load_tokenizer
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig
from tests.support.rows import ABOUT_BODY, MODEL

NAME = RowName(1, "a")


def prompts_of(task: TaskConfig = ABOUT_BODY, *, refuse: bool = True) -> FirstPrompts:
    return FirstPrompts(compile_task(task), MODEL, refuse=refuse)


def test_prompts_are_rendered_and_counted() -> None:
    prompts = prompts_of()
    text = prompts.text({"body": "bees dance"}, NAME)
    assert text == "About: bees dance\nNow:"
    tokenizer = load_tokenizer(MODEL, key="samples.model")
    assert prompts.count([text, ""]) == [len(tokenizer.encode(text, add_special_tokens=False).ids), 0]
    prompts.check_any()


def test_a_row_that_cannot_be_asked_is_named_or_fails_alone() -> None:
    task = replace(ABOUT_BODY, prompt="{% if row.body %}{{ row.body }}{% endif %}")
    with pytest.raises(UserError, match=r"row 1,234 \(id x\): the prompt is empty") as caught:
        prompts_of(task).text({"body": ""}, RowName(1234, "x"))
    assert "prompts.refuse=false" in caught.value.remedy
    lenient = prompts_of(task, refuse=False)
    assert lenient.text({"body": ""}, NAME) == ""
    with pytest.raises(UserError, match="no row can be asked: the prompt is empty"):
        lenient.check_any()
    assert lenient.text({"body": "bees"}, NAME) == "bees"
    lenient.check_any()
