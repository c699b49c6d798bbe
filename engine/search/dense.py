"""Search by meaning: the k best rows for every query by the inner product of vectors, in an order that never varies.

In: ids with vectors. Out: row numbers and scores, best first, equal scores in the order of `order.rows_by_id`.

A score is the inner product in float64, rounded to float32. faiss only proposes candidates: its float32 sums depend on
batch size, threads and device, so equal passages could change their order from run to run. Where the candidates cannot
be told from the other rows by more than that error, the query is answered again by `numpy_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.search.order import (
    Ranking,
    Rows,
    Scores,
    Vectors,
    best_positions,
    blank_ranking,
    blocks,
    id_ranks,
    rows_by_id,
)

_CPU_ERROR, _GPU_ERROR = 5e-7, 1e-4
"""The bounds on faiss's error in an inner product of unit vectors, times sqrt(dim); a GPU may compute in TF32."""
_CPU_SPARE, _GPU_SPARE = 16, 256
"""The candidates beyond k, so that ties at the border are seen."""
_GPU_MAX_CANDIDATES = 2048
"""The most rows that faiss finds for one query on a GPU."""
_GPU_FREE_BYTES = 2 << 30
"""The memory of the GPU, in bytes, that is left alone when an index moves there."""
_ROWS_PER_LIST = 39
"""The rows that faiss needs for each list of an approximate index; with fewer it warns of badly trained lists."""


