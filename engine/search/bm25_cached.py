"""The index of BM25 over a collection's passages, built once and shared by all steps and runs that read words alike.

In: a finished documents folder, which of its passages, an analyser, and the parameters of BM25. Out: a `Bm25Index`. The
cache has one folder per (documents, passages, analyser, k1, b), named by the fingerprint of the documents and a hash of
all else that changes a score: the sources that read words, and the versions of the libraries that they call. It is
made beside its place and renamed, so that it is whole or absent. Ids are read from the documents themselves.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.runtime.identity import source_hash
from engine.search.analyser import AUTO, Analyser, analyser_identity, make_analyser
from engine.search.bm25 import Bm25Index
from engine.search.languages import sample_step
from engine.search.order import Rows
from engine.storage.digests import digest
from engine.storage.files import fsync_tree, locked, naming_a_full_disk

if TYPE_CHECKING:
    from engine.runtime.place import Place

FOLDER = "bm25"
"""The folder of the cache in the store."""
_BATCH_PASSAGES = 16_384
"""The passages whose texts are in memory at a time."""


@dataclass(frozen=True)
class Bm25Parameters:
    """The parameters of BM25."""

    k1: float = 1.5
    """How soon a repeated term stops counting."""
    b: float = 0.75
    """How much longer texts are discounted."""


USUAL = Bm25Parameters()
"""The parameters of a report, unless its config says otherwise, and of the round trip."""


def index_words_cached(
    documents_folder: Path,
    analyser: Analyser,
    place: Place,
    parameters: Bm25Parameters = USUAL,
    rows: Rows | None = None,
) -> Bm25Index:
    """Returns the index of BM25 over the passages of a finished documents step; the first that asks builds it.

    Args:
        documents_folder: the step's folder in the store, or a run's link to it: named by its fingerprint.
        analyser: how texts and queries are read.
        place: where the cache and the console are.
        parameters: those of BM25.
        rows: the passages to index, ascending, such as the first of each text; all of them by default.

    Raises:
        UserError: the disk has no room for the index.
    """
    documents = DocumentsFolder(documents_folder)
    ids: list[str] = documents.passages(["passage_id"])["passage_id"].to_pylist()
    if rows is not None and len(rows) == len(ids):
        rows = None
    if rows is not None:
        ids = [ids[row] for row in rows]
    folder = place.store_dir / FOLDER / f"{documents_folder.resolve().name}-{_key(analyser, parameters, rows)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f".{folder.name}.lock"), wait=True):
            if not folder.exists():  # another run may have built it while this one waited
                with place.console.progress("bm25", len(ids), "passages") as bar:
                    texts = _texts(documents, rows, bar.advance)
                    index = Bm25Index(ids, texts, parameters.k1, parameters.b, analyser.terms)
                _save(index, folder)
    return Bm25Index.load(folder, ids, analyser.terms)


def read_analyser(language: str, documents: DocumentsFolder, rows: Rows) -> Analyser:
    """Makes the analyser of a language, or of the language that some passages are in, of which it reads a few hundred.

    Args:
        language: one of `analyser.LANGUAGES`, `auto` or `none`.
        documents: the passages.
        rows: those that are to be searched, ascending.
    """
    sample = rows[:: sample_step(len(rows))] if language == AUTO else rows[:0]
    return make_analyser(language, list(_texts(documents, sample, lambda _: None)))


def _key(analyser: Analyser, parameters: Bm25Parameters, rows: Rows | None) -> str:
    """Hashes everything that changes a score but the texts themselves."""
    indexed = "" if rows is None else hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()
    settings = [analyser_identity(analyser.language), parameters.k1, parameters.b]
    return digest([settings, indexed, source_hash(__name__)])


def _texts(documents: DocumentsFolder, rows: Rows | None, advance: Callable[[int], None]) -> Iterator[str]:
    """Yields what BM25 reads of each passage that is indexed, in order; `advance` is told how many more were read."""
    start = 0
    for batch in documents.stream(["title", "text"], _BATCH_PASSAGES):
        end = start + batch.num_rows
        indexed = batch
        if rows is not None:
            first, last = np.searchsorted(rows, [start, end])
            indexed = batch.take(pa.array(rows[first:last] - start))
        yield from map(passage_text, indexed["title"].to_pylist(), indexed["text"].to_pylist())
        advance(batch.num_rows)
        start = end


def _save(index: Bm25Index, folder: Path) -> None:
    """Writes the index; the folder gets its name once all that is in it has reached the disk."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    if temporary.exists():  # a kill left it
        shutil.rmtree(temporary)
    with naming_a_full_disk(folder.parent):
        index.save(temporary)
        fsync_tree(temporary)
        temporary.replace(folder)
