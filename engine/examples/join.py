"""Every generated sample beside its passage: what a ledger is opened with.

In: the folders of samples and documents. Out: a Ledger, and where in the parts its samples stand. Of a sample only what
is a number is read here; its text stays in its part until a worker judges it. The passages' texts are written once,
uncompressed, where all workers of the step read them (engine/storage/texts.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError, UserError
from engine.examples.ledger import Ledger, Passages
from engine.filters.blocks import Blocks, RowGroup
from engine.storage.texts import Texts, TextWriter

_ROWS_AT_ONCE = 1 << 20
"""The samples whose passages are looked up together, since each look-up goes through the ids of all passages once."""
_PASSAGES_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class Joined:
    """The samples of a run, ready to be judged."""

    ledger: Ledger
    blocks: Blocks
    """The same samples in the order of the parts."""


def join_samples(samples: SamplesFolder, documents: DocumentsFolder, scratch: Path) -> Joined:
    """Joins every generated sample with its passage; samples that failed are counted in their own step.

    Args:
        samples: a finished folder.
        documents: the passages.
        scratch: a folder that workers can read; what is written there is needed for as long as the ledger is.

    Raises:
        UserError: all samples failed.
    """
    ids = documents.passages(["passage_id", "document_id"])
    passage_ids, document_ids = (ids[name].combine_chunks() for name in ("passage_id", "document_id"))
    groups: list[RowGroup] = []
    rows = pa.concat_tables(_with_passages(_generated(samples, groups), passage_ids)).unify_dictionaries()
    if not len(rows):
        raise _all_failed(samples)
    passage_texts = scratch / "passages"
    write_passage_texts(documents, passage_texts)
    order = pa.array(np.argsort(rows["sample_id"].to_numpy(), kind="stable"))
    in_order = {name: rows[name].combine_chunks().take(order) for name in rows.column_names}
    passages = Passages(passage_ids, document_ids, Texts(passage_texts))
    blocks = Blocks(groups, rows["sample_id"].to_numpy(), rows["passage_row"].to_numpy(), passage_texts)
    return Joined(Ledger(pa.table(in_order), passages), blocks)


def _generated(samples: SamplesFolder, groups: list[RowGroup]) -> Iterator[pa.Table]:
    """Reads generated samples without their texts, a row group at a time, each of which is noted in `groups`."""
    for part in samples.parts():
        with pq.ParquetFile(part, pre_buffer=False) as file:
            conditions = [name for name in file.schema_arrow.names if name.startswith(CONDITION_PREFIX)]
            for index in range(file.num_row_groups):
                table = file.read_row_group(index, ["sample_id", "passage_id", "status", "logprob", *conditions])
                rows = table.filter(pc.equal(table["status"], "generated"))
                groups.append(RowGroup(part, index, rows.num_rows))
                columns = {name: rows[name] for name in ("sample_id", "passage_id", "logprob")}
                yield pa.table(columns | {name: rows[name].dictionary_encode() for name in conditions})


def _with_passages(tables: Iterator[pa.Table], passage_ids: pa.Array) -> Iterator[pa.Table]:
    """Puts the number of each sample's passage in the place of its id."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(rows.num_rows for rows in waiting) >= _ROWS_AT_ONCE:
            yield _numbered(waiting, passage_ids)
            waiting = []
    if waiting:
        yield _numbered(waiting, passage_ids)


def _numbered(tables: list[pa.Table], passage_ids: pa.Array) -> pa.Table:
    table = pa.concat_tables(tables)
    numbers = pc.index_in(table["passage_id"], value_set=passage_ids)
    if numbers.null_count:
        raise BrokenInvariantError("a sample's passage is not among the documents")
    return table.drop_columns(["passage_id"]).append_column("passage_row", numbers.cast(pa.int64()))


def write_passage_texts(documents: DocumentsFolder, file: Path) -> None:
    """Writes what encoders read of each passage, for `Texts`."""
    with TextWriter(file) as writer:
        for batch in documents.stream(["title", "text"], _PASSAGES_AT_ONCE):
            titles, texts = (column.to_pylist() for column in batch.columns)
            writer.add(pa.array(map(passage_text, titles, texts), pa.large_string()))


def _all_failed(samples: SamplesFolder) -> UserError:
    failed = pa.concat_tables([pq.read_table(part, columns=["sample_id", "error"]) for part in samples.parts()])
    first = failed["error"][int(np.argmin(failed["sample_id"].to_numpy()))]
    what = f"all {len(failed):,} samples failed, the first with: {first}"
    return UserError(what, where="samples", remedy="mend that, then run the same command again")
