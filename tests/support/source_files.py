"""Files of documents for tests of the readers, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.fields import Fields
from engine.documents.readers.source import Reader, find_source, read_documents

BEES = SourceDocument("1", "Bees", "They dance.")
ANTS = SourceDocument("2", "", "They follow trails;\nall day.")
ROWS = [{"_id": "1", "title": "Bees", "text": BEES.text}, {"_id": "2", "title": "", "text": ANTS.text}]
"""Two documents, and the rows that they are read from."""


def read(path: Path, reader: Reader = Reader.auto, fields: Fields | None = None) -> list[SourceDocument]:
    """All documents of a path, as the documents step reads them."""
    return list(read_documents(find_source(str(path), reader), fields))


def jsonl(*rows: object) -> bytes:
    """The content of a JSONL file with these rows."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def put(file: Path, content: bytes | str) -> Path:
    """Writes a file, with the folders above it, and gives it back."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def put_parquet(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes a Parquet file with these rows, with the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), file)
