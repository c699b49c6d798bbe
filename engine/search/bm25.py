"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from engine.search.order import Found, Scores, best, nothing_found, rank_by_score
from engine.text.words import words


class Bm25Index:
    """BM25 over words, with no stemming and no stop words, so that it means the same in every language.

    The formula is Lucene's (Kamphuis et al., ECIR 2020), as implemented in bm25s.

    Args:
        ids: one per row, unique; they order equal scores.
        texts: one per row; see `words`.
        k1: how soon a repeated word stops counting.
        b: how much longer texts are discounted.
        stop_words: words, in lower case, that count neither in texts nor in queries.
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
        self._order = rank_by_score(ids)
        vocabulary: dict[str, int] = {}
        stopped = frozenset(stop_words)
        tokens = [
            [vocabulary.setdefault(word, len(vocabulary)) for word in words(text) if word not in stopped]
            for text in texts
        ]
        self.vocabulary = vocabulary
        self._bm25 = _bm25(tokens, vocabulary, k1, b) if vocabulary else None

    def scores(self, query: str) -> Scores:
        """The score of every row, float32 (rows,); words that no row holds count nothing."""
        known = [self.vocabulary[word] for word in words(query) if word in self.vocabulary]
        if not known or self._bm25 is None:
            return np.zeros(len(self.ids), dtype=np.float32)
        scores: Scores = self._bm25.get_scores_from_ids(known).astype(np.float32, copy=False)
        return scores

    def search(self, queries: Sequence[str], k: int) -> Found:
        """The `min(k, rows)` best rows per query, as `DenseIndex.search`; rows that match nothing score 0."""
        width = min(k, len(self.ids))
        rows, scores = nothing_found(len(queries), width)
        for number, query in enumerate(queries):
            every = self.scores(query)
            rows[number] = self._order[best(every[self._order], width)]
            scores[number] = every[rows[number]]
        return rows, scores


def _bm25(tokens: list[list[int]], vocabulary: dict[str, int], k1: float, b: float) -> Any:
    import bm25s

    index = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
    index.index((tokens, vocabulary), create_empty_token=False, show_progress=False)
    return index
