"""The three systems that are compared, BM25, the base model and the tuned model, behind one interface.

In: texts of queries, and an index over all passages. Out: rows of passages with scores. A system prepares queries once
and searches them to any depth, so that a deeper search does not encode them again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.artifacts.documents import DocumentsFolder, equality_text, passage_text
from engine.search.equal_texts import EqualTexts, find_equal_texts
from engine.search.order import Ranking, Rows, id_ranks
from engine.text.hashes import text_hash

if TYPE_CHECKING:
    from engine.search.bm25 import Bm25Index
    from engine.search.dense import DenseIndex
    from engine.search.encoder import Encoder

SYSTEMS = ("bm25", "base", "tuned")
"""Names of the systems, in the order of every table."""
Search = Callable[[int], Ranking]
"""Takes a depth and gives what one system finds for a fixed list of queries: rows of passages and their scores, best
first, both of shape (queries, depth); row -1 fills up where there are fewer."""


@dataclass(frozen=True)
class Corpus:
    """All passages of a run, row by row.

    Attributes:
        passage_ids: unique ids of the n passages.
        document_ids: the document of each passage, n of them.
        titles: the title of each passage, possibly empty, n of them.
        texts: the text of each passage without its title, n of them.
    """

    passage_ids: list[str]
    document_ids: list[str]
    titles: list[str]
    texts: list[str]

    def encoded_texts(self) -> list[str]:
        """Returns the text that BM25 and the encoders read of each passage."""
        return [passage_text(title, text) for title, text in zip(self.titles, self.texts, strict=True)]

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Returns document id -> number, from 0 on in the order of their first passages."""
        return {name: number for number, name in enumerate(dict.fromkeys(self.document_ids))}

    @cached_property
    def document_of(self) -> Rows:
        """Returns the number of each passage's document, (n,)."""
        return np.array([self.number_of[name] for name in self.document_ids], np.int64)

    @cached_property
    def ranks_of_ids(self) -> Rows:
        """Returns the order of the passages by their ids, which is that of passages with equal scores, (n,)."""
        return id_ranks(self.passage_ids)

    @cached_property
    def equal_texts(self) -> EqualTexts:
        """Tells which passages have the same text, title included."""
        hashes = map(text_hash, map(equality_text, self.titles, self.texts))
        return find_equal_texts(np.fromiter(hashes, np.uint64, len(self.texts)), self.document_of)

    @cached_property
    def original_of(self) -> dict[str, str]:
        """Returns document id -> id of the first document with the same texts: its own, unless it is a copy."""
        names = list(self.number_of)
        return {name: names[first] for name, first in zip(names, self.equal_texts.originals(), strict=True)}


class System(Protocol):
    """One retrieval system over a corpus."""

    @property
    def name(self) -> str:
        """The name of the system in TREC runs, tables and files."""

    def prepare(self, queries: Sequence[str]) -> Search:
        """Does once what does not depend on the depth of the search, such as encoding the queries."""


@dataclass(frozen=True)
class Bm25System:
    """BM25 over the terms of an analyser, in the form that Lucene uses."""

    index: Bm25Index
    name: str = "bm25"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares nothing, since BM25 reads the queries as they are."""
        return lambda depth: self._search(queries, depth)

    def _search(self, queries: Sequence[str], depth: int) -> Ranking:
        """Drops passages that share no word with the query, but keeps the first, so that every query has a result."""
        rows, scores = self.index.search(queries, depth)
        rows[:, 1:][scores[:, 1:] <= 0] = -1
        return rows, scores


@dataclass(frozen=True)
class DenseSystem:
    """A bi-encoder over an exact index."""

    name: str
    encoder: Encoder
    index: DenseIndex

    def prepare(self, queries: Sequence[str]) -> Search:
        """Encodes the queries."""
        vectors = self.encoder.encode_queries(list(queries))
        return lambda depth: self.index.search(vectors, depth)


def read_corpus(folder: Path) -> Corpus:
    """Reads all passages of a finished documents folder."""
    columns = ["passage_id", "document_id", "title", "text"]
    table = DocumentsFolder(folder).passages(columns)
    return Corpus(*(table.column(name).to_pylist() for name in columns))
