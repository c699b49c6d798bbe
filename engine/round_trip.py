"""Round trip: does a query find the passage that it was written from?

In: queries and the documents they were written from. Out: the rank of each query's own document among all passages,
by the base encoder. A query that does not lead back describes another passage, several, or none. (Promptagator, Dai
et al. 2023, keeps rank 1 by a retriever trained on the same synthetic data; with an untrained encoder the first three
lose fewer good queries, and `top_k` is what to sweep, since the filter helps some corpora and harms others.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.errors import UserError

if TYPE_CHECKING:
    from engine.encoder import EncoderConfig
    from engine.place import Place

Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

_QUERIES_AT_ONCE = 20_000
_SCORES_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class RoundTripConfig:
    """How far down the own passage may be found."""

    enabled: bool = True
    top_k: int = 3
    """A query is kept when a passage of its document is among the first `top_k`."""

    def __post_init__(self) -> None:
        """Refuses a rank that nothing can reach."""
        if self.top_k < 1:
            what = f"{self.top_k} keeps nothing"
            raise UserError(what, place="examples.round_trip.top_k", remedy="set it to 1 or more, or enabled=false")


def measure_ranks(
    encoder: EncoderConfig, queries: Sequence[str], passage_ids: Sequence[str], documents: Path, place: Place
) -> Rows:
    """The 1-based rank of each query's own document: of the best of its passages, among all passages.

    Args:
        encoder: the base encoder.
        queries: (n,).
        passage_ids: the passage that each query was written from, (n,).
        documents: the folder of the documents step.
        place: where embeddings are cached and progress is shown.

    Returns:
        int64 (n,).
    """
    from engine.encoder import Encoder, encode_passages_cached
    from engine.search import DenseIndex

    passages = encode_passages_cached(encoder, documents, place)
    owners = _owners(documents, passages.ids)
    row_of = {passage_id: row for row, passage_id in enumerate(passages.ids)}
    own = owners[[row_of[passage_id] for passage_id in passage_ids]]
    index, model = DenseIndex(passages.ids, passages.vectors), Encoder(encoder, num_threads=place.num_cpus)
    ranks = np.zeros(len(queries), np.int64)
    with place.console.progress("examples", len(queries), "queries") as bar:
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            vectors = model.encode_queries(queries[part], bar.advance)
            ranks[part] = index.rank_of(vectors, best_own(vectors, passages.vectors, own[part], owners))
    return ranks


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
