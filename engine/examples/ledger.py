"""The ledger of the examples step: every generated sample is open, or rejected with one reason.

In: the folders of samples and documents. Out: `kept.parquet` and `rejected.parquet`. In between, each filter looks at
the rows that are still open and rejects some of them; what is open at the end is kept. Rows are in `sample_id` order,
so what a filter does depends on ids only, never on blocks, workers or order of arrival.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, EXAMPLES
from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError, UserError
from engine.examples.filters.chain import FILTERS

Rows = npt.NDArray[np.int64]
"""Row numbers of a ledger."""

SETTINGS = {row_filter.name: row_filter.setting for row_filter in FILTERS} | {
    "exact_duplicate": "examples.dedup.exact",
    "near_duplicate": "examples.dedup.threshold",
    "round_trip": "examples.round_trip.top_k",
    "max_per_passage": "examples.max_per_passage",
}
"""Every reason for a rejection, in the order of the filters, and the setting that makes it rarer."""

_ROWS_AT_ONCE = 50_000


class Ledger:
    """Every generated sample in `sample_id` order: open, or rejected with a reason.

    Args:
        samples: columns sample_id, passage_id, document_id, passage_row, text, logprob, finish_reason, condition_*.
        passages: what encoders read of each passage, by `passage_row`; joined only when written, slice by slice.
    """

    def __init__(self, samples: pa.Table, passages: pa.Array) -> None:
        self.samples, self.passages = samples, passages
        self.ids: Rows = samples["sample_id"].to_numpy()
        if not (np.diff(self.ids) > 0).all():
            raise BrokenInvariantError("samples are not in the order of their ids, each once")
        self.reasons = np.full(len(samples), "", dtype=object)
        self.details = np.full(len(samples), "", dtype=object)
        self.ranks = np.zeros(len(samples), np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    def set_queries(self, queries: pa.ChunkedArray) -> None:
        """Puts the cleaned queries, one per row, in the place of what models wrote, which nothing reads afterwards."""
        self.samples = self.samples.drop_columns(["text", "finish_reason"]).append_column("query", queries)

    def open(self) -> Rows:
        """Rows that nothing has rejected yet."""
        return np.flatnonzero(self.reasons == "")

    def column(self, name: str, rows: Rows) -> pa.Array:
        """One column of the chosen rows."""
        return self.samples[name].take(pa.array(rows)).combine_chunks()

    def reject(self, rows: Rows, reason: str, details: Sequence[str]) -> None:
        """Rejects open rows for one reason, each with a detail of its own."""
        assert reason in SETTINGS, f"no setting is known for the reason {reason!r}"
        if (self.reasons[rows] != "").any():
            raise BrokenInvariantError(f"{reason} rejects a row that is rejected already")
        self.reasons[rows] = reason
        self.details[rows] = details

    def rejected(self) -> dict[str, int]:
        """Number of rejected samples by reason, in the order of the filters."""
        counts = Counter(self.reasons.tolist())
        return {reason: counts[reason] for reason in SETTINGS if counts[reason]}

    def require_some(self) -> None:
        """Refuses to go on when nothing is left.

        Raises:
            UserError: every sample is rejected; it names the reasons, and the setting behind the most frequent one.
        """
        rejected = self.rejected()
        if sum(rejected.values()) < len(self):
            return
        most = max(rejected, key=lambda reason: rejected[reason])
        listed = ", ".join(f"{reason} {count:,}" for reason, count in rejected.items())
        what = f"none of {len(self):,} generated samples is kept (rejected: {listed})"
        raise UserError(what, where="examples", remedy=f"most fail at {most}: change {SETTINGS[most]}")


def open_ledger(samples: SamplesFolder, documents: DocumentsFolder) -> Ledger:
    """Joins every generated sample with its passage; samples that failed are counted in their own step.

    Raises:
        UserError: all samples failed.
    """
    import pyarrow.compute as pc

    planned = samples.rows()
    generated = planned.filter(pc.equal(planned["status"], "generated")).combine_chunks()
    if not len(generated):
        what = f"all {len(planned):,} samples failed, the first with: {planned['error'][0]}"
        raise UserError(what, where="samples", remedy="mend that, then run the same command again")
    passages = documents.passages(["passage_id", "document_id", "title", "text"])
    passage_rows = pc.index_in(generated["passage_id"], passages["passage_id"])
    if passage_rows.null_count:
        raise BrokenInvariantError("a sample's passage is not among the documents")
    conditions = [name for name in generated.column_names if name.startswith(CONDITION_PREFIX)]
    rows = generated.select(["sample_id", "passage_id", "text", "logprob", "finish_reason", *conditions])
    rows = rows.append_column("document_id", passages["document_id"].take(passage_rows))
    texts = map(passage_text, passages["title"].to_pylist(), passages["text"].to_pylist())
    # A string array ends at 2 GiB; a collection may be larger.
    return Ledger(rows.append_column("passage_row", passage_rows), pa.array(texts, pa.large_string()))


def write_examples(ledger: Ledger, folder: Path, split_of: Callable[[str], str]) -> Counter[str]:
    """Writes `kept.parquet` and `rejected.parquet`.

    Args:
        ledger: every row is kept or rejected; nothing is rejected afterwards.
        folder: the output of the step.
        split_of: gives the split of a document id.

    Returns:
        Number of kept rows by split.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    splits: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        kept, rejected = (
            stack.enter_context(pq.ParquetWriter(folder / file, _schema(ledger), compression="zstd"))
            for file in (KEPT_FILE, REJECTED_FILE)
        )
        for table in tables(ledger, split_of):
            is_kept = pc.equal(table["reason"], "")
            kept_rows = table.filter(is_kept)
            kept.write_table(kept_rows)
            rejected.write_table(table.filter(pc.invert(is_kept)))
            splits.update(kept_rows["split"].to_pylist())
    return splits


def tables(ledger: Ledger, split_of: Callable[[str], str]) -> Iterator[pa.Table]:
    """Yields all rows, slice by slice, with the columns `columns.EXAMPLES` and the conditions."""
    schema = _schema(ledger)
    splits = {document_id: split_of(document_id) for document_id in ledger.samples["document_id"].unique().to_pylist()}
    for start in range(0, len(ledger), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        samples = ledger.samples[part]
        joined = {
            "passage": ledger.passages.take(samples["passage_row"].combine_chunks()).cast(pa.string()),
            "split": pa.array([splits[name] for name in samples["document_id"].to_pylist()], pa.string()),
            "reason": pa.array(ledger.reasons[part], pa.string()),
            "detail": pa.array(ledger.details[part], pa.string()),
            "round_trip_rank": pa.array(ledger.ranks[part]),
        }
        columns = {name: joined[name] if name in joined else samples[name] for name in schema.names}
        yield pa.table(columns, schema=schema)


def _schema(ledger: Ledger) -> pa.Schema:
    conditions = (column for column in ledger.samples.schema if column.name.startswith(CONDITION_PREFIX))
    return pa.schema([*EXAMPLES, *conditions])