class DenseIndex:
    """An index for inner-product search over vectors that lie in memory (or in a memory map).

    Args:
        ids: one per row, unique; they order equal scores.
        vectors: float32 (rows, dim), finite. L2-normalised ones make the inner product a cosine.
        approximate: looks only into those of about 4 * sqrt(rows) lists that are nearest to the query (faiss IVF).
            Worth it from millions of rows on; the scores and the order of what it finds are exact, and `rank_of` stays
            exact altogether.
    """

    def __init__(self, ids: Sequence[str], vectors: Vectors, *, approximate: bool = False) -> None:
        assert len(ids) == len(vectors), f"{len(ids)} ids for {len(vectors)} vectors"
        assert vectors.ndim == 2, f"vectors of shape {vectors.shape}, not (rows, dim)"
        self.ids, self.vectors, self.approximate = ids, vectors, approximate
        self._id_ranks = id_ranks(ids)
        self._longest = float(np.sqrt(_squared_lengths(vectors).max(initial=0.0)))
        assert np.isfinite(self._longest), "a vector is not finite"
        self._on_gpu = False
        self._index = self._build() if len(ids) else None

    def search(self, queries: Vectors, k: int) -> Ranking:
        """Finds the `min(k, rows)` best rows per query: rows int64, scores float32, both (queries, that many)."""
        width = min(k, len(self.ids))
        if self._index is None or not len(queries) or not width:
            return blank_ranking(len(queries), width)
        if self._on_gpu and width > _GPU_MAX_CANDIDATES - _GPU_SPARE:
            return numpy_search(self.ids, self.vectors, queries, k)
        num_candidates = min(width + (_GPU_SPARE if self._on_gpu else _CPU_SPARE), len(self.ids))
        rough, candidates = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), num_candidates)
        rows, scores = self._rank(queries, candidates, width)
        is_unsure = (rows < 0).any(axis=1)  # a list of an approximate index ran out of rows
        if num_candidates < len(self.ids) and not self.approximate:
            margins = self._margins(queries, _GPU_ERROR if self._on_gpu else _CPU_ERROR)
            is_unsure |= scores[:, -1] <= rough[:, -1] + margins
        if is_unsure.any():
            rows[is_unsure], scores[is_unsure] = numpy_search(self.ids, self.vectors, queries[is_unsure], k)
        return rows, scores

    def rank_of(self, queries: Vectors, targets: Sequence[int] | Rows) -> Rows:
        """Computes the rank, from 1 on, of row `targets[i]` among all rows for query i: int64 (queries,)."""
        target_rows = np.asarray(targets, dtype=np.int64)
        assert len(target_rows) == len(queries), f"{len(target_rows)} targets for {len(queries)} queries"
        ranks = np.ones(len(queries), dtype=np.int64)
        margins = self._margins(queries, _CPU_ERROR)
        for block in blocks(len(queries), max(len(self.ids), 1)):
            rough = queries[block] @ self.vectors.T
            target_scores = _exact_scores(queries[block], self.vectors, target_rows[block, None])
            gaps = rough - target_scores
            ranks[block] += (gaps > margins[block, None]).sum(axis=1)
            # Within the error of a float32 product only exact scores, then ids, decide.
            for offset, is_close in enumerate(np.abs(gaps) <= margins[block, None]):
                query = block.start + offset
                ranks[query] += self._count_ahead(queries[query], target_rows[query], np.flatnonzero(is_close))
        return ranks

    def _count_ahead(self, query: Vectors, target: int, rivals: Rows) -> int:
        """Counts those of some rows that stand before the target row for a query, (dim,)."""
        rows = np.append(rivals, target)
        scores = _exact_scores(query[None], self.vectors, rows[None])[0]
        is_earlier_tie = (scores == scores[-1]) & (self._id_ranks[rows] < self._id_ranks[target])
        return int(((scores > scores[-1]) | is_earlier_tie).sum())

    def _rank(self, queries: Vectors, candidates: Rows, width: int) -> Ranking:
        """Finds the best candidates of every query by exact scores; -1 stands for no candidate and comes last."""
        scores = _exact_scores(queries, self.vectors, candidates)
        scores[candidates < 0] = -np.inf
        order = np.lexsort((self._id_ranks[candidates], -scores), axis=-1)[:, :width]
        return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def _margins(self, queries: Vectors, error: float) -> NDArray[np.float64]:
        """Computes how far a float32 score may lie from the exact one, per query, (queries,)."""
        lengths = np.sqrt(_squared_lengths(queries))
        margins: NDArray[np.float64] = error * self.vectors.shape[1] ** 0.5 * self._longest * lengths
        return margins

    def _build(self) -> Any:
        """Builds the index of faiss with all vectors in it."""
        import faiss

        rows, dim = self.vectors.shape
        index: Any = faiss.IndexFlatIP(dim)
        if self.approximate:
            lists = max(1, min(int(4 * rows**0.5), rows // _ROWS_PER_LIST))
            index = faiss.IndexIVFFlat(index, dim, lists, faiss.METRIC_INNER_PRODUCT)
            index.cp.spherical = True
            index.nprobe = max(8, lists // 8)
        index = self._moved_to_gpu(index)
        vectors = np.ascontiguousarray(self.vectors, dtype=np.float32)
        index.train(vectors)
        index.add(vectors)
        return index

    def _moved_to_gpu(self, index: Any) -> Any:
        """Moves the index to the GPU, where faiss was built for one and it has room beside a running LLM."""
        import faiss

        if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
            return index
        import torch

        if torch.cuda.mem_get_info(0)[0] < 2 * self.vectors.nbytes + _GPU_FREE_BYTES:
            return index
        self._on_gpu = True
        self._gpu = faiss.StandardGpuResources()  # the index uses it for as long as it lives
        return faiss.index_cpu_to_gpu(self._gpu, 0, index)


def numpy_search(ids: Sequence[str], vectors: Vectors, queries: Vectors, k: int) -> Ranking:
    """Finds what `DenseIndex.search` finds, by brute force: the definition it is tested against, and its fallback."""
    by_id, width = rows_by_id(ids), min(k, len(ids))
    rows, scores = blank_ranking(len(queries), width)
    for block in blocks(len(queries), max(len(ids), 1)):
        block_queries = queries[block].astype(np.float64)
        block_scores = np.empty((len(block_queries), len(ids)), dtype=np.float32)
        for part in blocks(len(ids), vectors.shape[1]):
            block_scores[:, part] = block_queries @ vectors[part].T.astype(np.float64)
        for query, row_scores in enumerate(block_scores, start=block.start):
            rows[query] = by_id[best_positions(row_scores[by_id], width)]
            scores[query] = row_scores[rows[query]]
    return rows, scores


def write_flat_index(vectors: Vectors, file: Path) -> None:
    """Writes vectors as an exact index of faiss by inner products (IndexFlatIP), row by row in their order.

    Args:
        vectors: float32 (rows, dim), read some at a time, so that a memory map need not be copied first.
        file: where to; any program with faiss reads it.
    """
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    for block in blocks(len(vectors), vectors.shape[1]):
        index.add(np.ascontiguousarray(vectors[block], dtype=np.float32))
    faiss.write_index(index, str(file))


def _exact_scores(queries: Vectors, vectors: Vectors, rows: Rows) -> Scores:
    """Computes the scores of chosen rows, (queries, chosen): the same for the same pair wherever it stands."""
    scores = np.empty(rows.shape, dtype=np.float32)
    for block in blocks(len(queries), max(rows.shape[1], 1) * vectors.shape[1]):
        pairs = vectors[rows[block]].astype(np.float64)
        scores[block] = (pairs @ queries[block, :, None].astype(np.float64))[:, :, 0]
    return scores


def _squared_lengths(vectors: Vectors) -> NDArray[np.float64]:
    """Computes the squared length of each vector, float64 (rows,)."""
    squares: NDArray[np.float64] = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return squares
