"""Rows are drawn by their ids: the same ones however they come."""

import numpy as np
import pyarrow as pa

from engine.artifacts.draws import draw_rows

SCHEMA = pa.schema([("sample_id", pa.int64()), ("query", pa.large_string())])


def batches(ids: list[int], size: int) -> list[pa.RecordBatch]:
    columns = {"sample_id": ids, "query": [f"query {number}" for number in ids], "other": ids}
    return pa.table(columns).to_batches(size)


def test_batches_and_order_change_no_draw() -> None:
    first, total = draw_rows(batches(list(range(500)), 500), 20, 1, SCHEMA)
    shuffled = np.random.default_rng(0).permutation(500).tolist()
    again, _ = draw_rows(batches(shuffled, 7), 20, 1, SCHEMA)
    assert (total, len(first), first.schema) == (500, 20, SCHEMA)
    assert first.equals(again)
    assert first["sample_id"].to_pylist() == sorted(first["sample_id"].to_pylist())
    other, _ = draw_rows(batches(shuffled, 7), 20, 2, SCHEMA)
    assert not first.equals(other), "another stream draws others"


def test_without_a_limit_all_are_taken() -> None:
    assert draw_rows(batches([3, 1], 1), 0, 1, SCHEMA)[0]["sample_id"].to_pylist() == [1, 3]
    assert draw_rows([], 5, 1, SCHEMA)[1] == 0
