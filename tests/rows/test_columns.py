"""The columns of rows without types: plain values keep theirs, all else is JSON text, and nothing is lost."""

from __future__ import annotations

import json

import pyarrow as pa

from engine.rows.columns import look_at

ROWS: list[dict[str, object]] = [
    {"text": "a", "whole": 1, "number": 1, "truth": True, "mixed": 1, "nested": {"x": [1]}, "null": None},
    {"text": "b", "whole": 2, "number": 0.5, "truth": None, "mixed": "one", "late": 7, "large": 2**70},
]


def test_columns_have_the_types_of_their_values() -> None:
    columns = look_at(ROWS)
    table = columns.table(ROWS)
    assert columns.names == ["text", "whole", "number", "truth", "mixed", "nested", "null", "late", "large"]
    assert columns.json_names == {"mixed", "nested", "large"}
    assert table.schema.field("whole").type == pa.int64()
    assert table.schema.field("number").type == pa.float64()
    read = table.to_pylist()
    parsed = [
        {name: json.loads(value) if name in columns.json_names and value else value for name, value in row.items()}
        for row in read
    ]
    assert parsed == [dict.fromkeys(columns.names) | row for row in ROWS]


def test_a_whole_number_that_no_float_holds_stays_as_it_is() -> None:
    rows: list[dict[str, object]] = [{"key": 2**53 + 1, "long": 1}, {"key": 0.5, "long": 2**60}]
    columns = look_at(rows)
    table = columns.table(rows)
    assert (table["key"].to_pylist(), columns.json_names) == (["9007199254740993", "0.5"], {"key"})
    assert table["long"].to_pylist() == [1, 2**60]
