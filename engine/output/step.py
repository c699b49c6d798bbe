"""The output step joins every row of a file of prompts with its answer, in the order of the file.

In: the rows folder and the samples about it. Out: an output folder (engine/artifacts/output.py). Samples lie in the
order in which engines finished them; they are sorted through files, each of some tens of thousands of rows or fewer
long ones, so that memory depends on neither the rows nor the answers.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.output import OutputFolder, OutputRecord
from engine.artifacts.rows import COLUMN, JSON, ROW_ID, JoinableRows, RowsFolder
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError
from engine.output.config import OutputConfig
from engine.storage.parts import row_groups
from engine.storage.tables import with_large_texts

if TYPE_CHECKING:
    from engine.runtime.place import Place

_BUCKET_ROWS = 1 << 16
"""Rows of the file whose answers are sorted at a time ..."""
_MOST_BUCKETS = 256
"""... or more, where there would be too many files."""
_BUCKET_BYTES = 256 << 20
"""About so many bytes of answers are sorted at a time at most."""
_PIECE_BYTES = 128 << 20
"""About so many bytes of answers are joined with their rows at a time at most."""
_READ_ROWS = 1 << 14
_PLACE = "place"
"""The column by which answers are sorted: the place of their row in the file."""
_ANSWER = {"text": "answer"} | {
    name: name for name in ("error", "finish_reason", "prompt_tokens", "output_tokens", "logprob", "model")
}
"""The columns of a sample that are shown, and what they are called."""
_DIGITS = 4
"""Digits of a log-probability after the point."""
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")
"""Streams, and not Parquet, whose writers remember every piece until they are closed."""
_OF_TURNS = ("turn_", "reasoning_", "field_", "score_")


def write_output(config: OutputConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> OutputRecord:  # noqa: ARG001
    """Writes every row with its answers.

    Args:
        config: how many answers a row has.
        inputs: the rows and the samples.
        output: becomes an output folder.
        place: where the step runs.

    Raises:
        BrokenInvariantError: a row has more or fewer answers than were planned.
    """
    rows, folder = RowsFolder(inputs["rows"]), OutputFolder(output)
    joinable = rows.joinable()
    written = failed = number = 0
    with tempfile.TemporaryDirectory(dir=output, prefix="sorting-") as scratch:
        buckets = _sort_into_buckets(SamplesFolder(inputs["samples"]), joinable, rows.num_rows(), Path(scratch))
        for bucket in buckets:
            answers = _read(bucket).sort_by([(_PLACE, "ascending"), ("replicate", "ascending")])
            places = answers[_PLACE].to_numpy()
            if len(wrong := np.flatnonzero(places != (written + np.arange(len(places))) // config.per_row)):
                what = f"around row {places[wrong[0]] + 1} of the file answers are missing, or there are too many"
                raise BrokenInvariantError(what)
            rows_at_once = min(joinable.rows_at_once, max(1, _PIECE_BYTES * answers.num_rows // answers.nbytes))
            for first in range(0, answers.num_rows, rows_at_once):
                some = answers.slice(first, rows_at_once)
                folder.write_part(number, _joined(some, joinable, with_replicate=config.per_row > 1))
                number += 1
            written += answers.num_rows
            failed += pc.sum(pc.equal(answers["status"], "failed")).as_py() or 0
    if written != rows.num_rows() * config.per_row:
        raise BrokenInvariantError(f"{rows.num_rows()} rows have {written} answers, {config.per_row} each were planned")
    as_json = [name.removeprefix(JSON) for name in pq.read_schema(rows.file).names if name.startswith(JSON)]
    return OutputRecord(rows=written, answered=written - failed, failed=failed, as_json=as_json)


def _sort_into_buckets(samples: SamplesFolder, rows: JoinableRows, num_rows: int, scratch: Path) -> Iterator[Path]:
    """Writes answers into files by the place of their rows, and gives those files in the order of the rows."""
    bytes_of_row = max(1, _size(samples) // num_rows)
    bucket_rows = max(min(_BUCKET_ROWS, 1 + _BUCKET_BYTES // bytes_of_row), -(-num_rows // _MOST_BUCKETS))
    writers: dict[int, pa.RecordBatchStreamWriter] = {}
    with contextlib.ExitStack() as stack:
        for table in row_groups(samples.parts(), _READ_ROWS):
            places = rows.numbers(table["passage_id"].to_pylist())
            answers = table.replace_schema_metadata(None).append_column(_PLACE, pa.array(places))
            of_bucket = places // bucket_rows
            for bucket in np.unique(of_bucket).tolist():
                if bucket not in writers:
                    sink = stack.enter_context(pa.OSFile(str(scratch / f"{bucket:05d}.arrow"), "wb"))
                    writers[bucket] = stack.enter_context(pa.ipc.new_stream(sink, answers.schema, options=_COMPRESSED))
                writers[bucket].write_table(answers.filter(pa.array(of_bucket == bucket)))
    yield from sorted(scratch.glob("*.arrow"))


def _size(samples: SamplesFolder) -> int:
    """Returns about how many bytes all samples are in memory, from the footers of their parts."""
    footers = (pq.read_metadata(part) for part in samples.parts())
    return sum(footer.row_group(group).total_byte_size for footer in footers for group in range(footer.num_row_groups))


def _read(bucket: Path) -> pa.Table:
    with pa.OSFile(str(bucket), "rb") as source, pa.ipc.open_stream(source) as reader:
        return with_large_texts(reader.read_all())


def _joined(answers: pa.Table, rows: JoinableRows, *, with_replicate: bool) -> pa.Table:
    """Returns rows with their own columns and their answers.

    Args:
        answers: samples with the place of their rows, in the order of these.
        rows: the rows.
        with_replicate: whether rows have several answers, which are then numbered.
    """
    own = rows.take(answers[_PLACE].to_numpy())
    if not pc.all(pc.equal(own[ROW_ID], answers["passage_id"])).as_py():
        raise BrokenInvariantError("two rows have ids of the same hash")
    own_columns = {_own_name(name): own[name] for name in own.column_names if name.startswith((COLUMN, JSON))}
    columns = {_free(ROW_ID, list(own_columns)): own[ROW_ID], **own_columns}
    shown = {"replicate": "replicate"} if with_replicate else {}
    shown |= _ANSWER | {name: name for name in answers.column_names if name.startswith(_OF_TURNS)}
    is_answer = pc.equal(answers["status"], "generated")
    for name, title in shown.items():
        values = answers[name]
        if name == "logprob":
            values = pc.round(values.cast(pa.float64()), _DIGITS)
        if name == "text":
            values = pc.if_else(is_answer, values, pa.scalar(None, values.type))
        columns[_free(title, list(columns))] = values
    return _with_plain_texts(pa.table(columns))


def _own_name(name: str) -> str:
    return name.removeprefix(JSON if name.startswith(JSON) else COLUMN)


def _free(name: str, taken: Sequence[str]) -> str:
    """Returns a name that no column has: a row's own columns keep theirs."""
    while name in taken:
        name = f"answer_{name}"
    return name


def _with_plain_texts(table: pa.Table) -> pa.Table:
    fields = [pa.field(f.name, pa.string()) if pa.types.is_large_string(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))
