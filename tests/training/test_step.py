"""The driver's side of training: which rows, how many workers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.errors import UserError
from training.config import ModelConfig
from training.step import read_rows
from training.workers.launch import choose_crew

PLACE: Any = SimpleNamespace(num_cpus=2)


def test_only_kept_examples_of_the_training_split_are_read(tmp_path: Path) -> None:
    blank = {name: "" if pa.types.is_string(EXAMPLES.field(name).type) else 0 for name in EXAMPLES.names}
    rows = [{**blank, "sample_id": i, "query": f"q{i}", "split": "train" if i % 3 else "validation"} for i in range(9)]
    pq.write_table(pa.Table.from_pylist(rows, schema=EXAMPLES), tmp_path / "kept.parquet")
    assert read_rows(tmp_path)["query"].to_pylist() == [f"q{i}" for i in range(9) if i % 3]


def test_workers_divide_the_batch(ray_session: None) -> None:
    assert choose_crew(ModelConfig(seed=0), PLACE).size == 1, "one worker on CPU unless asked"
    crew = choose_crew(ModelConfig(seed=0, num_workers=2, batch_size=32), PLACE)
    assert (crew.size, crew.threads, crew.use_gpu) == (2, 1, False)
    with pytest.raises(UserError, match="99 training workers do not fit"):
        choose_crew(ModelConfig(seed=0, num_workers=99, batch_size=99), PLACE)
