"""What a finished documents folder holds, and how it is read.

    passages.parquet   a row per passage (`columns.PASSAGES`), in the order of reading, and kept fields
    failed.parquet     the documents that gave no passage, and why (`columns.FAILED_DOCUMENTS`)

In: the folder. Out: tables and streams of its passages. Every step that needs passages comes through here, so that what
is read, and how much of it is in memory, is decided in one place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import FIELD_PREFIX
from engine.errors import BrokenInvariantError
from engine.storage.store import read_record
from engine.storage.tables import read_rows
from engine.storage.typed import from_json_values
from engine.text.hashes import Hashes, text_hashes

PASSAGES_FILE = "passages.parquet"
FAILED_FILE = "failed.parquet"

_ROWS_AT_ONCE = 50_000
"""Passages whose texts are in memory while they are hashed."""


@dataclass(frozen=True)
class DocumentsRecord:
    """What the documents step did."""

    reader: str
    """The reader that was used, one of `documents.reader`."""
    documents: int
    """Documents that were read."""
    passages: int
    """Passages that were written."""
    tokens: int
    """Tokens of all passages, by the tokenizer of `documents.tokenizer`."""
    failed: Mapping[str, int]
    """Number of documents without a passage, by reason."""


@dataclass(frozen=True)
class DocumentsFolder:
    """A finished documents folder."""

    path: Path

    def record(self) -> DocumentsRecord:
        """What the step recorded."""
        return from_json_values(DocumentsRecord, read_record(self.path).record)

    @property
    def passages_file(self) -> Path:
        """The file of the passages, for whoever needs a digest of it."""
        return self.path / PASSAGES_FILE

    def passages(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All passages in the order of reading, their texts as large strings.

        Args:
            columns: names of `columns.PASSAGES`; all of them by default.
        """
        return read_rows(self.passages_file, columns)

    def stream(self, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The same batch by batch, so that a collection need not fit into memory."""
        # With pre_buffer Arrow reads the whole file ahead.
        with pq.ParquetFile(self.path / PASSAGES_FILE, pre_buffer=False) as file:
            yield from file.iter_batches(batch_rows, columns=list(columns))

    def texts(self) -> pa.Table:
        """Columns passage_id, title and text, each in one piece, so that taking a few rows costs no more than those."""
        return self.passages(["passage_id", "title", "text"]).combine_chunks()

    def fields(self) -> pa.Table:
        """Returns the kept fields of all passages by their own names, in the order of reading; there may be none."""
        names = list(self.field_types())
        return self.passages([FIELD_PREFIX + name for name in names]).rename_columns(names)

    def field_types(self) -> dict[str, pa.DataType]:
        """Returns the types of the kept fields by their own names, in the order of `documents.keep_fields`."""
        kept = [field for field in pq.read_schema(self.passages_file) if field.name.startswith(FIELD_PREFIX)]
        return {field.name.removeprefix(FIELD_PREFIX): field.type for field in kept}

    def joinable(self) -> Passages:
        """Returns the passages for joining with rows of a plan."""
        return Passages(self.passages_file, self.texts())

    def text_hashes(self) -> Hashes:
        """Returns the hash of each passage's text as `equality_text` has it, (passages,)."""
        parts = [np.empty(0, np.uint64)]
        for batch in self.stream(["title", "text"], _ROWS_AT_ONCE):
            pairs = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            parts.append(text_hashes([equality_text(title, text) for title, text in pairs]))
        return np.concatenate(parts)

    def passage(self, passage_id: str) -> dict[str, Any]:
        """One passage as a mapping of `columns.PASSAGES`.

        Raises:
            LookupError: there is no such passage.
        """
        return self.some({passage_id})[passage_id]

    def some(self, passage_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """A few passages by their ids, each as a mapping of `columns.PASSAGES`, in one reading of the file.

        Raises:
            LookupError: there is no such passage.
        """
        ids = sorted(passage_ids)
        rows = pq.read_table(self.path / PASSAGES_FILE, filters=[("passage_id", "in", ids)]).to_pylist() if ids else []
        passages: dict[str, dict[str, Any]] = {row["passage_id"]: row for row in rows}
        if missing := [name for name in ids if name not in passages]:
            raise LookupError(f"{self.path} has no passage {missing[0]!r}")
        return passages

    def existing_documents(self, document_ids: Collection[str]) -> set[str]:
        """Returns those of some ids that documents have, also documents without a passage.

        The ids of the collection are streamed, so that memory holds the ids that are looked for and no more.
        """
        wanted, existing = pa.array(sorted(document_ids), pa.string()), set[str]()
        for name in (PASSAGES_FILE, FAILED_FILE):
            with pq.ParquetFile(self.path / name) as file:
                for batch in file.iter_batches(columns=["document_id"]):
                    ids = batch["document_id"]
                    existing.update(ids.filter(pc.is_in(ids, value_set=wanted)).to_pylist())
        return existing


@dataclass(frozen=True, eq=False)
class Passages:
    """Passages in memory, whose titles and texts are joined with rows of a plan (see `engine.artifacts.subjects`)."""

    file: Path
    """The file that they are from."""
    texts: pa.Table
    """Columns `passage_id`, `title` and `text`."""
    rows_at_once: int = 0
    """Any number of planned rows is joined at a time."""

    def join(self, planned: pa.Table) -> pa.Table:
        """Appends the title and the text of each row's passage."""
        row_of = pc.index_in(planned["passage_id"], value_set=self.texts["passage_id"].combine_chunks())
        if row_of.null_count:
            raise BrokenInvariantError(f"the plan names {row_of.null_count} passages that its documents do not hold")
        for name in ("title", "text"):
            planned = planned.append_column(name, self.texts[name].take(row_of))
        return planned


def passage_text(title: str, text: str) -> str:
    """What an encoder, BM25 and the trainer read of a passage: its title, if it has one, on a line of its own."""
    return f"{title}\n{text}" if title else text


def equality_text(title: str, text: str) -> str:
    """Returns what is the same in passages that count as equal: title and text, with blanks for white space, in NFC.

    A letter with a mark, or a syllable of Hangul, may be written as one character or as several.
    """
    return " ".join(unicodedata.normalize("NFC", passage_text(title, text)).split())
