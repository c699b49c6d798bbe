"""Ids of rows: of a field, or of the content and its occurrence."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.rows.ids import DuplicateIdError, RowIds, content_id


def test_equal_rows_are_two_rows_and_keep_their_ids() -> None:
    ids = RowIds("")
    first = ids.give([{"a": 1}, {"a": 2}, {"a": 1}], ["x"] * 3)
    assert first == [content_id({"a": 1}), content_id({"a": 2}), f"{content_id({'a': 1})}#2"]
    assert ids.give([{"a": 1}], ["x"]) == [f"{content_id({'a': 1})}#3"]
    assert RowIds("").give([{"b": 0}, {"a": 2}, {"a": 1}], ["x"] * 3)[1:] == [first[1], first[0]]


def test_an_id_of_content_depends_on_neither_order_nor_missing_fields() -> None:
    assert content_id({"a": 1, "b": "x"}) == content_id({"b": "x", "c": None, "a": 1})
    assert content_id({"a": 1}) != content_id({"a": "1"})


def test_ids_of_a_field_are_unique() -> None:
    ids = RowIds("k")
    rows = [("f:1", {"k": 7}), ("f:2", {"k": "x"}), ("f:3", {"k": " 7"})]
    assert ids.give([row for _, row in rows[:2]], ["f:1", "f:2"]) == ["7", "x"]
    with pytest.raises(DuplicateIdError) as caught:
        ids.give([rows[2][1]], ["f:3"])
    error = caught.value.explained(rows, "k")
    assert (error.where, error.what) == ("f:3", "duplicate id '7', first at f:1")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"kk": 1}, "has no field 'k'"),
        ({"k": ""}, "is empty"),
        ({"k": None}, "is empty"),
        ({"k": float("nan")}, "is empty"),
    ],
)
def test_a_row_without_an_id_is_refused(row: dict[str, object], what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        RowIds("k").give([row], ["f:9"])
    assert caught.value.where == "f:9"
