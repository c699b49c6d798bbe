"""What of a completion is the answer: reasoning kept apart, each form read, and a reason where there is no answer."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from engine.task.answers import (
    Answer,
    TurnError,
    column_value,
    parse_choice,
    parse_json,
    parse_list,
    parse_python,
    parse_regex,
    split_reasoning,
)

CUT_OFF = " (cut off by the token limit)"


def test_an_answer_is_seen_by_later_turns_with_its_fields() -> None:
    assert Answer("a", "b", {"stars": 3}).view() == {"stars": 3, "text": "a", "reasoning": "b"}


def test_a_field_never_hides_the_text_of_an_answer() -> None:
    assert Answer("a", fields={"text": "of the field"}).view()["text"] == "a"


def test_reasoning_ends_at_the_first_marker() -> None:
    assert split_reasoning(" first\nthen \nAnswer: 7 Answer: 8", "Answer:", "") == ("first\nthen", "7 Answer: 8")
    assert split_reasoning(" as it stands\n", "", "") == ("", " as it stands\n"), "without a marker nothing is removed"
    with pytest.raises(TurnError, match=r"no 'Answer:' in what was written \(cut off by the token limit\)"):
        split_reasoning("first then", "Answer:", CUT_OFF)


def test_a_choice_may_have_blanks_around_it() -> None:
    assert parse_choice(" bad\n", ["good", "bad"]) == ("bad", {})
    with pytest.raises(TurnError, match="'fair' is none of good, bad"):
        parse_choice("fair", ["good", "bad"])


def test_named_groups_are_fields() -> None:
    dated = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)")
    assert parse_regex(" 2026-11 ", dated, "") == ("2026-11", {"year": "2026", "month": "11"})
    with pytest.raises(TurnError, match=r"does not match .*year.*cut off"):
        parse_regex("2026-11 or so", dated, CUT_OFF)


@pytest.mark.parametrize("raw", ['{"stars": 3}', '```json\n{"stars": 3}\n```', '```\n{"stars": 3}```'])
def test_json_may_be_fenced(raw: str) -> None:
    assert parse_json(raw, None, "") == ('{"stars": 3}', {"stars": 3})


def test_json_that_is_no_object_has_no_fields() -> None:
    assert parse_json('["é"]', None, "") == ('["é"]', {})


def test_json_is_held_to_its_schema() -> None:
    stars = Draft202012Validator({"properties": {"stars": {"minimum": 1}}})
    with pytest.raises(TurnError, match="JSON does not fit the schema: 0 is less than the minimum of 1"):
        parse_json('{"stars": 0}', stars, "")
    with pytest.raises(TurnError, match=r"no JSON: .*cut off"):
        parse_json('{"stars": 3', stars, CUT_OFF)


def test_items_lose_their_bullets() -> None:
    text, fields = parse_list("1. one\n\n- two\n(3) three\n1999 was a year")
    assert fields == {"items": ["one", "two", "three", "1999 was a year"]}
    assert text.startswith("1. one"), "the text stays as it was written"
    with pytest.raises(TurnError, match="no item in the list"):
        parse_list("\n \n")


def test_code_is_taken_out_of_its_fence_and_never_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'x')!r}, 'w')"
    assert parse_python(f"So:\n```python\n{code}\n```\nDone.", "") == (code, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("raw", ["def f(:", "x = '\0'", "(" * 500])
def test_code_that_does_not_compile_is_no_answer(raw: str) -> None:
    with pytest.raises(TurnError, match=r"the code does not compile: .*cut off"):
        parse_python(raw, CUT_OFF)


def test_a_comment_alone_is_no_code() -> None:
    with pytest.raises(TurnError, match="no code"):
        parse_python("# nothing", "")


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        ("x", pa.string(), "x"),
        (["é"], pa.string(), '["é"]'),
        (3, pa.string(), "3"),
        (3, pa.int64(), 3),
        (None, pa.string(), None),
    ],
)
def test_a_column_holds_scalars_as_they_are_and_the_rest_as_json(
    value: object, kind: pa.DataType, stored: object
) -> None:
    assert column_value(value, kind) == stored
