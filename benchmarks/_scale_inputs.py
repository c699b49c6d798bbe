"""What benchmarks/scale.py measures on: passages and samples of random words.

In: how many. Out: a documents folder, and a samples folder for a plan, as the steps leave them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX, PASSAGES, SAMPLES
from engine.artifacts.documents import PASSAGES_FILE
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.generation.config import GeneratorKind
from engine.samples.config import SamplesConfig
from engine.storage.parts import write_part
from engine.storage.parts_log import PartsLog

TEXT_BYTES, WORD_BYTES = 200, 8
"""A text is words of seven letters and a space."""
ROWS_AT_ONCE, VOCABULARY = 1 << 16, 20_000
SAMPLES_CONFIG = SamplesConfig(generator=GeneratorKind.fake, seed=0)


def write_documents(root: str, passages: int) -> None:
    """Writes passages of one document each."""
    folder = Path(root) / "documents"
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / PASSAGES_FILE, PASSAGES, compression="zstd") as writer:
        for start in range(0, passages, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, passages - start)
            ids = pa.array([f"document-{number}" for number in range(start, start + count)])
            zeros = pa.array(np.zeros(count, np.int32))
            titles = pa.array([""] * count)
            columns = [ids, ids, titles, _texts(count, seed=start), zeros, zeros]
            writer.write_table(pa.table(columns, schema=PASSAGES))


def write_samples(root: str, size: int) -> None:
    """Writes a sample for each planned row, in parts of 65,536 rows, as engines commit them but larger."""
    folder = Path(root) / str(size)
    output, prompts = folder / "samples" / "first", PromptsFolder(folder / "prompts")
    shutil.rmtree(folder / "samples", ignore_errors=True)
    output.mkdir(parents=True)
    parts = PartsLog.take_over(output, size_of(prompts.plan_files()))
    for number, rows in enumerate(prompts.stream()):
        count = rows.num_rows
        given: dict[str, object] = {
            "status": "generated",
            "text": _texts(count, seed=number),
            "input_hash": "0123456789abcdef",
            "prompt_hash": "0123456789abcdef",
            "prompt_tokens": 200,
            "output_tokens": 40,
            "finish_reason": "stop",
            "attempt": 1,
            "model": "a model",
        }
        conditions = [field for field in rows.schema if field.name.startswith(CONDITION_PREFIX)]
        schema = pa.schema([*SAMPLES, *conditions])
        columns = [_column(field, given, rows) for field in schema]
        write_part(parts.new_part("e0"), pa.table(columns, schema=schema))
        parts.list_new()


def _column(field: pa.Field, given: Mapping[str, object], rows: pa.Table) -> pa.Array | pa.ChunkedArray:
    if field.name in given and isinstance(given[field.name], pa.Array):
        return given[field.name]
    if field.name in rows.column_names and field.name != "prompt_tokens":
        return rows[field.name]
    empty = "" if pa.types.is_string(field.type) else 0
    return pa.repeat(pa.scalar(given.get(field.name, empty), field.type), rows.num_rows)


def _texts(count: int, seed: int) -> pa.Array:
    """Texts of random words, made as one piece of memory."""
    rng = np.random.default_rng(seed)
    words = rng.integers(ord("a"), ord("z") + 1, size=(VOCABULARY, WORD_BYTES), dtype=np.uint8)
    words[:, -1] = ord(" ")
    chosen = words[(rng.random((count, TEXT_BYTES // WORD_BYTES)) ** 2 * VOCABULARY).astype(np.int64)]
    offsets = np.arange(count + 1, dtype=np.int32) * TEXT_BYTES
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(chosen.tobytes()))
