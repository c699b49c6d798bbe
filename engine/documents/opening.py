"""Looks at the beginnings of documents, so that what is quickly seen to be wrong is refused before anything starts.

In: which documents. Out: a UserError or nothing. The first rows of all files together are read as the step will read
them, and the first lines of every further table. What lies behind them is found when all is read: a large collection
must not be read twice.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.documents.chunking import clean_document, failure_of
from engine.documents.config import DocumentsConfig
from engine.documents.readers.csv_table import read_table
from engine.documents.readers.document import SourceDocument
from engine.documents.readers.fields import Fields
from engine.documents.readers.rows import LOOK_CHARACTERS, LOOK_ROWS
from engine.documents.readers.source import TABLES, Reader, Source, read_documents
from engine.documents.refusal import refuse_nothing
from engine.storage.lines import read_objects
from engine.storage.looking import LOOK_FILES, LOOK_LINES
from engine.storage.parquet_records import open_parquet


def look_at_documents(config: DocumentsConfig) -> None:
    """Refuses documents whose beginnings are wrong, and a collection that is quickly seen to hold no text.

    Args:
        config: which documents.

    Raises:
        UserError: there are no documents, the first rows of all or the first lines of a file are malformed or lack a
            field, or all that there is was read in this way and gives no passage.
    """
    source = config.source()
    if source.reader in {Reader.python, Reader.blank} or _is_read_at_once(source):
        return
    fields = Fields(config.id_field, config.title_field, config.text_field, tuple(config.keep_fields))
    documents = itertools.islice(read_documents(source, fields), config.limit or None)
    reasons: Counter[str] = Counter()
    for document in _beginning(documents):
        reasons[failure_of(clean_document(document))] += 1
        if source.reader is Reader.tree and reasons[""]:
            return  # nothing but its emptiness is wrong with a tree
    if not reasons[""] and next(documents, None) is None:
        refuse_nothing(reasons.total(), 0, +reasons, config)
    if source.reader in TABLES and not config.limit:  # which might end the reading before a further file
        for file in source.files[1:LOOK_FILES]:
            _look_at_file(file, source.reader, fields)


def _is_read_at_once(source: Source) -> bool:
    """Tells whether the first file is long, and of a kind that is read at once: that is done a single time."""
    file = source.files[0]
    is_whole = source.reader in {Reader.tree, Reader.squad}
    return is_whole and file.is_file() and file.stat().st_size > LOOK_CHARACTERS


def _beginning(documents: Iterator[SourceDocument]) -> Iterator[SourceDocument]:
    """Gives the first documents, fewer where they are long; the others stay in the iterator."""
    characters = 0
    for document in itertools.islice(documents, LOOK_ROWS):
        yield document
        characters += len(document.text)
        if characters >= LOOK_CHARACTERS:
            break


def _look_at_file(file: Path, reader: Reader, fields: Fields) -> None:
    """Reads the first lines of a file of rows behind the first one.

    A row of JSON may lack what other rows have; a table may not.

    Raises:
        UserError: they are malformed, or a table lacks a field.
    """
    if reader is Reader.parquet:
        with open_parquet(file) as parquet:
            fields.check(parquet.schema_arrow.names, str(file))
        return
    rows: Iterator[object] = read_table(file, fields) if reader is Reader.csv else read_objects(file)
    for _ in itertools.islice(rows, LOOK_LINES):
        pass
