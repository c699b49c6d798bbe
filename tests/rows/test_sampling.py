"""Sampling that rows set: numbers and texts in range, whatever form a file gives them in."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.rows.sampling import SETTINGS, sampling_table


def test_settings_are_read_from_numbers_and_texts() -> None:
    rows: list[dict[str, object]] = [
        {"temperature": "0.5", "max_tokens": 7.0, "stop": '["a", "b"]'},
        {"temperature": 1, "max_tokens": "", "stop": "\n"},
        {"stop": ["x"]},
    ]
    table = sampling_table(rows, ["temperature", "max_tokens", "stop"], ["f:1", "f:2", "f:3"])
    assert table.to_pylist() == [
        {"temperature": 0.5, "max_tokens": 7, "stop": ["a", "b"]},
        {"temperature": 1.0, "max_tokens": None, "stop": ["\n"]},
        {"temperature": None, "max_tokens": None, "stop": ["x"]},
    ]
    assert {"top_p", "min_p", "presence_penalty", "stop"} < set(SETTINGS)
    assert "seed" not in SETTINGS


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("temperature", "hot", "temperature is 'hot'"),
        ("temperature", True, "temperature is True"),
        ("max_tokens", 1.5, "max_tokens is 1.5"),
        ("max_tokens", float("inf"), "max_tokens is inf"),
        ("max_tokens", 10**400, "max_tokens is 1000"),
        ("top_k", 2**31, "top_k is 2147483648"),
        ("temperature", "inf", "temperature is 'inf'"),
        ("top_p", 2, "2.0 is out of range"),
        ("stop", [1], "stop is"),
        ("stop", [""], "stop is"),
    ],
)
def test_a_value_that_no_engine_takes_is_refused_with_its_row(name: str, value: object, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        sampling_table([{name: value}], [name], ["f:4"])
    assert caught.value.where.startswith("f:4")
