"""The ledger of a curation: every generated sample, kept or rejected and why; and the filters that see all rows.

In: rows in `sample_id` order with the verdicts of the row-wise filters. Out: the same rows, each kept or rejected with
one reason. A global filter looks at the rows that are still open and at ids, never at their order of arrival.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, EXAMPLES
from engine.errors import UserError
from engine.examples.filters.contract import REGISTRY

Ints = npt.NDArray[np.int64]


_ROWS_AT_ONCE = 50_000


SETTINGS = {name: entry.setting for name, entry in REGISTRY.items()} | {
    "exact_duplicate": "examples.dedup.exact",
    "near_duplicate": "examples.dedup.threshold",
    "round_trip": "examples.round_trip.top_k",
    "max_per_passage": "examples.max_per_passage",
}
"""Every reason for a rejection, in the order of the filters, and the setting that makes it rarer."""


class Curation:
    """All generated samples in `sample_id` order, with the verdicts so far.

    Args:
        rows: columns sample_id, passage_id, document_id, passage_row, query, logprob, reason, detail, condition_*.
        passages: what encoders read, by `passage_row`; joined only when written, slice by slice.
    """

    def __init__(self, rows: pa.Table, passages: pa.Array) -> None:
        self.rows, self.passages = rows, passages
        self.ids: Ints = rows["sample_id"].to_numpy()
        assert (np.diff(self.ids) > 0).all(), "samples are not in the order of their ids"
        self.reasons = np.array(rows["reason"].to_pylist(), dtype=object)
        self.details = np.array(rows["detail"].to_pylist(), dtype=object)
        self.ranks = np.zeros(len(rows), np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    def open(self) -> Ints:
        """Rows that nothing has rejected yet."""
        return np.flatnonzero(self.reasons == "")

    def column(self, name: str, rows: Ints) -> pa.Array:
        """One column of chosen rows."""
        return self.rows[name].take(pa.array(rows)).combine_chunks()

    def reject(self, rows: Ints, reason: str, details: Sequence[str]) -> None:
        """Rejects `rows`; each gets its own detail."""
        assert reason in SETTINGS, f"no setting is known for the reason {reason!r}"
        self.reasons[rows] = reason
        self.details[rows] = details

    def counts(self) -> dict[str, int]:
        """Rejected samples by reason, in the order of the filters."""
        found = Counter(self.reasons.tolist())
        return {reason: found[reason] for reason in SETTINGS if found[reason]}

    def require_some(self) -> None:
        """Raises a UserError that names the reasons when nothing is left."""
        counts = self.counts()
        if sum(counts.values()) < len(self):
            return
        most = max(counts, key=lambda reason: counts[reason])
        listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
        what = f"none of {len(self):,} generated samples is kept (rejected: {listed})"
        raise UserError(what, where="examples", remedy=f"most fail at {most}: change {SETTINGS[most]}")

    def write(self, output: Path, seed: int, validation_share: float) -> Counter[str]:
        """Writes `kept.parquet` and `rejected.parquet`.

        Returns:
            How many kept rows each split has.
        """
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        splits: Counter[str] = Counter()
        with contextlib.ExitStack() as stack:
            kept, rejected = (
                stack.enter_context(pq.ParquetWriter(output / f"{name}.parquet", self._schema(), compression="zstd"))
                for name in ("kept", "rejected")
            )
            for table in self.tables(seed, validation_share):
                is_kept = pc.equal(table["reason"], "")
                kept.write_table(chosen := table.filter(is_kept))
                rejected.write_table(table.filter(pc.invert(is_kept)))
                splits.update(chosen["split"].to_pylist())
        return splits

    def tables(self, seed: int, validation_share: float) -> Iterator[pa.Table]:
        """All rows, slice by slice, as records.EXAMPLES with the condition columns."""
        names = self.rows["document_id"].unique().to_pylist()
        split_of = {name: draw_split(name, seed, validation_share) for name in names}
        for start in range(0, len(self), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            rows = self.rows[part]
            made = {
                "passage": self.passages.take(rows["passage_row"].combine_chunks()).cast(pa.string()),
                "split": pa.array([split_of[name] for name in rows["document_id"].to_pylist()], pa.string()),
                "reason": pa.array(self.reasons[part], pa.string()),
                "detail": pa.array(self.details[part], pa.string()),
                "round_trip_rank": pa.array(self.ranks[part]),
            }
            columns = {name: made[name] if name in made else rows[name] for name in self._schema().names}
            yield pa.table(columns, schema=self._schema())

    def _schema(self) -> pa.Schema:
        return pa.schema(
            [*EXAMPLES, *(column for column in self.rows.schema if column.name.startswith(CONDITION_PREFIX))]
        )


def draw_split(document_id: str, seed: int, validation_share: float) -> str:
    """`train` or `validation`, drawn by hash, so that a document's split never depends on the others."""
    drawn = hashlib.sha256(f"{seed}:{document_id}".encode("utf-8", "surrogatepass")).digest()
    return "validation" if int.from_bytes(drawn[:8]) < validation_share * 2**64 else "train"
