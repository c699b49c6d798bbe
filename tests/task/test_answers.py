"""What of a completion is the answer: reasoning kept apart, each form read, and a reason where there is no answer."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from engine.task.answers import (
    Answer,
    TurnError,
    check_text,
    column_value,
    parse_choice,
    parse_json,
    parse_list,
    parse_python,
    parse_regex,
    said,
    split_reasoning,
    storable,
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


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", '{"stars": [1, 1E400]}'])
def test_json_has_only_numbers_that_other_programs_read(number: str) -> None:
    with pytest.raises(TurnError, match=r"no JSON: Out of range float values .*cut off"):
        parse_json(number, None, CUT_OFF)
    assert parse_json("9" * 4000, None, "") == ("9" * 4000, {}), "integers have no end"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_json_has_at_most_64_levels(opening: str, closing: str) -> None:
    for inner in ("[]", "{}", "1"):
        deep = opening * 63 + inner + closing * 63
        assert parse_json(deep, None, "")[0] == deep
    for levels in (64, 500, 100_000):
        with pytest.raises(TurnError, match=r"no JSON: more than 64 levels deep.*cut off"):
            parse_json(opening * levels + "[]" + closing * levels, None, CUT_OFF)


def test_a_schema_that_fails_on_a_value_fails_the_answer() -> None:
    halves = Draft202012Validator({"multipleOf": 0.5})
    assert parse_json("1.5", halves, "") == ("1.5", {})
    with pytest.raises(TurnError, match="the schema cannot be applied to the JSON: int too large"):
        parse_json("1" + "0" * 400, halves, "")


@pytest.mark.parametrize("text", [r'"\ud800"', r'{"a": ["\udfff\ud800"]}', r'{"\udc00": 1}'])
def test_half_of_a_surrogate_pair_is_no_text_however_it_is_written(text: str) -> None:
    with pytest.raises(TurnError, match=r"no text: it holds half of a surrogate pair \(U\+D[8-F]"):
        parse_json(text, None, "")
    assert parse_json(r'"\ud83d\udc1d"', None, "") == ('"\U0001f41d"', {}), "both halves are a character"


def test_a_text_that_cannot_be_stored_is_told_and_escaped() -> None:
    check_text("bees \0 \U0001f41d \uffff")
    with pytest.raises(TurnError, match=r"half of a surrogate pair \(U\+D83D\)"):
        check_text("bees \ud83d")
    assert storable("bees \ud83d \0 \U0001f41d") == "bees \\ud83d \0 \U0001f41d"


def test_an_exception_without_a_message_has_its_name() -> None:
    assert (said(ValueError("why")), said(MemoryError())) == ("why", "MemoryError")


def test_a_fence_that_is_never_closed_takes_no_time() -> None:
    before = time.thread_time()
    with pytest.raises(TurnError, match="no JSON"):
        parse_json("```json" + "\n" * 100_000, None, "")
    assert time.thread_time() - before < 1


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
        (3.0, pa.int64(), 3),
        (-(2**63), pa.int64(), -(2**63)),
        (2**60 + 1, pa.float64(), 2.0**60),
        (0.5, pa.float64(), 0.5),
        (True, pa.bool_(), True),
        (None, pa.string(), None),
    ],
)
def test_a_column_holds_scalars_as_they_are_and_the_rest_as_json(
    value: object, kind: pa.DataType, stored: object
) -> None:
    assert column_value(value, kind) == stored
    assert pa.array([column_value(value, kind)], kind).to_pylist() == [stored]


@pytest.mark.parametrize(
    ("value", "kind"),
    [(2**63, pa.int64()), (-(2**63) - 1, pa.int64()), (1e300, pa.int64()), (10**400, pa.float64())],
)
def test_a_number_beyond_its_column_is_refused(value: float, kind: pa.DataType) -> None:
    with pytest.raises(OverflowError):
        column_value(value, kind)
