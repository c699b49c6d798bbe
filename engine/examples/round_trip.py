"""Round trip: does a query find the passage that it was written from?

In: queries and the passages they were written from. Out: the rank of each query's document among all documents. A query
that does not lead back describes another passage, several, or none. (Promptagator, Dai et al. 2023, keeps rank 1 by a
retriever trained on the same synthetic data; with an untrained encoder the first three lose fewer good queries, and
`top_k` is what to sweep, since the filter helps some corpora and harms others.)

The base encoder alone keeps what it can do already and rejects what it has yet to learn. So a query that it loses has
a second chance: the rank of its document when the encoder and BM25 search together.

Passages of equal text are one: a copy of the source in another document is found as the source is, and a rival that
stands in ten documents stands above it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from engine.artifacts.documents import DocumentsFolder
from engine.errors import UserError
from engine.runtime.identity import fields_of
from engine.search.analyser import AUTO, analyser_identity, check_language
from engine.search.equal_texts import find_equal_texts
from engine.search.order import Rows, Vectors
from engine.search.source_ranks import fused_ranks

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.analyser import Analyser
    from engine.search.bm25 import Bm25Index
    from engine.search.encoder import EncoderConfig

_QUERIES_AT_ONCE = 20_000
_SCORES_AT_ONCE = 1 << 16
_FUSED_DEPTH = 100
"""So many passages of each ranking are fused; a passage below them counts as not found."""


@dataclass(frozen=True)
class RoundTripConfig:
    """The settings of the round trip: how far down a query may find the document that it was written from."""

    enabled: bool = True
    """Whether queries that do not lead back are rejected."""
    top_k: int = 3
    """A query is kept when a passage of its document is among the first `top_k`."""
    hybrid: bool = True
    """Whether a query that the base encoder loses is looked for by the encoder and BM25 together as well."""
    language: str = AUTO
    """The language by which BM25 reads words; see the key `language` of a run."""

    def __post_init__(self) -> None:
        """Refuses a rank that nothing can reach."""
        if self.top_k < 1:
            what = f"{self.top_k} keeps nothing"
            raise UserError(what, where="examples.round_trip.top_k", remedy="set it to 1 or more, or enabled=false")

    def identity(self) -> dict[str, object]:
        """Returns the fields, the language only where BM25 takes part, and then with the libraries that read it.

        Raises:
            UserError: BM25 takes part and does not know the language; a run asks this before it starts anything.
        """
        fields = fields_of(self, without=("language",))
        if not (self.enabled and self.hybrid):
            return fields
        check_language(self.language, "examples.round_trip.language")
        return fields | {"analyser": analyser_identity(self.language)}


def prepare_search(
    config: RoundTripConfig, encoder: EncoderConfig, documents: DocumentsFolder, place: Place, *, encodes: bool
) -> None:
    """Makes what `measure_ranks` searches in and the store keeps, which follows from the documents alone.

    Args:
        config: with `hybrid`, the index of words is made.
        encoder: the base encoder.
        documents: all passages.
        place: where embeddings and indexes are cached.
        encodes: whether the vectors of all passages are made as well.
    """
    from engine.search.embeddings import encode_passages_cached

    if encodes:
        encode_passages_cached(encoder, documents.path, place)
    if config.hybrid:
        ids = documents.passages(["passage_id"])["passage_id"].to_pylist()
        texts = find_equal_texts(documents.text_hashes(), _number_documents(documents, ids))
        _word_index(documents, texts.first, config.language, place)


def measure_ranks(
    config: RoundTripConfig,
    encoder: EncoderConfig,
    queries: Sequence[str],
    passage_ids: Sequence[str],
    *,
    documents: DocumentsFolder,
    place: Place,
) -> tuple[Rows, str]:
    """Ranks each query's document, by the best of its passages, among the texts that this document does not hold.

    Args:
        config: with `hybrid`, a rank below `top_k` may be bettered by the fused ranking.
        encoder: the base encoder.
        queries: (n,).
        passage_ids: the passage that each query was written from, (n,).
        documents: all passages.
        place: where embeddings are cached and progress is shown.

    Returns:
        Ranks from 1 on, int64 (n,), and the name of the analyser by which BM25 read words; empty without BM25.
    """
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import load_encoder

    passages = encode_passages_cached(encoder, documents.path, place)
    document_of = _number_documents(documents, passages.ids)
    texts = find_equal_texts(documents.text_hashes(), document_of)
    row_of = {passage_id: row for row, passage_id in enumerate(passages.ids)}
    sources = document_of[[row_of[passage_id] for passage_id in passage_ids]]
    vectors_of_texts = passages.vectors if texts.all_differ else passages.vectors[texts.first]
    dense = DenseIndex([passages.ids[row] for row in texts.first], vectors_of_texts)
    model = load_encoder(encoder, place)
    words, analyser = _word_index(documents, texts.first, config.language, place) if config.hybrid else (None, None)
    ranks = np.zeros(len(queries), np.int64)
    with place.console.progress("examples", len(queries), "queries") as bar:
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            vectors = model.encode_queries(queries[part], bar.advance)
            best = best_of_document(vectors, passages.vectors, sources[part], document_of)
            ranks[part] = dense.rank_of(vectors, texts.text_of[best])
            if words is not None:
                lost = start + np.flatnonzero(ranks[part] > config.top_k)
                by_meaning = dense.search(vectors[lost - start], _FUSED_DEPTH)[0]
                by_words = _search_words(words, [queries[row] for row in lost])
                fused = fused_ranks(by_meaning, by_words, partial(texts.are_in, documents=sources[lost, None]))
                ranks[lost] = np.minimum(ranks[lost], fused)
    return ranks, analyser.name if analyser else ""


def _number_documents(documents: DocumentsFolder, passage_ids: Sequence[str]) -> Rows:
    """Gives the number of each passage's document, equal for passages of one document; int64 (passages,)."""
    table = documents.passages(["passage_id", "document_id"])
    assert table["passage_id"].to_pylist() == list(passage_ids), "the vectors are not those of these passages"
    numbers = table["document_id"].combine_chunks().dictionary_encode().indices
    return np.asarray(numbers.to_numpy(), np.int64)


