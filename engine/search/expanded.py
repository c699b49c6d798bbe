"""Systems that search with more than the query: with texts that a model wrote for it before.

In: a system, and where the texts of a query are found. Out: a system like any other. Each rewritten query is searched
by itself, and what they find is fused with what the query finds (RAG-Fusion, Rackauckas 2024); the vectors of
hypothetical passages are averaged with that of the query (HyDE, Gao et al. 2023). Whoever gives the texts refuses
queries that nothing was written for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.search.fusion import POOL, fuse, standardised
from engine.search.order import Ranking, Rows, blank_ranking
from engine.search.systems import DenseSystem, Search, System, known_search, vector_search

TextsOf = Callable[[str], Sequence[str]]
"""Gives the texts that were written for a query; none where the model wrote nothing that can be used."""


@dataclass(frozen=True, eq=False)
class RewrittenSystem:
    """The first `POOL` passages of a query and of each of its rewritten forms, fused; the query counts half of it.

    Attributes:
        name: the name in TREC runs and tables.
        system: searches all of them.
        texts_of: gives the rewritten forms.
        ranks_of_ids: the order of passages with equal scores.
    """

    name: str
    system: System
    texts_of: TextsOf
    ranks_of_ids: Rows

    def prepare(self, queries: Sequence[str]) -> Search:
        """Searches the queries and their rewritten forms; no more is found than the first `POOL` passages of each."""
        written = [list(self.texts_of(query)) for query in queries]
        most = max(map(len, written), default=0)
        rankings = [self.system.prepare(queries)(POOL)]
        rankings += [self._search([texts[place : place + 1] for texts in written]) for place in range(most)]
        weights = [1.0, *(1 / most for _ in range(most))]
        return known_search(fuse(rankings, weights, standardised, self.ranks_of_ids))

    def _search(self, texts: Sequence[Sequence[str]]) -> Ranking:
        """Searches a text for each query; a query without one finds nothing by it."""
        has_text = np.array([bool(each) for each in texts])
        found, scores = self.system.prepare([text for each in texts for text in each])(POOL)
        ranking = blank_ranking(len(texts), found.shape[1])
        ranking[0][:] = -1
        ranking[0][has_text], ranking[1][has_text] = found, scores
        return ranking


@dataclass(frozen=True, eq=False)
class HypotheticalSystem:
    """A bi-encoder that searches with the mean of a query's vector and those of passages that could answer it.

    Attributes:
        name: the name in TREC runs and tables.
        system: the bi-encoder, which reads the texts as it reads passages.
        texts_of: gives the passages that a model wrote.
    """

    name: str
    system: DenseSystem
    texts_of: TextsOf

    def prepare(self, queries: Sequence[str]) -> Search:
        """Encodes the queries and what was written for them."""
        written = [list(self.texts_of(query)) for query in queries]
        vectors = self.system.encoder.encode_queries(list(queries))
        passages = self.system.encoder.encode_passages([text for texts in written for text in texts])
        owners = np.repeat(np.arange(len(queries)), list(map(len, written)))
        np.add.at(vectors, owners, passages)
        vectors /= 1 + np.array(list(map(len, written)), np.float32)[:, None]
        return vector_search(self.system.index, vectors)
