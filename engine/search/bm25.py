"""Search by words: BM25, the k best rows for every query.

In: ids and texts. Out: row numbers and scores, best first, equal scores in the order of `order.rows_by_id`. The formula
is BM25 as Lucene computes it (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020): the inverse document frequency
log(1 + (N - n + 0.5) / (n + 0.5)) is never negative, and the constant factor k1 + 1 of Okapi BM25 is left out, which
changes no order. bm25s computes it (Lù 2024): scores of all (word, text) pairs are worked out once, and a query adds up
those of its words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from engine.search.order import Ranking, Scores, best_positions, blank_ranking, rows_by_id
from engine.text.words import words


class Bm25Index:
    """BM25 over `words`, with no stemming and no stop words, so that it means the same in every language.

    Args:
        ids: one per row, unique; they order equal scores.
        texts: one per row.
        k1: how soon a repeated word stops counting.
        b: how much longer texts are discounted.
        stop_words: words, as `words` folds them, that count neither in texts nor in queries.
    """

    def __init__(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        k1: float = 1.5,
        b: float = 0.75,
        stop_words: Collection[str] = (),
    ) -> None:
        assert len(ids) == len(texts), f"{len(ids)} ids for {len(texts)} texts"
        self.ids = ids
        self._by_id = rows_by_id(ids)
        vocabulary: dict[str, int] = {}
        stopped = frozenset(stop_words)
        word_numbers = [
            [vocabulary.setdefault(word, len(vocabulary)) for word in words(text) if word not in stopped]
            for text in texts
        ]
        self.vocabulary = vocabulary
        self._index = _build(word_numbers, vocabulary, k1, b) if vocabulary else None

    def scores(self, query: str) -> Scores:
        """The score of every row, float32 (rows,); words that no row holds count nothing."""
        known = [self.vocabulary[word] for word in words(query) if word in self.vocabulary]
        if not known or self._index is None:
            return np.zeros(len(self.ids), dtype=np.float32)
        scores: Scores = self._index.get_scores_from_ids(known).astype(np.float32, copy=False)
        return scores

    def search(self, queries: Sequence[str], k: int) -> Ranking:
        """The `min(k, rows)` best rows per query, as `DenseIndex.search`; rows that match nothing score 0."""
        width = min(k, len(self.ids))
        rows, scores = blank_ranking(len(queries), width)
        for number, query in enumerate(queries):
            row_scores = self.scores(query)
            rows[number] = self._by_id[best_positions(row_scores[self._by_id], width)]
            scores[number] = row_scores[rows[number]]
        return rows, scores


def _build(word_numbers: list[list[int]], vocabulary: dict[str, int], k1: float, b: float) -> Any:
    """The index of bm25s over texts given as numbers of the vocabulary."""
    import bm25s

    index = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
    index.index((word_numbers, vocabulary), create_empty_token=False, show_progress=False)
    return index
