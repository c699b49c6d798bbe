"""What a tracker is told of a step's result beside its figures: texts to read, and the folders of report and model.

In: a step that was made just now. Out: tables of samples and of kept and rejected examples, some rows of each; report
and model as artifacts, by fingerprint, with those of what they were made from. Parts of a run (a judge's samples, the
models of a learning curve) are figures only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.artifacts.samples import SamplesFolder
from engine.runtime.tracking import Finished

if TYPE_CHECKING:
    from engine.runtime.step import Step
    from engine.runtime.tracking import Tracker, TrackingConfig

_ARTIFACTS = ("model", "report", "chunk_sizes", "learning_curve", "stages")
"""The nouns whose folders a person wants to have elsewhere."""
_PARTS = 20
"""Parts that rows are taken from at most."""
_SHOWN = (
    *("sample_id", "passage_id", "document_id", "model", "status", "error", "text", "query", "split", "reason"),
    *("detail", "round_trip_rank", "logprob", "prompt_tokens", "output_tokens", "finish_reason"),
)
"""The columns that tell a person something, in this order, as far as a table has them; before conditions and fields."""
_PREFIXES_SHOWN = (CONDITION_PREFIX, "field_")


def track_result(step: Step, folder: Path, tracker: Tracker, config: TrackingConfig) -> None:
    """Tells a tracker of the folder that a step has just made.

    Args:
        step: the step.
        folder: what it made.
        tracker: is told.
        config: how many rows, and whether files.
    """
    if step.part_of:
        return
    if config.table_rows and step.noun == "samples":
        parts = SamplesFolder(folder).parts()
        chosen = parts[:: max(1, math.ceil(len(parts) / _PARTS))]
        each = math.ceil(config.table_rows / len(chosen)) if chosen else 0
        rows = itertools.chain.from_iterable(_first_rows(part, each) for part in chosen)
        _track_table(tracker, step.noun, "table", itertools.islice(rows, config.table_rows))
    if config.table_rows and step.noun == "examples":
        for file in (KEPT_FILE, REJECTED_FILE):
            name = file.partition(".")[0]
            _track_table(tracker, step.noun, name, _first_rows(folder / file, config.table_rows))
    if config.artifacts and step.noun in _ARTIFACTS:
        inputs = {source.key: source.fingerprint for source in step.inputs}
        tracker.artifact(Finished(step.entry, folder, step.fingerprint, inputs))


def _track_table(tracker: Tracker, noun: str, name: str, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        columns = list(listed[0])
        tracker.table(noun, name, columns, [[_plain(row[column]) for column in columns] for row in listed])


def _first_rows(file: Path, count: int) -> Iterator[dict[str, Any]]:
    """Reads the first rows of a table, and of them what tells a person something."""
    with pq.ParquetFile(file, pre_buffer=False) as table:
        columns = _shown(table.schema_arrow)
        batch = next(table.iter_batches(count, columns=columns), None)
    if batch is not None:
        yield from batch.select(columns).to_pylist()


def _shown(schema: pa.Schema) -> list[str]:
    known = [name for name in _SHOWN if name in schema.names]
    return [*known, *(name for name in schema.names if name.startswith(_PREFIXES_SHOWN))]


def _plain(value: object) -> object:
    """Returns a value as every tracker takes it: a text, a finite number or nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
