"""Three systems, one way to measure them: BM25, the base model and the tuned model over the same documents.

In: a benchmark and the indexes over all passages. Out: a TREC run of documents per system, its scores per query, and
how long one query takes. Passages are what is searched, documents are what is judged: a document scores as its best
passage (MaxP, Dai and Callan 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from engine.search.bm25 import Bm25Index
    from engine.search.dense import DenseIndex
    from engine.search.encoder import Encoder


SYSTEMS = ("bm25", "base", "tuned")
"""In the order of every table."""


Rows = npt.NDArray[np.int64]


FoundScores = npt.NDArray[np.float32]


Found = tuple[Rows, FoundScores]
"""Passage rows and scores, best first, both (queries, depth); row -1 fills up where there were fewer."""


Search = Callable[[int], Found]
"""depth -> what one system found for a fixed list of queries."""


@dataclass(frozen=True)
class Corpus:
    """All passages of a run, row by row.

    Attributes:
        passage_ids: unique ids.
        document_ids: the document of each passage.
        titles, texts: what a person reads.
    """

    passage_ids: list[str]
    document_ids: list[str]
    titles: list[str]
    texts: list[str]

    def encoded_texts(self) -> list[str]:
        """What BM25 and the encoders read of each passage."""
        from engine.artifacts.documents import passage_text

        return [passage_text(title, text) for title, text in zip(self.titles, self.texts, strict=True)]


class System(Protocol):
    """One retrieval system over a corpus."""

    @property
    def name(self) -> str:
        """How runs, tables and files call it."""

    def prepare(self, queries: Sequence[str]) -> Search:
        """Does once what does not depend on the depth of the search: encoding the queries, say."""


@dataclass(frozen=True)
class Bm25System:
    """Okapi BM25 over words."""

    index: Bm25Index
    name: str = "bm25"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Nothing to prepare."""
        return lambda depth: self._search(queries, depth)

    def _search(self, queries: Sequence[str], depth: int) -> Found:
        """Rows that share no word with the query were not found; the first stays, so that no query has an empty run."""
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
    """Reads documents/passages.parquet."""
    import pyarrow.parquet as pq

    columns = ["passage_id", "document_id", "title", "text"]
    table = pq.read_table(folder / "passages.parquet", columns=columns)
    return Corpus(*(table.column(name).to_pylist() for name in columns))
