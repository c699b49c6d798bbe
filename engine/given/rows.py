"""Rows of given examples on their way through the disk: staged as they are read, then written with their side.

In: examples one by one. Out: `kept.parquet` and `rejected.parquet` of an examples folder.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.artifacts.forms import COLUMNS, FIELDS, LABELS, SCORE, WEIGHT, Form, given_schema
from engine.errors import UserError
from engine.given.scale import Scale
from engine.given.source import KEY
from engine.given.split import RowHashes, Sides
from engine.given.split_names import HELD_OUT, TRAIN
from engine.given.values import Example

_ROWS_AT_ONCE, _CHARACTERS_AT_ONCE = 4096, 16 << 20
"""So many rows are in memory, or fewer long ones."""
_MOST_LABELS = 10_000
"""A column with more different values than this holds no labels."""
OFF_SCALE, LEAK = "score off the scale", "shares a text or a query with held-out rows"
"""Reasons that are known only when all rows are."""


class StagedRows:
    """All rows in the order of the files, in a file of their own until their sides are known.

    Args:
        folder: where the file may lie.
        form: of the rows.
        weighted: whether rows say how much they count.
    """

    def __init__(self, folder: Path, form: Form, *, weighted: bool = False) -> None:
        self.form, self.weighted, self.hashes = form, weighted, RowHashes()
        self.lowest, self.highest = float("inf"), float("-inf")
        self._schema = pa.schema(
            [
                ("place", pa.string()),
                ("document", pa.string()),
                ("reason", pa.string()),
                ("text_hash", pa.uint64()),
                *((name, pa.float64() if name == SCORE else FIELDS[name]) for name in COLUMNS[form]),
                *([(WEIGHT, pa.float64())] if weighted else []),
            ]
        )
        self._file = folder / "rows.parquet"
        self._writer = pq.ParquetWriter(self._file, self._schema)
        self._waiting: list[dict[str, object]] = []
        self._characters = 0

    def __enter__(self) -> StagedRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, place: str, example: Example) -> None:
        """Adds a row."""
        hashed = 0
        if not example.reason:
            hashed = self.hashes.add(example)
            score = example.values.get(SCORE)
            if isinstance(score, float):
                self.lowest, self.highest = min(self.lowest, score), max(self.highest, score)
        row = {"place": place, "document": example.document, "reason": example.reason, "text_hash": hashed}
        self._waiting.append(row | dict(example.values))
        self._characters += sum(len(value) for value in example.values.values() if isinstance(value, str))
        if len(self._waiting) == _ROWS_AT_ONCE or self._characters >= _CHARACTERS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, self._schema))
        self._waiting, self._characters = [], 0

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Gives the rows once more, some at a time."""
        with pq.ParquetFile(self._file, pre_buffer=False) as parquet:
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group).to_pylist()


@dataclass
class Counts:
    """What was written."""

    splits: Counter[str] = field(default_factory=Counter)
    """Kept rows by split."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Rejected rows by reason."""
    labels: Counter[str] = field(default_factory=Counter)
    """Kept rows by label."""
    not_one_label: int = 0
    """Kept rows with labels, but not with one."""


def write_examples(rows: StagedRows, sides: Sides, scale: Scale | None, folder: Path) -> Counts:
    """Writes both files of an examples folder.

    Args:
        rows: all rows.
        sides: those of the rows that were not rejected when they were read, in their order.
        scale: that of the scores, where there are any.
        folder: where to.

    Raises:
        UserError: there are so many labels that they are none.
    """
    schema, counts = given_schema(rows.form, weighted=rows.weighted), Counts()
    number, accepted = 0, 0
    with contextlib.ExitStack() as stack:
        kept, rejected = (
            stack.enter_context(pq.ParquetWriter(folder / file, schema, compression="zstd"))
            for file in (KEPT_FILE, REJECTED_FILE)
        )
        for batch in rows.batches():
            written = []
            for row in batch:
                if row["reason"]:
                    written.append(_rejected(row, number))
                else:
                    written.append(_with_side(row, number, sides, accepted, scale))
                    accepted += 1
                number += 1
            for file, chosen in (
                (kept, [row for row in written if not row["reason"]]),
                (rejected, [row for row in written if row["reason"]]),
            ):
                if chosen:
                    file.write_table(pa.Table.from_pylist(chosen, schema))
            _count(counts, written)
    return counts


def _rejected(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Returns a row that is broken: nothing is known of its passage and its side."""
    names: dict[str, Any] = {
        "sample_id": number,
        "passage_id": "",
        "document_id": row["document"],
        "split": "",
        "detail": row["place"],
    }
    return row | names | ({SCORE: None} if SCORE in row else {})


def _with_side(row: dict[str, Any], number: int, sides: Sides, accepted: int, scale: Scale | None) -> dict[str, Any]:
    """Returns a row with its ids and its side, rejected where it is off the scale or known to the other side.

    Args:
        row: as it was read.
        number: of the row among all rows.
        sides: of all rows that were read well.
        accepted: number of the row among those.
        scale: that of the scores, where there are any.
    """
    reason = LEAK if sides.leaks[accepted] else ""
    graded: dict[str, Any] = {}
    if scale is not None:
        graded = {SCORE: scale.grade(row[SCORE])}
        reason = OFF_SCALE if graded[SCORE] is None else reason
    return (
        row
        | graded
        | {
            "sample_id": number,
            "passage_id": _id(row["text_hash"]),
            "document_id": row["document"] or _id(int(sides.groups[accepted])),
            "split": HELD_OUT if sides.held_out[accepted] else TRAIN,
            "reason": reason,
            "detail": row["place"],
        }
    )


def _id(hashed: int) -> str:
    return f"{hashed:016x}"


def _count(counts: Counts, written: list[dict[str, Any]]) -> None:
    for row in written:
        if row["reason"]:
            counts.rejected[row["reason"]] += 1
            continue
        counts.splits[row["split"]] += 1
        if LABELS in row:
            counts.labels.update(row[LABELS])
            counts.not_one_label += len(row[LABELS]) != 1
    if len(counts.labels) > _MOST_LABELS:
        raise UserError(
            f"has more than {_MOST_LABELS:,} different labels, so that they are none",
            where=KEY,
            remedy="name the column of the labels: examples.columns.labels=NAME",
        )
