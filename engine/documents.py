"""Step one, documents: reads a collection of any form and writes its passages.

In: a path, or the Python that runs. Out: `passages.parquet` (records.PASSAGES) in the order of reading, one row
group per few thousand passages, and `failed.parquet` with every document that gave none and why. The step's
fingerprint holds what the documents are, not where they lie, so a folder that moved is not read again.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pyarrow as pa
from omegaconf import II

from engine.digests import content_digest
from engine.errors import UserError
from engine.identity import fields_of
from engine.place import Place
from engine.readers import Reader, Source, find_source, read_documents
from engine.readers_rows import Fields
from engine.readers_tree import other_files
from engine.records import FAILED_DOCUMENTS, PASSAGES

if TYPE_CHECKING:
    from engine.chunking import ChunkedDocument

PASSAGES_FILE = "passages.parquet"
FAILED_FILE = "failed.parquet"
ROW_GROUP = 4096
DUPLICATE = "duplicate"
MIN_WINDOW_TOKENS = 16
"""Smaller windows hold no thought, and one character may take four tokens (`chunking` asserts the same)."""


@dataclass(frozen=True)
class DocumentsConfig:
    """Which documents are read, and how they are cut into passages."""

    path: str = ""
    """A BEIR folder, a file, or a folder of files; empty for reader=python."""
    reader: Reader = Reader.auto
    """What the path holds; `auto` finds out."""
    id_field: str = ""
    """Field of a row's id; empty: _id, id, doc_id, ... where there is one, else a hash of the content."""
    title_field: str = ""
    """Field of a row's title; empty: title, headline or heading where there is one."""
    text_field: str = ""
    """Field of a row's text; empty: text, contents, content, body, ..."""
    max_tokens: int = 512
    """Longest passage; a longer document becomes several."""
    overlap_tokens: int = 64
    """Tokens that a passage repeats from the one before."""
    min_tokens: int = 1
    """A document with fewer, title included, is left out as too short."""
    limit: int = 0
    """Read only the first so many documents; 0 reads all."""
    tokenizer: str = II("model.base")
    """The model whose tokenizer counts."""

    def __post_init__(self) -> None:
        """Checks the sizes against each other."""
        half = self.max_tokens // 2
        up_to_half = f"0 to {half}, half of documents.max_tokens"
        _require(self.max_tokens >= MIN_WINDOW_TOKENS, "max_tokens", self.max_tokens, f"{MIN_WINDOW_TOKENS} or more")
        _require(0 <= self.overlap_tokens <= half, "overlap_tokens", self.overlap_tokens, up_to_half)
        _require(0 <= self.min_tokens <= half, "min_tokens", self.min_tokens, up_to_half)
        _require(self.limit >= 0, "limit", self.limit, "0 for all, or a number of documents")
        endless = self.reader is Reader.blank and not self.limit
        _require(not endless, "limit", self.limit, "the number of blank documents to write from")

    def source(self) -> Source:
        """The documents that the config names, found but not read.

        Raises:
            UserError: there are none at `path`, or none that the reader reads.
        """
        return find_source(self.path, self.reader)

    def identity(self) -> dict[str, object]:
        """The fields that change the passages, path and tokenizer replaced by what they hold.

        Raises:
            UserError: the path or the tokenizer does not exist; a run asks this before it starts anything.
        """
        source = self.source()
        tokenizer = content_digest(tokenizer_file(self.tokenizer))
        return {**fields_of(self), "reader": source.reader.value, "path": _digest(source), "tokenizer": tokenizer}


def load_documents(
    config: DocumentsConfig,
    inputs: Mapping[str, Path],  # noqa: ARG001 (the first step has none)
    output: Path,
    place: Place,
) -> dict[str, object]:
    """Reads, cleans and chunks the documents; one that gives no passage is a row of failed.parquet.

    Returns:
        reader, documents (read), passages and tokens (written), failed: {reason: documents}.

    Raises:
        UserError: the input as a whole is wrong, or no document gives a passage.
    """
    from engine.chunking import ChunkSize, chunk_documents, load_tokenizer

    source = config.source()
    tokenizer = load_tokenizer(tokenizer_file(config.tokenizer), key="documents.tokenizer")
    size = ChunkSize(config.max_tokens, config.overlap_tokens, config.min_tokens)
    fields = Fields(config.id_field, config.title_field, config.text_field)
    documents = itertools.islice(read_documents(source, fields), config.limit or None)
    with PassageWriter(output) as writer:
        for document in chunk_documents(documents, tokenizer, size, place.num_cpus):
            writer.add(document)
    _check(writer, config, source)
    if writer.failed:
        place.console.warn(f"{_told(writer.failed)} of {writer.documents:,} documents; see documents/{FAILED_FILE}")
    if source.reader is Reader.tree and (others := other_files(source.path)):
        kinds = ", ".join(f"{number:,} {ending}" for ending, number in others.most_common(5))
        place.console.step("documents", f"left out, being of other kinds: {kinds}")
    totals = {"documents": writer.documents, "passages": writer.passages, "tokens": writer.tokens}
    return {"reader": source.reader.value, **totals, "failed": dict(sorted(writer.failed.items()))}


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
                place="documents.id_field",
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


def tokenizer_file(name: str) -> Path:
    """Where the tokenizer of a model lies.

    Raises:
        UserError: there is no such model, or it has no fast tokenizer.
    """
    from engine.models import resolve_model

    file = resolve_model(name, key="documents.tokenizer") / "tokenizer.json"
    if not file.is_file():
        raise UserError(
            f"the model has no fast tokenizer ({file} is missing)",
            place=f"documents.tokenizer={name}",
            remedy="set documents.tokenizer to a model with a tokenizer.json, as bundled:all-minilm-l6-v2",
        )
    return file


def _digest(source: Source) -> object:
    """What a source holds; file names count only where they are ids."""
    if source.reader is Reader.python:
        return sys.version
    if source.reader is Reader.blank:
        return None
    if source.reader is Reader.tree:
        return [source.path.name if source.path.is_file() else "", content_digest(source.path)]
    return [content_digest(file) for file in source.files]


def _check(writer: PassageWriter, config: DocumentsConfig, source: Source) -> None:
    """Ends the run where there is nothing to go on with."""
    from engine.chunking import TOO_SHORT

    place = f"documents.path={config.path}" if config.path else f"documents.reader={config.reader.value}"
    if writer.documents == 0:
        files = str(source.files[0]) if len(source.files) == 1 else f"{len(source.files)} files"
        remedy = f"name a file or folder with at least one document ({files} was read)"
        raise UserError("holds no documents", place=place, remedy=remedy)
    if writer.passages == 0:
        what = f"none of {writer.documents} documents gives a passage: {_told(writer.failed)}"
        lower = f"lower documents.min_tokens={config.min_tokens}, or " if TOO_SHORT in writer.failed else ""
        remedy = f"{lower}set documents.text_field to the field with the text"
        raise UserError(what, place=place, remedy=remedy)


def _told(failed: Mapping[str, int]) -> str:
    """`3 empty, 12 too short`."""
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(failed.items()))


def _require(holds: bool, field: str, value: int, wanted: str) -> None:
    if not holds:
        raise UserError(f"{value} is out of range", place=f"documents.{field}={value}", remedy=f"set it to {wanted}")
