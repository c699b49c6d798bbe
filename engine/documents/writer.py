"""Writes the two files of the documents step while documents still come in.

In: `ChunkedDocument`s in the order of reading. Out: passages.parquet and failed.parquet, and the counts of both. Rows
are written a group at a time, so memory holds hashes of the ids of a collection and never its texts. Fields that are
kept are columns after those of `columns.PASSAGES`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import FAILED_DOCUMENTS, PASSAGES
from engine.artifacts.documents import FAILED_FILE, PASSAGES_FILE
from engine.documents.kept_fields import KeptFields
from engine.errors import UserError
from engine.text.first_places import FirstPlaces

if TYPE_CHECKING:
    from engine.documents.chunking import ChunkedDocument

ROWS_PER_GROUP = 4096
"""The rows of a row group: so many are in memory at a time, and a reader reads at least so many."""
DUPLICATE = "duplicate"
"""The reason for leaving out a document whose id was there before."""
_DOCUMENT, _CHUNK = 0, 1
"""What an id is of: a document and its first passage, or a later passage."""


class PassageWriter:
    """Writes both files of the step, a row group at a time, and counts.

    Args:
        folder: where the files are made; it exists.
        keep_fields: names of the fields that are kept of each document.

    Attributes:
        documents: how many documents were added.
        passages: how many passages they gave.
        tokens: how many tokens these have.
        failed: number of documents without a passage, by reason.
    """

    def __init__(self, folder: Path, keep_fields: Sequence[str] = ()) -> None:
        self.documents = self.passages = self.tokens = 0
        self.failed: Counter[str] = Counter()
        self._kept = KeptFields(keep_fields)
        self._passages_file = folder / PASSAGES_FILE
        self._passages = _RowGroupWriter(self._passages_file, pa.schema([*PASSAGES, *self._kept.schema]))
        self._failed = _RowGroupWriter(folder / FAILED_FILE, FAILED_DOCUMENTS)
        self._ids = FirstPlaces()

    def __enter__(self) -> PassageWriter:
        """Returns the writer itself; its files are open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Writes the last row groups, closes the files, and gives kept fields their types."""
        self._passages.close()
        self._failed.close()
        if error is None:
            self._kept.type_columns(self._passages_file)

    def add(self, document: ChunkedDocument) -> None:
        """Takes the passages of one document, or the reason why there are none.

        A document whose id was there before gets the reason `duplicate`: it is a row without an
        id whose content occurs again, since readers refuse an id that is written twice.

        Raises:
            UserError: a later chunk of one document would have the id of another document, or a kept field holds more
                than one value.
        """
        self.documents += 1
        reason = DUPLICATE if self._ids.get(document.document_id) == _DOCUMENT else document.reason
        if reason:
            self.failed[reason] += 1
            self._failed.add((document.document_id, reason))
            return
        self._claim_ids(document)
        kept = self._kept.read(document.fields, document.document_id)
        for passage in document.passages:
            self.passages += 1
            self.tokens += passage.num_tokens
            self._passages.add((*(getattr(passage, name) for name in PASSAGES.names), *kept))

    def _claim_ids(self, document: ChunkedDocument) -> None:
        """Remembers the ids of a document and its later chunks, and refuses one that both kinds have."""
        claims = [(document.document_id, _DOCUMENT)]
        claims += [(passage.passage_id, _CHUNK) for passage in document.passages[1:]]
        name = next((name for name, kind in claims if self._ids.put(name, kind) != kind), None)
        if name is not None:
            raise UserError(
                f"{name!r} is the id of a document and of chunk {name.rpartition('#')[2]} of another one",
                where="documents.id_field",
                remedy="rename one of the two documents, or raise documents.max_tokens so that none is cut",
            )


class _RowGroupWriter:
    """A Parquet file that is written a row group at a time."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._schema = schema
        self._rows: list[tuple[object, ...]] = []

    def add(self, row: tuple[object, ...]) -> None:
        """Takes one row, its values in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Writes the rows that are left, and closes the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            columns = [list(column) for column in zip(*self._rows, strict=True)]
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._rows = []
