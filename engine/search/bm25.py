"""Search by words: BM25, the k best rows for every query.

In: ids and texts. Out: row numbers and scores, best first, equal scores in the order of `order.rows_by_id`. The formula
is BM25 as Lucene computes it (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020): the inverse document frequency
log(1 + (N - n + 0.5) / (n + 0.5)) is never negative, and the constant factor k1 + 1 of Okapi BM25 is left out, which
changes no order. bm25s computes it (Lù 2024): scores of all (word, text) pairs are worked out once, and a query adds up
those of its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.search.order import Ranking, Scores, best_positions, blank_ranking, rows_by_id
from engine.text.words import words


class Bm25Index:
    """An index for BM25 over the terms of texts.

    Args:
        ids: one per row, unique; they order equal scores.
        texts: one per row, read once; they need not be in memory together.
        k1: how soon a repeated term stops counting.
        b: how much longer texts are discounted.
        terms_of: gives the terms of a text or a query, such as `Analyser.terms`; by default all its words as they are.
    """

    def __init__(
        self,
        ids: Sequence[str],
        texts: Iterable[str],
        k1: float = 1.5,
        b: float = 0.75,
        terms_of: Callable[[str], Sequence[str]] = words,
    ) -> None:
        self.ids = ids
        self._by_id = rows_by_id(ids)
        self._terms_of = terms_of
        vocabulary: dict[str, int] = {}
        numbers = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms_of(text)] for text in texts]
        assert len(ids) == len(numbers), f"{len(ids)} ids for {len(numbers)} texts"
        self.vocabulary = vocabulary
        self._index = _build(numbers, vocabulary, k1, b) if vocabulary else None

    @property
    def num_bytes(self) -> int:
        """Returns the bytes of the index in memory: scores of (term, text) pairs, their places, and the terms."""
        if self._index is None:
            return 0
        terms = sum(len(term.encode("utf-8", "surrogatepass")) for term in self.vocabulary)
        return terms + sum(int(self._index.scores[name].nbytes) for name in ("data", "indices", "indptr"))

    def scores(self, query: str) -> Scores:
        """Computes the score of every row, float32 (rows,); terms that no row holds count nothing."""
        known = [self.vocabulary[term] for term in self._terms_of(query) if term in self.vocabulary]
        if not known or self._index is None:
            return np.zeros(len(self.ids), dtype=np.float32)
        scores: Scores = self._index.get_scores_from_ids(known).astype(np.float32, copy=False)
        return scores

    def search(self, queries: Sequence[str], k: int) -> Ranking:
        """Finds the `min(k, rows)` best rows per query, as `DenseIndex.search`; rows that match nothing score 0."""
        width = min(k, len(self.ids))
        rows, scores = blank_ranking(len(queries), width)
        for number, query in enumerate(queries):
            row_scores = self.scores(query)
            rows[number] = self._by_id[best_positions(row_scores[self._by_id], width)]
            scores[number] = row_scores[rows[number]]
        return rows, scores

    @classmethod
    def load(cls, folder: Path, ids: Sequence[str], terms_of: Callable[[str], Sequence[str]]) -> Bm25Index:
        """Opens what `save` wrote of an index over the same rows; its numbers stay on the disk, in a memory map."""
        import bm25s

        loaded = cls(ids, ("" for _ in ids), terms_of=terms_of)
        loaded._index = bm25s.BM25.load(folder, mmap=True)
        loaded.vocabulary = loaded._index.vocab_dict
        return loaded

    def save(self, folder: Path) -> None:
        """Writes the index and its vocabulary as `bm25s.BM25.load` reads them; there is a term at least."""
        assert self._index is not None, "an index without terms cannot be saved"
        self._index.save(folder, show_progress=False)


def _build(numbers: list[list[int]], vocabulary: dict[str, int], k1: float, b: float) -> Any:
    """Builds the index of bm25s over texts given as numbers of the vocabulary."""
    import bm25s

    index = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
    index.index((numbers, vocabulary), create_empty_token=False, show_progress=False)
    return index