def _word_index(documents: DocumentsFolder, rows: Rows, language: str, place: Place) -> tuple[Bm25Index, Analyser]:
    """Indexes by BM25 what encoders read of some passages, given by row; also gives the analyser that reads it."""
    from engine.search.bm25_cached import index_words_cached, read_analyser

    analyser = read_analyser(language, documents, rows)
    return index_words_cached(documents.path, analyser, place, rows=rows), analyser


def _search_words(words: Bm25Index, queries: Sequence[str]) -> Rows:
    """Gives the best rows by BM25, -1 in the place of those that share no word with the query; (n, depth)."""
    rows, scores = words.search(queries, _FUSED_DEPTH)
    return np.where(scores > 0, rows, -1)


def best_of_document(queries: Vectors, passages: Vectors, sources: Rows, document_of: Rows) -> Rows:
    """Finds for every query the passage of its document that scores best.

    No other passage of that document is then above it, so its rank counts passages of other documents only.

    Args:
        queries: (n, dim).
        passages: (rows, dim).
        sources: the number of the document that each query was written from, (n,).
        document_of: the number of each passage's document, (rows,).

    Returns:
        Rows of `passages`, (n,).
    """
    by_document = np.argsort(document_of, kind="stable")
    ordered = document_of[by_document]
    first, last = np.searchsorted(ordered, sources, "left"), np.searchsorted(ordered, sources, "right")
    counts = last - first
    assert (counts > 0).all(), "a query's document has no passage"
    query = np.repeat(np.arange(len(sources)), counts)
    ends = np.cumsum(counts)
    passage = by_document[np.arange(len(query)) - np.repeat(ends - counts - first, counts)]
    scores = np.empty(len(query), np.float32)
    for start in range(0, len(query), _SCORES_AT_ONCE):
        part = slice(start, start + _SCORES_AT_ONCE)
        scores[part] = np.einsum("nd,nd->n", queries[query[part]], passages[passage[part]])
    best_first = np.lexsort((-scores, query))
    return np.asarray(passage[best_first[ends - counts]])
