"""The search space: what it draws lies in it, and a wrong one is refused with its key."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.errors import UserError
from engine.sweeps.space import Kind, Space, as_overrides, name_of, read_space

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


def test_a_number_has_few_digits_and_stays_in_its_range() -> None:
    [rate] = read_space({"a": {"loguniform": [1e-6, 1e-2]}}, "f").parameters
    assert rate.rounded(0.000123456789) == 0.0001235
    for low, high in ((1000.1, 1000.4), (0.99999, 1.0), (-0.2, 0.2), (0.123456, 0.2), (-1e300, 1e300)):
        [parameter] = read_space({"a": {"uniform": [low, high]}}, "f").parameters
        draws = random.Random(0)
        drawn = {parameter.draw(draws) for _ in range(300)}
        assert all(low <= value <= high for value in drawn)
        assert len(drawn) > 200, "a narrow range keeps the digits in which its numbers differ"


def test_a_range_of_real_numbers_is_tried_as_such() -> None:
    [parameter] = read_space({"a": {"uniform": [1, 4]}}, "f").parameters
    assert as_overrides({"a": parameter.extremes()[0]}) == ["a=1.0"], "a=1 would pass for a key of whole numbers"
    [parameter] = read_space({"a": {"int": [1, 4]}}, "f").parameters
    assert as_overrides({"a": parameter.extremes()[0]}) == ["a=1"]


def test_the_checks_have_every_extreme_under_conditions_of_conditions() -> None:
    given = {
        "a": {"choice": ["x", "y"]},
        "b": {"choice": [1, 2], "when": {"a": "y"}},
        "c": {"choice": [7, 8], "when": {"b": 2}},
    }
    space = read_space(given, "f")
    for parameter in space.parameters:
        tried = [point[parameter.key] for point in space.checks() if parameter.key in point]
        assert set(tried) == set(parameter.choices)


def test_all_settings_of_a_space() -> None:
    given = {"a": {"choice": ["x", "y"]}, "b": {"int": [1, 3], "when": {"a": "y"}}, "c": {"choice": [0, 1]}}
    draws = random.Random(0)
    settings = list(read_space(given, "f").settings(draws))
    assert len({name_of(values) for values in settings}) == len(settings) == 8
    assert {"a": "x", "c": 1} in settings
    assert not read_space(given, "f").is_endless
    endless = read_space({**given, "d": {"uniform": [0, 1], "when": {"a": "x"}}}, "f")
    assert endless.is_endless
    assert sum("d" in values for values in endless.settings(draws)) == 2
    huge = read_space({name: {"int": [0, 2**53]} for name in "abc"}, "f").settings(draws)
    assert next(huge) == {"a": 0, "b": 0, "c": 0}, "they are listed one by one"


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
        (
            {"b": {"choice": [1]}, "a": {"int": [1, 2], "when": {"b": "1"}}},
            r"b is never '1'; write it .* has it, 1",
        ),
        ({"a": {"choice": [b"hi"]}}, r"^file: space\.a\.choice: b'hi' is no value of a config; write a text"),
        ({"a": {"choice": [{1: 2}]}}, "is no value of a config"),
        ({"a": {"choice": [[float("nan")]]}}, "is no value of a config"),
        ({"a": {"choice": [1, 2, 1]}}, r"^file: space\.a\.choice: 1 is given twice; leave one"),
        ({"a": {"choice": [1, True]}}, "True is given twice, first as 1"),
        ({"a": {"int": [1, 10**400]}}, r"^file: space\.a: an end of the range is too large; stay within -2\*\*53"),
        ({"a": {"int": [1, 10**23]}}, "too large"),
        ({"a": {"uniform": [1, 10**400]}}, "too large"),
        ({"a": {"uniform": [-1.7e308, 1.7e308]}}, "too large"),
        ({"a b": {"int": [1, 2]}}, r"^file: space\.a b: 'a b' is no key"),
        ({"~a": {"int": [1, 2]}}, "'~a' is no key"),
        ({"a=1": {"int": [1, 2]}}, "'a=1' is no key"),
        ({"+a": {"int": [1, 2]}, "a": {"int": [1, 2]}}, "a is given twice"),
        (
            {
                "a": {"choice": ["x", "y"]},
                "b": {"choice": [1, 2], "when": {"a": "y"}},
                "c": {"int": [1, 2], "when": {"a": "x", "b": 2}},
            },
            r"^file: space\.c\.when: never holds: a would need two values at once",
        ),
    ],
)
def test_a_wrong_space_is_refused(given: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_space(given, "file")


def test_kinds_have_the_names_of_the_file() -> None:
    assert [kind.value for kind in Kind] == ["choice", "uniform", "loguniform", "int"]
