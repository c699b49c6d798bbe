"""Turns: the forms of their answers, what a turn may read, which show demonstrations, and every refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import UserError
from engine.task.answers import Answer, TurnError
from engine.task.config import ParserKind, PromptKind, TaskConfig, TurnConfig
from engine.task.turns import (
    Turn,
    as_template,
    conditions_read,
    resolve_turns,
    row_columns,
    shows_demonstrations,
    shows_documents,
    turn_needs,
)
from tests.support.tasks import SCHEMA, TASK

SEEN: dict[str, Any] = {"passage": {"title": "", "text": "bees"}, "condition": {"form": "a"}, "turns": {}}


def turn(**config: Any) -> Turn:
    return Turn("t", TurnConfig(**{"prompt": "p", **config}), "task.turns.t")


def test_text_is_taken_as_it_stands() -> None:
    assert turn().read(" as it stands\n", "stop", SEEN) == Answer(" as it stands\n")


def test_reasoning_is_kept_apart_from_the_answer() -> None:
    one = turn(answer_after="Answer:")
    assert one.read(" first\nthen \nAnswer: 7 apples", "stop", SEEN) == Answer("7 apples", "first\nthen")
    with pytest.raises(TurnError, match=r"no 'Answer:' in what was written \(cut off by the token limit\)"):
        one.read("first then", "length", SEEN)


@pytest.mark.parametrize("raw", ['{"stars": 3, "tags": ["a"]}', '```json\n{"stars": 3, "tags": ["a"]}\n```'])
def test_json_gives_fields(raw: str) -> None:
    answer = turn(json_schema=SCHEMA).read(raw, "stop", SEEN)
    assert answer.fields == {"stars": 3, "tags": ["a"]}
    assert answer.view()["stars"] == 3


@pytest.mark.parametrize(
    ("config", "raw", "reason"),
    [
        ({"json_schema": SCHEMA}, '{"stars": 3', "no JSON: .*cut off"),
        ({"json_schema": SCHEMA}, '{"stars": 0}', "does not fit the schema: 0 is less than the minimum"),
        ({"json_schema": SCHEMA}, '{"why": "x"}', "'stars' is a required property"),
        (
            {"json_schema": SCHEMA},
            '{"stars": 1' + "0" * 30 + "}",
            "'stars' is 10{29}, which a column of int64 cannot hold",
        ),
        ({}, "half \ud83d a bee", "no text: it holds half of a surrogate pair"),
        ({"choice": ["good", "bad"]}, "fair", "'fair' is none of good, bad"),
        ({"regex": r"\d+"}, "x1", r"does not match"),
        ({"parser": ParserKind.list}, "\n \n", "no item"),
        ({"parser": ParserKind.python}, "def f(:", "does not compile"),
        ({"parser": ParserKind.python}, "", "no code"),
        ({"parser": ParserKind.python}, "x = '\0'", "does not compile"),
        ({"keep_if": "text | length > 3"}, "abc", "keep_if does not hold"),
        ({"keep_if": "nothing.here"}, "abc", "keep_if cannot be computed: 'nothing' is undefined"),
        ({"keep_if": "text / 2 > 1"}, "abc", "keep_if cannot be computed"),
        ({"keep_if": "field.nothing"}, "abc", "keep_if cannot be computed: .* has no attribute 'nothing'"),
        ({"keep_if": "cycler(*text).next()"}, "", "keep_if cannot be computed: at least one item"),
    ],
)
def test_an_answer_that_is_none_has_a_reason(config: dict[str, Any], raw: str, reason: str) -> None:
    with pytest.raises(TurnError, match=reason):
        turn(**config).read(raw, "length", SEEN)


def test_other_forms() -> None:
    assert turn(choice=["good", "bad"]).read(" bad\n", "stop", SEEN).text == "bad"
    dated = turn(regex=r"(?P<year>\d{4})-(?P<month>\d\d)").read(" 2026-11 ", "stop", SEEN)
    assert dated == Answer("2026-11", fields={"year": "2026", "month": "11"})
    listed = turn(parser=ParserKind.list).read("1. one\n\n- two\n(3) three", "stop", SEEN)
    assert listed.fields == {"items": ["one", "two", "three"]}
    code = turn(parser=ParserKind.python).read("So:\n```python\nopen('x', 'w')\n```\nDone.", "stop", SEEN)
    assert code.text == "open('x', 'w')"
    seen = {**SEEN, "turns": {"a": {"text": "bees"}}}
    assert turn(keep_if="turns.a.text in passage.text and condition.form == 'a'").read("y", "stop", seen).text == "y"


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"json_schema": SCHEMA, "choice": ["a"]}, "has json_schema and choice"),
        ({"prompt": ""}, "has no prompt"),
        ({"messages": [{"role": "user", "content": "x"}]}, "has both a prompt and messages"),
        ({"prompt": "", "messages": [{"role": "user", "content": "x"}]}, "messages are for chats"),
        ({"prompt": "", "kind": PromptKind.chat, "messages": [{"role": "user"}]}, "a message has role"),
        ({"json_schema": {"type": "objekt"}}, "there is no type 'objekt'"),
        ({"json_schema": {"type": "object", "properties": {"text": {}}}}, "a field is called 'text'"),
        ({"regex": "("}, "unterminated subpattern"),
        ({"keep_if": "text >"}, "the expression does not parse"),
        ({"max_tokens": 0}, "0 is out of range"),
        ({"min_p": 1.5}, "1.5 is out of range"),
    ],
)
def test_a_turn_that_cannot_work_is_refused(config: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError) as caught:
        turn(**config)
    assert what in caught.value.what
    assert caught.value.where.startswith("task.turns.t")
    assert caught.value.remedy


def test_turns_know_what_they_read() -> None:
    turns = resolve_turns(TASK)
    assert turn_needs(turns) == {
        "persona": frozenset(),
        "place": frozenset(),
        "review": frozenset({"persona", "place"}),
    }
    assert turns["review"].config.stop == ["\n"], "what a turn leaves out is the task's"
    whole = replace(TASK, turns={**TASK.turns, "last": TurnConfig("{% for name in turns %}{{ name }}{% endfor %}")})
    assert turn_needs(resolve_turns(whole))["last"] == {"persona", "place", "review"}


@pytest.mark.parametrize(
    ("turns", "what", "remedy"),
    [
        ({"a": TurnConfig("{{ turns.a.text }}")}, "reads itself", "name only turns before it"),
        (
            {"a": TurnConfig("{{ turns.b.text }}"), "b": TurnConfig("{{ turns.a.text }}")},
            "reads the turn 'b', which reads 'a'",
            "let one of them not name the other",
        ),
        ({"a": TurnConfig("{{ turns.b.text }}"), "b": TurnConfig("x")}, "reads the turn 'b'", "write it before 'a'"),
        ({"ab": TurnConfig("x"), "c": TurnConfig("{{ turns.abc.text }}")}, "reads the turn 'abc'", "ab"),
    ],
)
def test_a_turn_reads_only_earlier_ones(turns: dict[str, TurnConfig], what: str, remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        turn_needs(resolve_turns(replace(TASK, turns=turns)))
    assert what in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("task", "what"),
    [
        (TaskConfig(), "has no prompt"),
        (replace(TASK, prompt="x"), "has both a prompt and turns"),
        (replace(TASK, turns={"a b": TurnConfig("x")}), "'a b' is no name"),
        (replace(TASK, turns={n: TurnConfig("x", json_schema=SCHEMA) for n in "ab"}), "the field 'stars' is given"),
    ],
)
def test_a_task_that_cannot_work_is_refused(task: TaskConfig, what: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve_turns(task)
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("config", "structured"),
    [
        ({}, {}),
        ({"parser": ParserKind.json}, {}),
        ({"json_schema": SCHEMA}, {"json": SCHEMA}),
        ({"choice": ["a", "b"]}, {"choice": ["a", "b"]}),
        ({"regex": r"(?P<year>\d{4})(a|b)"}, {"regex": r"(\d{4})(a|b)"}),
    ],
)
def test_an_engine_holds_the_model_to_the_form(config: dict[str, Any], structured: dict[str, Any]) -> None:
    assert turn(**config).structured() == structured


def test_only_json_without_a_schema_may_have_any_field() -> None:
    assert turn(parser=ParserKind.json).has_open_fields
    assert not turn(parser=ParserKind.json, json_schema=SCHEMA).has_open_fields
    assert not turn(parser=ParserKind.list).has_open_fields


ANSWERED = "{{ demonstration.document }}: {{ demonstration.query }}"


@pytest.mark.parametrize(
    ("task", "demonstrations", "documents"),
    [
        (TaskConfig(prompt="x"), False, False),
        (TaskConfig(prompt="x", demonstration="{{ demonstration.query }}"), True, False),
        (TaskConfig(prompt="x", demonstration="{{ demonstration.document }}"), True, True),
        (TaskConfig(prompt="x", demonstration="{{ demonstration }}"), True, True),
        (TaskConfig(prompt="x", kind=PromptKind.chat), True, False),
        (TaskConfig(prompt="{{ passage.text }}", kind=PromptKind.chat), True, True),
        (TaskConfig(prompt="x", kind=PromptKind.chat, demonstration="{{ demonstration.document }}"), True, True),
        (TaskConfig(prompt="x", kind=PromptKind.chat, demonstration=ANSWERED), True, False),
        (TaskConfig(prompt="{{ passage }}", kind=PromptKind.chat, demonstration=ANSWERED), True, True),
        (TaskConfig(turns={"a": TurnConfig("x", kind=PromptKind.chat)}), False, False),
    ],
)
def test_which_turns_show_demonstrations(task: TaskConfig, demonstrations: bool, documents: bool) -> None:
    [only] = resolve_turns(task).values()
    assert shows_demonstrations(only) is demonstrations
    assert shows_documents(only) is documents


def test_an_expression_is_read_as_a_template() -> None:
    assert as_template("text | length > 3") == "{{ text | length > 3 }}"
    assert as_template("") == ""


def test_without_a_generator_only_messages_make_a_chat() -> None:
    turns = {"a": TurnConfig("x"), "b": TurnConfig(messages=[{"role": "user", "content": "y"}])}
    kinds = [turn.config.kind for turn in resolve_turns(TaskConfig(turns=turns)).values()]
    assert kinds == [PromptKind.completion, PromptKind.chat]


def test_the_columns_that_turns_read_are_those_of_templates_filters_and_chats() -> None:
    turns = {
        "a": TurnConfig(prompt='{{ row.body }} {{ row["my column"] }}', keep_if="row.least < text | length"),
        "b": TurnConfig(messages=[{"role": "user", "content": "{{ row.more }}"}], kind=PromptKind.chat),
        "c": TurnConfig(conversation="chat", kind=PromptKind.chat),
    }
    task = TaskConfig(turns=turns)
    assert row_columns(resolve_turns(task).values()) == {"body", "my column", "least", "more", "chat"}
    whole = TaskConfig(prompt="{% for name in row %}{{ name }}{% endfor %}")
    assert row_columns(resolve_turns(whole).values()) is None


def test_the_conditions_that_turns_read_are_those_of_instructions_prompts_and_filters() -> None:
    turns = {
        "a": TurnConfig(prompt="{{ condition.one }}", keep_if="condition.two == text"),
        "b": TurnConfig(messages=[{"role": "user", "content": '{{ condition["three"] }}'}], kind=PromptKind.chat),
        "c": TurnConfig(prompt="x", continuation="{{ condition.four }}"),
    }
    task = TaskConfig(turns=turns, instruction="{{ condition.five }}", demonstration="{{ condition.form }}")
    assert conditions_read(resolve_turns(task).values()) == {"one", "two", "three", "four", "five"}
    whole = TaskConfig(prompt="{% for name in condition %}{{ name }}{% endfor %}")
    assert conditions_read(resolve_turns(whole).values()) is None


def test_a_turn_is_asked_in_one_way() -> None:
    config = TurnConfig(prompt="x", conversation="chat", kind=PromptKind.chat)
    with pytest.raises(UserError, match="has both a prompt and conversation"):
        resolve_turns(TaskConfig(turns={"a": config}))
    with pytest.raises(UserError, match="messages are for chats") as caught:
        resolve_turns(TaskConfig(turns={"a": TurnConfig(conversation="chat", kind=PromptKind.completion)}))
    assert caught.value.where == "task.turns.a.conversation"
