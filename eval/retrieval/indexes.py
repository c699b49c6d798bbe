"""Compares approximate indexes over the passages of a run with exact search: what they lose, save and cost.

In: a dense system, queries, and the kinds of indexes that `report.indexes` names. Out: for each its recall against
exact search, the time of one query, its size and how long it took to build. Whoever deploys the system chooses by these
figures, and knows the settings to repeat them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.search.approximate import ApproximateIndex
from engine.search.index_settings import IndexKind, IndexSettings, IvfPq, fitting_settings, too_few
from engine.search.order import Ranking, VectorIndex, Vectors
from engine.search.systems import DenseSystem
from engine.text.hashes import text_hash
from eval.counting import counting
from eval.retrieval.latency import Percentiles, search_latency

if TYPE_CHECKING:
    from engine.runtime.console import Console

EXACT = "exact"
"""The name of the row that all others are compared with."""
DEPTHS = (10, 100)
"""The depths at which recall is measured."""
_SAME_SCORE = 1e-6
"""Scores that differ by a smaller share are one: vectors of one text differ by so little if they were encoded beside
other texts."""
_MOST_QUERIES = 1000
"""The most queries that recall is measured on, drawn by hashes of their texts."""


@dataclass(frozen=True, kw_only=True)
class IndexFigures:
    """One index; without figures where it was not built."""

    recall: Mapping[str, float] = field(default_factory=dict)
    """The share of its first k passages that score no less than the exact k-th, by k, mean over the queries."""
    search: Percentiles | None = None
    """The time from vector to passages, one query at a time; None where no latency is measured."""
    bytes: int = 0
    """The size of the index. Codes are read beside the vectors, which then lie on the disk and are not counted."""
    build_seconds: float = 0.0
    """The time that training and filling it took."""
    settings: Mapping[str, int] = field(default_factory=dict)
    """Its settings, under the names of faiss, and `sample`, the number of vectors that it was trained on."""
    left_out: str = ""
    """Why it was not built; empty where it was."""


@dataclass(frozen=True)
class IndexComparison:
    """The indexes over the passages as one model encodes them."""

    model: str
    """The encoder: base, or tuned."""
    passages: int
    dim: int
    """The components of a vector."""
    queries: int
    """The number of queries that recall was measured on."""
    indexes: Mapping[str, IndexFigures]
    """The figures by name: exact search first, then the kinds in the order of the config."""


def compare_indexes(
    kinds: Sequence[IndexKind],
    system: DenseSystem,
    queries: Sequence[str],
    repetitions: int,
    seed: int,
    *,
    console: Console | None = None,
) -> IndexComparison:
    """Builds each index over the vectors of a system, and measures it.

    Args:
        kinds: the kinds of indexes to compare with exact search.
        system: a bi-encoder over an exact index.
        queries: texts; at most a thousand of them are searched for.
        repetitions: the number of queries that are timed; 0 measures no latency.
        seed: of the samples that indexes are trained on.
        console: is told how many indexes are measured; None tells nobody.
    """
    exact, texts = system.index, sorted(set(queries), key=text_hash)[:_MOST_QUERIES]
    vectors = system.encoder.encode_queries(texts)
    rows, dim = exact.vectors.shape
    found = exact.search(vectors, DEPTHS[-1])
    figures = {
        EXACT: IndexFigures(
            recall=recall(found, found),
            search=search_latency(exact, vectors, repetitions),
            bytes=exact.vectors.nbytes,
        )
    }
    with counting(console, len(kinds), "indexes", steady=True) as advance:
        for kind in kinds:
            figures[kind.value] = _built(kind, exact, (vectors, found), repetitions, seed)
            advance()
    return IndexComparison(system.name, rows, dim, len(texts), figures)


def _built(
    kind: IndexKind, exact: VectorIndex, searched: tuple[Vectors, Ranking], repetitions: int, seed: int
) -> IndexFigures:
    """Builds one index beside the exact one, and measures it on queries of which the exact ranking is known."""
    vectors, found = searched
    rows, dim = exact.vectors.shape
    if reason := too_few(kind, rows):
        return IndexFigures(left_out=reason)
    settings = fitting_settings(kind, rows, dim)
    started = time.monotonic()
    index = ApproximateIndex.build(exact.ids, exact.vectors, settings, seed=seed)
    seconds = time.monotonic() - started
    return IndexFigures(
        recall=recall(found, index.search(vectors, DEPTHS[-1])),
        search=search_latency(index, vectors, repetitions),
        bytes=index.num_bytes(),
        build_seconds=round(seconds, 3),
        settings=_settings(settings, rows),
    )


def recall(exact: Ranking, found: Ranking) -> dict[str, float]:
    """Computes how many of the k rows to find another search found, as a share, mean over the queries.

    A row is one of these where it scores no less than the exact k-th row. Where a text stands in many passages, more
    than k rows may score alike, and the ids that put some of them first in an exact search tell nothing of an index.

    Args:
        exact: rows and scores by exact search, (queries, depth).
        found: rows and exact scores by another one, best first, (queries, depth); row -1 stands for none.

    Returns:
        The recall by k, for each of `DEPTHS`.
    """
    return {str(depth): _recall(exact, found, depth) for depth in DEPTHS}


def _recall(exact: Ranking, found: Ranking, depth: int) -> float:
    _, wanted = exact
    rows, scores = (part[:, : min(depth, wanted.shape[1])] for part in found)
    least = wanted[:, :depth][:, -1:]
    is_hit = (rows >= 0) & (scores >= least - _SAME_SCORE * np.abs(least))
    return float(is_hit.mean())


def _settings(settings: IndexSettings, rows: int) -> dict[str, int]:
    """Returns the settings by name, and the size of the sample that was trained on, where there was one."""
    sample = {"sample": min(settings.sample, rows)} if isinstance(settings, IvfPq) else {}
    return asdict(settings) | sample
