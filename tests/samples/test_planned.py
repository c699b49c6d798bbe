"""Rows of one plan are found in another by their keys alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PROMPTS
from engine.artifacts.prompts import PromptsFolder
from engine.samples.planned import KEY, PlannedIndex, key_hashes
from engine.storage.ids import IdSet

ROWS = 60


def rows_of(first: int, count: int) -> pa.Table:
    """Three samples a passage, of two cells, the second of them twice."""
    numbers = range(first, first + count)
    columns = {
        "sample_id": numbers,
        "passage_id": [f"p{number // 3}" for number in numbers],
        "cell": ["form=a" if number % 3 == 0 else "form=b" for number in numbers],
        "replicate": [int(number % 3 == 2) for number in numbers],
        "round": [0] * count,
        "demonstration_set": [number % 5 for number in numbers],
        "prefix": [0] * count,
        "prompt_tokens": [9] * count,
        "demonstrations": [f"{number % 5} 7" for number in numbers],
    }
    return pa.table(columns, schema=PROMPTS)


@pytest.fixture
def prompts(tmp_path: Path) -> PromptsFolder:
    for number in range(3):
        pq.write_table(rows_of(20 * number, 20), tmp_path / f"plan-{number:05d}.parquet")
    return PromptsFolder(tmp_path)


def test_rows_are_found_by_their_keys_with_what_this_plan_gave_them(prompts: PromptsFolder) -> None:
    asked = rows_of(0, ROWS).take([59, 3, 4, 5]).select(KEY)
    foreign = pa.table({"passage_id": ["p1", "q"], "cell": ["form=c", "form=a"], "replicate": [0, 0], "round": [0, 0]})
    asked = pa.concat_tables([foreign.cast(asked.schema), asked])
    found = PlannedIndex(prompts, IdSet(ROWS)).find(asked)
    assert found["row"].to_pylist() == [2, 3, 4, 5]
    assert found["sample_id"].to_pylist() == [59, 3, 4, 5]
    assert found["demonstration_set"].to_pylist() == [4, 3, 4, 0]
    assert found["demonstrations"].to_pylist() == ["4 7", "3 7", "4 7", "0 7"]


def test_committed_rows_are_not_looked_for(prompts: PromptsFolder) -> None:
    committed = IdSet(ROWS)
    committed.add(np.arange(25))
    (prompts.path / "plan-00000.parquet").unlink()
    (prompts.path / "plan-00000.parquet").hardlink_to(prompts.path / "plan-00001.parquet")
    found = PlannedIndex(prompts, committed).find(rows_of(0, ROWS))
    assert found["sample_id"].to_pylist() == list(range(25, 60))


def test_each_part_of_a_key_tells_rows_apart() -> None:
    table = rows_of(0, ROWS)
    assert len(set(key_hashes(table).tolist())) == ROWS
    later = table.set_column(4, "round", pa.array([1] * ROWS, pa.int32()))
    assert set(key_hashes(table).tolist()).isdisjoint(key_hashes(later).tolist())


def test_a_plan_of_which_all_is_committed(prompts: PromptsFolder) -> None:
    committed = IdSet(ROWS)
    committed.add(np.arange(ROWS))
    assert PlannedIndex(prompts, committed).find(rows_of(0, 5)).num_rows == 0
