"""Search by words: BM25, the k best rows for every query.

In: ids and texts, or a folder that `save` wrote. Out: row numbers and scores, best first, equal scores in the order of
`order.rows_by_id`. The formula is BM25 as Lucene computes it (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020):
the inverse document frequency log(1 + (N - n + 0.5) / (n + 0.5)) is never negative, and the constant factor k1 + 1 of
Okapi BM25 is left out, which changes no order. bm25s computes it (Lù 2024): scores of all (word, text) pairs are worked
out once, and a query adds up those of its words.
"""

from __future__ import annotations

import copy
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.search.order import Ranking, Rows, Scores, blank_ranking, id_ranks, kth_largest
from engine.text.words import words

Terms = Callable[[str], Sequence[str]]
"""Gives the terms of a text or a query, in order."""

_EMPTY_FILE = "no_words"
"""The file that a saved index has in place of all others where no text holds a term."""


class Bm25Index:
    """An index for BM25 over the terms of texts.

    Args:
        ids: one per row, unique; they order equal scores.
        texts: one per row, read once.
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
        terms_of: Terms = words,
    ) -> None:
        vocabulary: dict[str, int] = {}
        numbers = [
            array("i", [vocabulary.setdefault(term, len(vocabulary)) for term in terms_of(text)]) for text in texts
        ]
        assert len(ids) == len(numbers), f"{len(ids)} ids for {len(numbers)} texts"
        self._fill(ids, terms_of, _build(numbers, vocabulary, k1, b) if vocabulary else None)

    @classmethod
    def load(cls, folder: Path, ids: Sequence[str], terms_of: Terms = words) -> Bm25Index:
        """Reads what `save` wrote; scores stay on the disk, in a memory map.

        Args:
            folder: the folder.
            ids: those of the texts that were indexed, in their order.
            terms_of: gives the terms of a query as it gave those of the texts.
        """
        import bm25s

        index = cls.__new__(cls)
        loaded = None
        if not (folder / _EMPTY_FILE).exists():
            loaded = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            for name in ("data", "indices", "indptr"):  # slices of a plain view of the map cost less
                loaded.scores[name] = np.asarray(loaded.scores[name])
        index._fill(ids, terms_of, loaded)
        return index

    def save(self, folder: Path) -> None:
        """Writes the index to a folder, in the form of bm25s; ids and the analyser are left to the caller."""
        assert self._rows is None, "an index that is only seen in another order is not saved"
        folder.mkdir(parents=True, exist_ok=True)
        if self._index is None:
            (folder / _EMPTY_FILE).touch()
        else:
            self._index.save(folder, show_progress=False)

    def _fill(self, ids: Sequence[str], terms_of: Terms, index: Any) -> None:
        """Sets all attributes; `index` is that of bm25s, None where no text holds a term."""
        assert index is None or index.scores["num_docs"] == len(ids), f"{len(ids)} ids for {index.scores['num_docs']}"
        self.ids = ids
        self._id_ranks = id_ranks(ids)
        self._terms_of = terms_of
        self._index = index
        self._rows: Rows | None = None
        self.vocabulary: dict[str, int] = index.vocab_dict if index is not None else {}

    def reordered(self, rows: Rows) -> Bm25Index:
        """Returns an index of the same texts in another order, with the same scores.

        Args:
            rows: the row of this index that each row of the other one is, each once, (rows,). Where words stand is
                then in memory, 4 bytes for each term of each text; scores stay where they are.
        """
        assert self._rows is None, "an index that is only seen in another order is not moved"
        moved, index = Bm25Index.__new__(Bm25Index), copy.copy(self._index)
        if index is not None:
            places = np.empty(len(rows), index.scores["indices"].dtype)
            places[rows] = np.arange(len(rows))
            index.scores = {**index.scores, "indices": places[index.scores["indices"]]}
        moved._fill([self.ids[row] for row in rows], self._terms_of, index)
        return moved

    def seen_as(self, rows: Rows) -> Bm25Index:
        """Returns this index with its texts in another order; nothing is read or copied but the ids.

        It is for few queries over an index on the disk: each query's scores are put in order when they are computed.

        Args:
            rows: the row of this index that each row of the other one is, each once, (rows,).
        """
        assert self._rows is None, "an index is seen in another order once"
        seen = Bm25Index.__new__(Bm25Index)
        seen._fill([self.ids[row] for row in rows], self._terms_of, self._index)
        seen._rows = rows
        return seen

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
        return scores if self._rows is None else scores[self._rows]

    def search(self, queries: Sequence[str], k: int) -> Ranking:
        """Finds the `min(k, rows)` best rows per query, as `DenseIndex.search`; rows that match nothing score 0."""
        width = min(k, len(self.ids))
        rows, scores = blank_ranking(len(queries), width)
        for number, query in enumerate(queries):
            row_scores = self.scores(query)
            rows[number] = self._best(row_scores, width)
            scores[number] = row_scores[rows[number]]
        return rows, scores

    def _best(self, scores: Scores, width: int) -> Rows:
        """Returns the best rows of one query; only those that match are sorted, and of many only the best."""
        matching = np.flatnonzero(scores)
        if len(matching) > width > 0:
            matching = matching[scores[matching] >= kth_largest(scores[matching], width)]
        best: Rows = matching[np.lexsort((self._id_ranks[matching], -scores[matching]))][:width]
        if len(best) < width:
            by_id = np.argsort(self._id_ranks)
            best = np.append(best, by_id[scores[by_id] == 0][: width - len(best)])
        return best


def _build(numbers: list[array[int]], vocabulary: dict[str, int], k1: float, b: float) -> Any:
    """Builds the index of bm25s over texts given as numbers of the vocabulary."""
    import bm25s

    index = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
    index.index((numbers, vocabulary), create_empty_token=False, show_progress=False)
    return index
