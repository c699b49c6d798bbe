"""A record is read as it stands, or is rejected with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.given.columns import find_columns
from engine.given.source import Record
from engine.given.values import (
    BrokenValue,
    Example,
    read_example,
    read_labels,
    read_score,
    read_text,
    read_weight,
)


def example(**values: Any) -> Example:
    return read_example(Record("F:1", values, ""), find_columns(list(values), {}, None, "F"))


def test_texts_lose_the_white_space_at_their_ends_alone() -> None:
    assert read_text(" a  b\n") == "a  b"
    assert read_text(7) == "7"


@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), ["a"], {"a": 1}, "\ud83d"])
def test_what_is_no_text_is_broken(value: object) -> None:
    with pytest.raises(BrokenValue):
        read_text(value)


@pytest.mark.parametrize(("value", "score"), [("3.5", 3.5), (1, 1.0), (-0.5, -0.5)])
def test_scores_are_numbers(value: object, score: float) -> None:
    assert read_score(value) == score


@pytest.mark.parametrize("value", [None, "good", "nan", float("inf"), []])
def test_what_is_no_number_is_broken(value: object) -> None:
    with pytest.raises(BrokenValue):
        read_score(value)


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("sport", ["sport"]),
        (1, ["1"]),
        (1.0, ["1"]),
        (["a", "b", "a"], ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ([], []),
        ("[sic]", ["[sic]"]),
        ("['a', \"it's\"]", ["a", "it's"]),
        ("['a' 'b']", ["['a' 'b']"]),
    ],
)
def test_labels_are_one_or_a_list(value: object, labels: list[str]) -> None:
    assert read_labels(value) == labels


@pytest.mark.parametrize("value", [None, "", [None], float("nan")])
def test_a_text_without_a_label_is_broken(value: object) -> None:
    with pytest.raises(BrokenValue):
        read_labels(value)


@pytest.mark.parametrize(
    ("value", "weight"), [("2.5", 2.5), (0, 0.0), (None, None), ("", None), (" ", None), (float("nan"), None)]
)
def test_weights_are_numbers_from_0_on_or_not_said(value: object, weight: float | None) -> None:
    assert read_weight(value) == weight


@pytest.mark.parametrize("value", [-1, "-0.5", "much", "inf", 1e39, [], [1]])
def test_what_is_no_weight_is_broken(value: object) -> None:
    with pytest.raises(BrokenValue, match="no number from 0 on as"):
        read_weight(value)


def test_a_record_names_its_document_its_split_and_the_first_reason() -> None:
    read = example(query="q", passage="p", doc_id=3, split="dev")
    assert (read.document, read.split, read.reason, read.texts) == ("3", "validation", "", ("p",))
    assert example(query="", passage="", doc_id=1).reason == "no query"
    assert example(query="q", passage="p", is_impossible=True).reason == "unanswerable"
    assert example(sentence1="a", sentence2="b", score="x").reason == "no number as score"
    assert example(sentence1="a", sentence2="b", score=1).texts == ("a", "b")


@pytest.mark.parametrize("said", ["validation_matched", "test_unseen", "held-out", "holdout"])
def test_a_row_is_held_out_whatever_word_says_so(said: str) -> None:
    assert example(query="q", passage="p", split=said).split == "validation"


@pytest.mark.parametrize("said", [None, " ", float("nan")])
def test_a_row_may_say_no_split(said: object) -> None:
    assert example(query="q", passage="p", split=said).split == ""


@pytest.mark.parametrize("said", ["unseen", 2])
def test_a_row_whose_word_says_neither_side_is_refused(said: object) -> None:
    with pytest.raises(UserError, match=f"^F:1: the split '{said}' says neither") as caught:
        example(query="q", passage="p", split=said)
    assert "examples.columns.split=none" in caught.value.remedy


def test_a_row_of_a_split_of_no_side_is_rejected_whatever_it_holds() -> None:
    values = {"query": "q", "passage": "p"}
    example = read_example(Record("F:1", values, "", "split of no side"), find_columns(list(values), {}, None, "F"))
    assert (example.reason, example.texts, example.query) == ("split of no side", (), "")


def test_a_column_without_a_name_is_no_document() -> None:
    record = Record("F:1", {"": "0", "query": "q", "passage": "p"}, "")
    assert read_example(record, find_columns(["", "query", "passage"], {}, None, "F")).document == ""
