"""The ledger of the examples step: every generated sample is open, or rejected with one reason.

In: generated samples, joined with their passages (engine/examples/join.py). Out: `kept.parquet` and
`rejected.parquet`. In between, each filter looks at the rows that are still open and rejects some of them; what is open
at the end is kept. Rows are in `sample_id` order, so what a filter does depends on ids only, never on blocks, workers
or order of arrival. The ledger is columns of numbers, a few dozen bytes a sample; texts are read from the disk.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, EXAMPLES
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.errors import BrokenInvariantError, UserError
from engine.filters.chain import FILTERS
from engine.storage.texts import ChosenTexts, TextColumn

Rows = npt.NDArray[np.int64]
"""The row numbers of a ledger."""

SETTINGS = {row_filter.name: row_filter.setting for row_filter in FILTERS} | {
    "information": "examples.filters.min_information",
    "judge": "judge.rubrics.NAME.threshold, or examples.filters.judge",
    "exact_duplicate": "examples.dedup.exact",
    "near_duplicate": "examples.dedup.threshold",
    "round_trip": "examples.round_trip.top_k",
    "max_per_passage": "examples.max_per_passage",
}
"""Every reason for a rejection, in the order of the filters, and the setting that makes it rarer."""

_ROWS_AT_ONCE = 1 << 14
"""The rows that are written at a time, with their passages as strings, which end at 2 GiB."""
_NAMES = ("", *SETTINGS)
"""The reasons by their number; a row that nothing has rejected has the number 0."""


@dataclass(frozen=True, eq=False)
class Passages:
    """The passages of a run, by their number."""

    passage_ids: TextColumn
    document_ids: TextColumn
    texts: TextColumn
    """The title and the text of each passage, as encoders read them."""


class Ledger:
    """Every generated sample in `sample_id` order: open, or rejected with a reason.

    Args:
        samples: columns sample_id, passage_row, logprob, condition_*.
        passages: what `passage_row` points to; joined only when written, slice by slice.
    """

    def __init__(self, samples: pa.Table, passages: Passages) -> None:
        self.samples, self.passages = samples, passages
        self.ids: Rows = samples["sample_id"].to_numpy()
        if not (np.diff(self.ids) > 0).all():
            raise BrokenInvariantError("samples are not in the order of their ids, each once")
        self.passage_rows: Rows = samples["passage_row"].to_numpy()
        self.ranks = np.zeros(len(samples), np.int32)
        self._places: Rows = np.empty(0, np.int64)
        self._queries: TextColumn = pa.array([], pa.large_string())
        self._reasons = np.zeros(len(samples), np.uint8)
        self._details: list[tuple[Rows, pa.Array]] = []

    def __len__(self) -> int:
        return len(self.ids)

    def set_queries(self, queries: TextColumn, places: Rows) -> None:
        """Takes the cleaned queries of all samples, in any order, and the number of each row's query among them."""
        assert len(queries) == len(places) == len(self), "a query for each sample"
        self._queries, self._places = queries, places

    def open(self) -> Rows:
        """Returns the rows that nothing has rejected yet."""
        return np.flatnonzero(self._reasons == 0)

    def queries(self, rows: Rows) -> ChosenTexts:
        """Returns the queries of some rows, which are read when they are taken."""
        return ChosenTexts(self._queries, self._places[rows])

    def passage_ids(self, rows: Rows) -> ChosenTexts:
        """Returns the ids of the passages of some rows."""
        return ChosenTexts(self.passages.passage_ids, self.passage_rows[rows])

    def reject(self, rows: Rows, reason: str, details: Sequence[str] | pa.Array) -> None:
        """Rejects open rows for one reason, each with a detail of its own."""
        assert reason in SETTINGS, f"no setting is known for the reason {reason!r}"
        if self._reasons[rows].any():
            raise BrokenInvariantError(f"{reason} rejects a row that is rejected already")
        self._reasons[rows] = _NAMES.index(reason)
        self._details.append((rows, pa.array(details, pa.string())))

    def reasons(self, part: slice = slice(None)) -> pa.Array:
        """Returns the reason of each row; empty where it is open."""
        return pa.array(_NAMES, pa.string()).take(pa.array(self._reasons[part]))

    def details(self) -> tuple[Rows, pa.Array]:
        """Returns the rejected rows in their order, and the detail of each."""
        rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in self._details)])
        texts = pa.chunked_array([texts for _, texts in self._details], pa.string()).cast(pa.large_string())
        order = np.argsort(rows)
        return rows[order], texts.combine_chunks().take(pa.array(order))

    def rejected(self) -> dict[str, int]:
        """Counts the rejected samples by reason, in the order of the filters."""
        counts = np.bincount(self._reasons, minlength=len(_NAMES)).tolist()
        return {reason: count for reason, count in zip(_NAMES[1:], counts[1:], strict=True) if count}

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


def write_examples(ledger: Ledger, folder: Path, split_of: Callable[[str], str]) -> Counter[str]:
    """Writes `kept.parquet` and `rejected.parquet`.

    Args:
        ledger: every row is kept or rejected; nothing is rejected afterwards.
        folder: the output of the step.
        split_of: gives the split of a document id.

    Returns:
        The number of kept rows by split.
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
    schema, passages = _schema(ledger), ledger.passages
    rejected, details = ledger.details()
    for start in range(0, len(ledger), _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(ledger)))
        part, passage_rows = slice(start, start + len(rows)), pa.array(ledger.passage_rows[rows])
        document_ids = passages.document_ids.take(passage_rows)
        first, last = np.searchsorted(rejected, [start, start + len(rows)])
        detail = np.full(len(rows), "", object)
        detail[rejected[first:last] - start] = details[first:last].to_pylist()
        joined = {
            "passage_id": passages.passage_ids.take(passage_rows),
            "document_id": document_ids,
            "query": ledger.queries(rows).take(pa.array(np.arange(len(rows)))),
            "passage": passages.texts.take(passage_rows),
            "split": pa.array([split_of(name) for name in document_ids.to_pylist()], pa.string()),
            "reason": ledger.reasons(part),
            "detail": pa.array(detail, pa.string()),
            "round_trip_rank": pa.array(ledger.ranks[part]),
        }
        samples = ledger.samples[part]
        columns = {name: joined[name] if name in joined else samples[name] for name in schema.names}
        yield pa.table({name: column.cast(schema.field(name).type) for name, column in columns.items()}, schema=schema)


def _schema(ledger: Ledger) -> pa.Schema:
    names = (name for name in ledger.samples.column_names if name.startswith(CONDITION_PREFIX))
    return pa.schema([*EXAMPLES, *(pa.field(name, pa.string()) for name in names)])
