"""Values with weights: what a person may write, what is refused by its key, and the shares that are asked for."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.task.config import AttributeConfig
from engine.task.shares import target_shares, text_of, weights_of


@pytest.mark.parametrize(
    ("raw", "weights"),
    [(["a", 1, 2.5], {"a": 1.0, "1": 1.0, "2.5": 1.0}), ({"a": 3, 7: 0.0}, {"a": 3.0, "7": 0.0}), ([], {})],
)
def test_lists_and_mappings_are_weights(raw: object, weights: dict[str, float]) -> None:
    assert weights_of(raw, "here") == weights


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("a text", "'a text' is no list"),
        (["a", "a"], "'a' stands twice"),
        ([1, "1"], "'1' stands twice"),
        ({"a": True}, "the weight True of 'a' is no number"),
        ({"a": float("nan")}, "the weight nan of 'a' is no number"),
        ({"a": "3"}, "the weight '3' of 'a' is no number"),
    ],
)
def test_weights_that_are_none_are_refused_by_their_key(raw: object, what: str) -> None:
    with pytest.raises(UserError) as caught:
        weights_of(raw, "task.attributes.x")
    assert caught.value.what == what
    assert caught.value.where == "task.attributes.x"


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (True, "the value True is not text"),
        (None, "the value None is not text"),
        (["a"], "the value ['a'] is not text"),
        ("a|b", "the condition 'a|b' holds a sign that separates conditions"),
        ("\ud800", "holds half a surrogate pair"),
    ],
)
def test_a_value_that_is_no_text_is_refused_by_its_key(raw: object, what: str) -> None:
    with pytest.raises(UserError) as caught:
        text_of(raw, "task.attributes.x")
    assert what in caught.value.what
    assert caught.value.where == "task.attributes.x"


def test_targets_are_the_shares_of_plain_lists() -> None:
    assert target_shares(AttributeConfig({"a": 3, "b": 1, "c": 0})) == {"a": 0.75, "b": 0.25}
    for other in (
        AttributeConfig(["a", "b"], pick=1),
        AttributeConfig(["a"], depends_on="b"),
        AttributeConfig(file="words.txt"),
    ):
        assert target_shares(other) == {}
