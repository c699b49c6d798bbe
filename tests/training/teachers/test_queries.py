"""The queries that are taught stand in the order of the training rows, however they are cut."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import ExamplesFolder
from training.rows import read_rows
from training.teachers.queries import distinct_queries, query_batches, query_ids

REASONS = ("round_trip",)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExamplesFolder:
    """Kept and rejected examples, read four at a time."""
    monkeypatch.setattr("engine.artifacts.examples._BATCH_ROWS", 4)
    blank = {name: "" if pa.types.is_string(EXAMPLES.field(name).type) else 0 for name in EXAMPLES.names}
    rows = [
        {
            **blank,
            "sample_id": i,
            "query": f"q {i % 5}",
            "document_id": f"d{i}",
            "split": "train" if i % 3 else "validation",
        }
        for i in range(18)
    ]
    rows[7]["query"] = "q  1"
    for row in rows[10:]:
        row["reason"] = "round_trip" if int(row["sample_id"]) % 2 else "length"
    pq.write_table(pa.Table.from_pylist(rows[:10], EXAMPLES), tmp_path / "kept.parquet")
    pq.write_table(pa.Table.from_pylist(rows[10:], EXAMPLES), tmp_path / "rejected.parquet")
    return ExamplesFolder(tmp_path)


def test_those_that_the_round_trip_rejected_follow_where_they_are_asked_for(examples: ExamplesFolder) -> None:
    assert query_ids(examples, ()).tolist() == [1, 2, 4, 5, 7, 8]
    assert query_ids(examples, REASONS).tolist() == [1, 2, 4, 5, 7, 8, 11, 13, 17]
    rows = read_rows(examples, REASONS)
    batches = list(query_batches(examples, ["query"], REASONS, 2))
    assert max(batch.num_rows for batch in batches) == 2
    assert [query for batch in batches for query in batch["query"].to_pylist()] == rows["query"].to_pylist()


def test_queries_of_one_text_have_one_number(examples: ExamplesFolder) -> None:
    number, first = distinct_queries(examples, REASONS)
    texts = [" ".join(query.split()) for query in read_rows(examples, REASONS)["query"].to_pylist()]
    assert [texts[first[each]] for each in number] == texts
    assert len(first) == len(set(texts)) < len(texts)
