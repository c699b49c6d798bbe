"""The search space: what it draws lies in it, and a wrong one is refused with its key."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.errors import UserError
from engine.sweeps.space import Kind, Space, as_overrides, read_space, rounded

GIVEN: dict[str, Any] = {
    "model.learning_rate": {"loguniform": [1e-6, 1e-2]},
    "model.epochs": {"int": [1, 3]},
    "model.num_hard_negatives": {"choice": [0, 1, 2]},
    "model.hard_negative_margin": {"uniform": [0.8, 1.0], "when": {"model.num_hard_negatives": [1, 2]}},
}


@pytest.fixture
def space() -> Space:
    return read_space(GIVEN, "file.yaml")


def test_what_is_drawn_lies_in_the_space(space: Space) -> None:
    draws = random.Random(0)
    points = [space.draw(draws) for _ in range(300)]
    rates = [point["model.learning_rate"] for point in points]
    assert 1e-6 <= min(rates) < 1e-5, "by its logarithm: small ones are as likely as large ones"
    assert 1e-3 < max(rates) <= 1e-2
    assert {point["model.epochs"] for point in points} == {1, 2, 3}
    for point in points:
        assert ("model.hard_negative_margin" in point) == (point["model.num_hard_negatives"] > 0)


def test_the_checks_have_every_extreme_of_every_key(space: Space) -> None:
    checks = space.checks()
    for parameter in space.parameters:
        assert {point[parameter.key] for point in checks if parameter.key in point} >= set(parameter.extremes())
    assert len(checks) < 12, "a sum, no product"


def test_a_point_as_overrides() -> None:
    assert as_overrides({"a.b": 3.1e-05, "task": "x y"}) == ["a.b=3.1e-05", 'task="x y"']
    assert rounded(0.000123456789) == 0.0001235


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"^file: space: tries no key"),
        ({"a": 3}, r"^file: space\.a: 3 says not how values are drawn; write \{KIND: VALUES\}"),
        ({"a": {"choise": [1]}}, r"there is no 'choise'; did you mean 'choice'"),
        ({"a": {"int": [1, 2], "choice": [1]}}, "2 kinds of values"),
        ({"a": {"choice": []}}, "has no value to choose"),
        ({"a": {"choice": "abc"}}, "is no list"),
        ({"a": {"int": [3, 3]}}, "from 3 to 3 there is nothing to try"),
        ({"a": {"int": [1, 2.5]}}, "are not two whole numbers"),
        ({"a": {"uniform": [2, 1]}}, "from 2 to 1 there is nothing to try; put the lower one first"),
        ({"a": {"uniform": [0, float("inf")]}}, "there is nothing to try"),
        ({"a": {"loguniform": [0, 1]}}, "0 has no logarithm"),
        ({"a": {"int": [1, 2], "when": {"b": 1}}}, "b is no choice of the space above"),
        ({"b": {"choice": ["x"]}, "a": {"int": [1, 2], "when": {"b": "y"}}}, "b is never 'y'; valid are: x"),
        ({"b": {"choice": ["x"]}, "a": {"int": [1, 2], "when": {"b": []}}}, "b has no value here"),
    ],
)
def test_a_wrong_space_is_refused(given: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_space(given, "file")


def test_kinds_have_the_names_of_the_file() -> None:
    assert [kind.value for kind in Kind] == ["choice", "uniform", "loguniform", "int"]
