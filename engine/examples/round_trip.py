"""Round trip: does a query find the passage that it was written from?

In: queries and the documents they were written from. Out: the rank of each query's own document among all passages.
A query that does not lead back describes another passage, several, or none. (Promptagator, Dai et al. 2023, keeps
rank 1 by a retriever trained on the same synthetic data; with an untrained encoder the first three lose fewer good
queries, and `top_k` is what to sweep, since the filter helps some corpora and harms others.)

The base encoder alone keeps what it can do already and rejects what it has yet to learn. So a query that it loses has
a second chance: the rank of its document when the encoder and BM25 search together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.errors import UserError
from engine.search.fusion import Rows, fused_ranks

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.bm25 import Bm25Index
    from engine.search.encoder import EncoderConfig


Vectors = npt.NDArray[np.float32]


_QUERIES_AT_ONCE = 20_000


_SCORES_AT_ONCE = 1 << 16


_FUSED_DEPTH = 100
"""So many passages of each ranking are fused; below them a passage is as good as not found."""


@dataclass(frozen=True)
class RoundTripConfig:
    """How far down the own passage may be found, and by whom."""

    enabled: bool = True
    top_k: int = 3
    """A query is kept when a passage of its document is among the first `top_k`."""
    hybrid: bool = True
    """Whether a query that the base encoder loses is looked for by the encoder and BM25 together as well."""

    def __post_init__(self) -> None:
        """Refuses a rank that nothing can reach."""
        if self.top_k < 1:
            what = f"{self.top_k} keeps nothing"
            raise UserError(what, where="examples.round_trip.top_k", remedy="set it to 1 or more, or enabled=false")


def measure_ranks(
    config: RoundTripConfig,
    encoder: EncoderConfig,
    queries: Sequence[str],
    passage_ids: Sequence[str],
    *,
    documents: Path,
    place: Place,
) -> Rows:
    """The 1-based rank of each query's own document: of the best of its passages, among those of other documents.

    Args:
        config: with `hybrid`, a rank below `top_k` may be bettered by the fused ranking.
        encoder: the base encoder.
        queries: (n,).
        passage_ids: the passage that each query was written from, (n,).
        documents: the folder of the documents step.
        place: where embeddings are cached and progress is shown.

    Returns:
        int64 (n,).
    """
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import Encoder

    passages = encode_passages_cached(encoder, documents, place)
    owners = _owners(documents, passages.ids)
    row_of = {passage_id: row for row, passage_id in enumerate(passages.ids)}
    own = owners[[row_of[passage_id] for passage_id in passage_ids]]
    dense, model = DenseIndex(passages.ids, passages.vectors), Encoder(encoder, num_threads=place.num_cpus)
    words = _word_index(documents, passages.ids) if config.hybrid else None
    ranks = np.zeros(len(queries), np.int64)
    with place.console.progress("examples", len(queries), "queries") as bar:
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            vectors = model.encode_queries(queries[part], bar.advance)
            ranks[part] = dense.rank_of(vectors, best_own(vectors, passages.vectors, own[part], owners))
            if words is not None:
                lost = start + np.flatnonzero(ranks[part] > config.top_k)
                by_meaning = dense.search(vectors[lost - start], _FUSED_DEPTH)[0]
                by_words = _matches(words, [queries[row] for row in lost])
                ranks[lost] = np.minimum(ranks[lost], fused_ranks(by_meaning, by_words, own[lost], owners))
    return ranks


def _matches(words: Bm25Index, queries: Sequence[str]) -> Rows:
    """The best rows by BM25, -1 for those that share no word with the query."""
    rows, scores = words.search(queries, _FUSED_DEPTH)
    return np.where(scores > 0, rows, -1)


def _word_index(documents: Path, passage_ids: Sequence[str]) -> Bm25Index:
    """BM25 over what encoders read of each passage."""
    import pyarrow.parquet as pq

    from engine.artifacts.documents import passage_text
    from engine.search.bm25 import Bm25Index

    table = pq.read_table(documents / "passages.parquet", columns=["title", "text"])
    return Bm25Index(passage_ids, list(map(passage_text, table["title"].to_pylist(), table["text"].to_pylist())))


def _owners(documents: Path, passage_ids: Sequence[str]) -> Rows:
    """The number of each passage's document, equal for passages of one document."""
    import pyarrow.parquet as pq

    table = pq.read_table(documents / "passages.parquet", columns=["passage_id", "document_id"])
    document_of = dict(zip(table["passage_id"].to_pylist(), table["document_id"].to_pylist(), strict=True))
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(document_of[name], len(numbers)) for name in passage_ids], np.int64)


def best_own(queries: Vectors, passages: Vectors, own: Rows, owners: Rows) -> Rows:
    """For every query the passage of its own document that scores best.

    No other passage of that document is then above it, so its rank counts passages of other documents only.

    Args:
        queries: (n, dim).
        passages: (rows, dim).
        own: each query's document, (n,).
        owners: each passage's document, (rows,).

    Returns:
        Rows of `passages`, (n,).
    """
    by_owner = np.argsort(owners, kind="stable")
    ordered = owners[by_owner]
    first, last = np.searchsorted(ordered, own, "left"), np.searchsorted(ordered, own, "right")
    counts = last - first
    assert (counts > 0).all(), "a query's document has no passage"
    query = np.repeat(np.arange(len(own)), counts)
    ends = np.cumsum(counts)
    passage = by_owner[np.arange(len(query)) - np.repeat(ends - counts - first, counts)]
    scores = np.empty(len(query), np.float32)
    for part in _slices(len(query)):
        scores[part] = np.einsum("nd,nd->n", queries[query[part]], passages[passage[part]])
    best_first = np.lexsort((-scores, query))
    return np.asarray(passage[best_first[ends - counts]])


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + _SCORES_AT_ONCE) for start in range(0, count, _SCORES_AT_ONCE))
