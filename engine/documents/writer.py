"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.columns import FAILED_DOCUMENTS, PASSAGES
from engine.artifacts.documents import FAILED_FILE, PASSAGES_FILE
from engine.errors import UserError

if TYPE_CHECKING:
    from engine.documents.chunking import ChunkedDocument


ROW_GROUP = 4096


DUPLICATE = "duplicate"


class PassageWriter:
    """Writes both files of the step, a row group at a time, and counts."""

    def __init__(self, folder: Path) -> None:
        self.documents = self.passages = self.tokens = 0
        self.failed: Counter[str] = Counter()
        self._passages = _Table(folder / PASSAGES_FILE, PASSAGES)
        self._failed = _Table(folder / FAILED_FILE, FAILED_DOCUMENTS)
        self._documents: set[str] = set()
        self._chunks: set[str] = set()

    def __enter__(self) -> PassageWriter:
        """The writer itself; its files are open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Writes the last row groups and closes the files."""
        self._passages.close()
        self._failed.close()

    def add(self, document: ChunkedDocument) -> None:
        """Takes the passages of one document, or the reason why there are none.

        A document that was there before is a row with the reason `duplicate`: readers refuse an id that is
        written twice, so this is a row without an id whose content occurs again.

        Raises:
            UserError: a later chunk of one document would have the id of another document.
        """
        self.documents += 1
        reason = DUPLICATE if document.document_id in self._documents else document.reason
        if reason:
            self.failed[reason] += 1
            self._failed.add((document.document_id, reason))
            return
        self._claim(document)
        for passage in document.passages:
            self.passages += 1
            self.tokens += passage.num_tokens
            self._passages.add(tuple(getattr(passage, name) for name in PASSAGES.names))

    def _claim(self, document: ChunkedDocument) -> None:
        chunks = {passage.passage_id for passage in document.passages[1:]}
        self._documents.add(document.document_id)
        self._chunks |= chunks
        taken = chunks & self._documents or {document.document_id} & self._chunks
        if taken:
            name = taken.pop()
            raise UserError(
                f"{name!r} is the id of a document and of chunk {name.rpartition('#')[2]} of another one",
                where="documents.id_field",
                remedy="rename one of the two documents, or raise documents.max_tokens so that none is cut",
            )


class _Table:
    """A Parquet file that is written a row group at a time."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._schema = schema
        self._rows: list[tuple[object, ...]] = []

    def add(self, row: tuple[object, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            columns = [list(column) for column in zip(*self._rows, strict=True)]
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._rows = []
