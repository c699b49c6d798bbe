"""A compiled task: its renderers, the columns of its answers, and answers read back from them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.task.answers import Answer
from engine.task.compiled import Prompts, compile_task
from engine.task.config import ParserKind, PromptKind, TaskConfig, TurnConfig
from engine.task.render import Ask, ChatRenderer, CompletionRenderer, Demonstration
from tests.support.tasks import SCHEMA, TASK

SETS = [[Demonstration("Bees make honey.", "who makes honey")], [Demonstration("Tea cools.", "tea")]]


def test_a_task_knows_its_turns_what_they_read_and_how_they_are_rendered() -> None:
    task = compile_task(TASK)
    assert list(task.turns) == list(task.needs) == list(task.renderers) == ["persona", "place", "review"]
    assert task.needs["review"] == {"persona", "place"}
    assert task.first is task.renderers["persona"]
    assert {name: renderer.turn for name, renderer in task.renderers.items()} == task.turns


def test_each_turn_is_rendered_as_its_kind_says() -> None:
    turns = {"a": TurnConfig("x"), "b": TurnConfig("y", kind=PromptKind.completion)}
    task = compile_task(TaskConfig(kind=PromptKind.chat, turns=turns))
    assert isinstance(task.renderers["a"], ChatRenderer)
    assert isinstance(task.renderers["b"], CompletionRenderer)


@pytest.mark.parametrize(
    ("turns", "what"),
    [
        ({"a": TurnConfig("{{ passage.text ")}, "the template does not parse"),
        ({"a": TurnConfig("{{ turns.b.text }}")}, "reads the turn 'b'"),
        ({"a": TurnConfig("x", regex="(")}, "unterminated subpattern"),
    ],
)
def test_what_cannot_be_compiled_is_refused(turns: dict[str, TurnConfig], what: str) -> None:
    with pytest.raises(UserError) as caught:
        compile_task(TaskConfig(turns=turns))
    assert what in caught.value.what


def test_a_sample_takes_the_tokens_of_all_its_turns() -> None:
    assert compile_task(TASK).output_limit(48) == 48 + 48 + 9
    assert compile_task(TaskConfig(prompt="x")).output_limit(48) == 48


def test_prompts_are_sent_to_other_processes_and_compiled_there() -> None:
    config = TaskConfig(prompt="P: {{ passage.text }}", demonstration="D: {{ demonstration.document }}\n")
    task = pickle.loads(pickle.dumps(Prompts(config, SETS))).compile()
    assert task.config == config
    assert task.first.text(Ask({"title": "", "text": "ice"}, 1, {})) == "D: Tea cools.\nP: ice"


def test_a_task_may_show_other_demonstrations() -> None:
    shown = replace(TASK, turns={"a": replace(TASK.turns["place"], demonstration="{{ demonstration.query }}\n")})
    task = compile_task(shown)
    assert not task.first.has_demonstrations()
    assert task.with_sets(SETS).first.prefix(1, {}) == "tea\n"
    assert task.with_sets(SETS).turns is task.turns


def test_columns_of_answers() -> None:
    task = compile_task(TASK)
    assert [(column.name, column.type) for column in task.answer_columns()] == [
        ("turn_persona", pa.string()),
        ("turn_place", pa.string()),
        ("reasoning_persona", pa.string()),
        ("field_stars", pa.int64()),
        ("field_tags", pa.string()),
        ("field_why", pa.string()),
    ]
    answers = {"persona": Answer("Ann", "because"), "review": Answer("{}", fields={"stars": 2, "tags": ["é"]})}
    values = task.answer_values(answers)
    assert (values["turn_persona"], values["reasoning_persona"], values["turn_place"]) == ("Ann", "because", None)
    assert (values["field_stars"], values["field_tags"], values["field_why"]) == (2, '["é"]', None)
    assert {column.name for column in task.answer_columns()} <= values.keys()


@pytest.mark.parametrize(
    ("config", "answer"),
    [
        ({"answer_after": "So:"}, Answer("7", "because")),
        ({"json_schema": SCHEMA}, Answer('{"stars": 3, "tags": ["é"]}', fields={"stars": 3, "tags": ["é"]})),
        ({"json_schema": SCHEMA}, Answer('{"more": {"x": 1}}', fields={"more": {"x": 1}})),
        ({"parser": ParserKind.json}, Answer('{"any": [1]}', fields={"any": [1]})),
        ({"parser": ParserKind.json}, Answer("[1]")),
        ({"parser": ParserKind.list}, Answer("- a\n- b", fields={"items": ["a", "b"]})),
        ({"regex": r"(?P<year>\d+)(?P<rest>x)?"}, Answer("26", fields={"year": "26", "rest": None})),
        ({"choice": ["a", "b"], "parser": ParserKind.list}, Answer("a")),
        ({"parser": ParserKind.python}, Answer("x = 1")),
    ],
)
@pytest.mark.parametrize("name", ["first", "last"])
def test_answers_are_read_back_from_their_columns(name: str, config: dict[str, object], answer: Answer) -> None:
    plain = {"first": TurnConfig("p"), "last": TurnConfig("p")}
    task = compile_task(TaskConfig(turns={**plain, name: TurnConfig("p", **config)}))  # type: ignore[arg-type]
    answers = {"first": Answer("f"), "last": Answer("l"), name: answer}
    sample = {**task.answer_values(answers), "text": answers["last"].text, "error": ""}
    assert task.stored_answers(sample) == answers


def test_of_a_failed_sample_only_what_it_came_to_is_read_back() -> None:
    task = compile_task(TASK)
    answers = {"persona": Answer("Ann", "because")}
    sample = {**task.answer_values(answers), "text": "what was written", "error": "turn place: no"}
    assert task.stored_answers(sample) == answers
