"""Search by meaning: the k best rows for every query by the inner product of vectors, in an order that never varies.

In: ids with vectors, in memory or in a memory map of any size. Out: row numbers and scores, best first, equal scores in
the order of `order.rows_by_id`.

A score is the inner product in float64, rounded to float32. faiss, or numpy for many queries at a time, only proposes
candidates, shard by shard: float32 sums depend on batch size, threads and device, so equal passages could change their
order from run to run. Where the candidates cannot be told from the other rows by more than that error, the query is
answered again by `numpy_search`. So the results depend neither on how many shards there are, nor on where the vectors
lie.
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
    blank_ranking,
    block_size,
    blocks,
    id_ranks,
    kth_largest,
)
from engine.search.shards import Shards, squared_lengths

_CPU_ERROR, _GPU_ERROR = 5e-7, 1e-4
"""The bounds on faiss's error in an inner product of unit vectors, times sqrt(dim); a GPU may compute in TF32."""
_CPU_SPARE, _GPU_SPARE = 16, 256
"""The candidates beyond k, so that ties at the border are seen."""
_GPU_MAX_CANDIDATES = 2048
"""The most rows that faiss finds for one query on a GPU."""
_GPU_FREE_BYTES = 2 << 30
"""The memory of the GPU, in bytes, that is left alone when vectors are loaded there."""
_MANY_QUERIES = 16
"""From so many queries on, numpy's product of matrices is faster than faiss, which compares each pair by itself."""
_QUERIES_AT_ONCE = 1024
"""The queries that are compared with a block of rows, where ranks are counted."""


class DenseIndex:
    """An index for exact inner-product search.

    Args:
        ids: one per row, unique; they order equal scores.
        vectors: float32 (rows, dim), finite. L2-normalised ones make the inner product a cosine. They are not copied.
        most_bytes: so many bytes of vectors in a memory map may be in memory at a time; see `Shards`.
    """

    def __init__(self, ids: Sequence[str], vectors: Vectors, *, most_bytes: int | None = None) -> None:
        assert len(ids) == len(vectors), f"{len(ids)} ids for {len(vectors)} vectors"
        self.ids, self.vectors = ids, vectors
        self._shards = Shards(vectors, most_bytes)
        self._id_ranks = id_ranks(ids)
        self._longest = self._shards.longest()
        assert np.isfinite(self._longest), "a vector is not finite"
        self._on_gpu = _load_on_gpu(self._shards)

    def search(self, queries: Vectors, k: int) -> Ranking:
        """Finds the `min(k, rows)` best rows per query: rows int64, scores float32, both (queries, that many)."""
        width = min(k, len(self.ids))
        if not len(queries) or not width:
            return blank_ranking(len(queries), width)
        spare, error = (_CPU_SPARE, _CPU_ERROR) if self._on_gpu is None else (_GPU_SPARE, _GPU_ERROR)
        num_candidates = min(width + spare, len(self.ids))
        if num_candidates == len(self.ids) or (self._on_gpu is not None and num_candidates > _GPU_MAX_CANDIDATES):
            return self._search_all(queries, width)
        rough, candidates = self._propose(np.ascontiguousarray(queries, dtype=np.float32), num_candidates)
        rows, scores = best_candidates(
            self._shards.exact_scores(queries, candidates), candidates, self._id_ranks, width
        )
        is_unsure = scores[:, -1] <= rough[:, -1] + self._margins(queries, error)
        if is_unsure.any():
            rows[is_unsure], scores[is_unsure] = self._search_all(queries[is_unsure], width)
        return rows, scores

    def rank_of(self, queries: Vectors, targets: Sequence[int] | Rows) -> Rows:
        """Computes the rank, from 1 on, of row `targets[i]` among all rows for query i: int64 (queries,)."""
        target_rows = np.asarray(targets, dtype=np.int64)
        assert len(target_rows) == len(queries), f"{len(target_rows)} targets for {len(queries)} queries"
        ranks = np.ones(len(queries), dtype=np.int64)
        margins = self._margins(queries, _CPU_ERROR)
        target_scores = self._shards.exact_scores(queries, target_rows[:, None])
        for shard in self._shards.parts(block_size(min(len(queries), _QUERIES_AT_ONCE))):
            for block in blocks(len(queries), shard.stop - shard.start):
                gaps = queries[block] @ self.vectors[shard].T - target_scores[block]
                ranks[block] += (gaps > margins[block, None]).sum(axis=1)
                # Within the error of a float32 product only exact scores, then ids, decide.
                near, rivals = np.nonzero(np.abs(gaps) <= margins[block, None])
                near, rivals = near + block.start, rivals + shard.start
                is_ahead = self._are_ahead(queries[near], rivals, target_rows[near], target_scores[near])
                ranks += np.bincount(near[is_ahead], minlength=len(queries))
        return ranks

    def _are_ahead(self, queries: Vectors, rivals: Rows, targets: Rows, target_scores: Scores) -> NDArray[np.bool_]:
        """Tells which rivals stand before the target beside them, one of each for each query, (pairs,)."""
        scores = self._shards.exact_scores(queries, rivals[:, None])
        is_earlier_tie = (scores == target_scores)[:, 0] & (self._id_ranks[rivals] < self._id_ranks[targets])
        is_ahead: NDArray[np.bool_] = (scores > target_scores)[:, 0] | is_earlier_tie
        return is_ahead

    def _propose(self, queries: Vectors, count: int) -> tuple[Scores, Rows]:
        """Finds the `count` best rows of each query as faiss sees them: scores and rows, best first."""
        import faiss

        if self._on_gpu is not None:
            scores, rows = self._on_gpu.search(queries, count)
            return scores, rows
        if len(queries) >= _MANY_QUERIES:
            return self._propose_by_products(queries, count)
        found: Any = None
        for shard in self._shards.parts():
            vectors = np.ascontiguousarray(self.vectors[shard], dtype=np.float32)
            depth = min(count, len(vectors))
            scores, rows = faiss.knn(queries, vectors, depth, metric=faiss.METRIC_INNER_PRODUCT)
            if len(vectors) == len(self.ids):
                return scores, rows
            found = found or faiss.ResultHeap(len(queries), count, keep_max=True)
            found.add_result(scores, rows + shard.start)
        found.finalize()
        return found.D, found.I

    def _propose_by_products(self, queries: Vectors, count: int) -> tuple[Scores, Rows]:
        """Finds the same by products of matrices, the faster way where many queries share the reading of a row."""
        import faiss

        found = faiss.ResultHeap(len(queries), count, keep_max=True)
        for shard in self._shards.parts(block_size(2 * min(len(queries), _QUERIES_AT_ONCE))):
            for block in blocks(len(queries), 2 * (shard.stop - shard.start)):
                products = queries[block] @ self.vectors[shard].T
                depth = min(count, products.shape[1])
                best = np.argpartition(products, products.shape[1] - depth, axis=1)[:, -depth:]
                numbers = np.arange(block.start, block.start + len(products))
                found.add_result_subset(numbers, np.take_along_axis(products, best, axis=1), best + shard.start)
        found.finalize()
        return found.D, found.I

    def _search_all(self, queries: Vectors, k: int) -> Ranking:
        """Finds what `search` finds, without candidates."""
        return _ranked_by_all_scores(self._shards, self._id_ranks, queries, k)

    def _margins(self, queries: Vectors, error: float) -> NDArray[np.float64]:
        """Computes how far a float32 score may lie from the exact one, per query, (queries,)."""
        lengths = np.sqrt(squared_lengths(queries))
        margins: NDArray[np.float64] = error * self.vectors.shape[1] ** 0.5 * self._longest * lengths
        return margins


def best_candidates(scores: Scores, candidates: Rows, id_ranks: Rows, width: int) -> Ranking:
    """Orders the candidates of each query by exact scores, then ids, and returns the first `width` of them.

    Args:
        scores: of the candidates, (queries, candidates).
        candidates: rows; -1 stands for none, and comes last.
        id_ranks: the position of each row in the order of equal scores, (rows,).
        width: at most the number of candidates.
    """
    order = np.lexsort((id_ranks[candidates], -scores), axis=-1)[:, :width]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(scores, order, axis=1)


def numpy_search(ids: Sequence[str], vectors: Vectors, queries: Vectors, k: int) -> Ranking:
    """Finds what `DenseIndex.search` finds, by brute force: the definition it is tested against, and its fallback."""
    return _ranked_by_all_scores(Shards(vectors), id_ranks(ids), queries, min(k, len(ids)))


def _ranked_by_all_scores(shards: Shards, ranks: Rows, queries: Vectors, width: int) -> Ranking:
    """Ranks all rows for each query; `ranks` is the order of equal scores, see `id_ranks`.

    A product of matrices may differ in the last bit from that of a pair, so it only proposes, with a bit to spare.
    """
    rows, scores = blank_ranking(len(queries), width)
    for block in blocks(len(queries) if width else 0, shards.num_rows):
        block_queries = queries[block].astype(np.float64)
        block_scores = np.empty((len(block_queries), shards.num_rows), dtype=np.float32)
        for shard in shards.parts(block_size(shards.dim)):
            block_scores[:, shard] = block_queries @ shards.vectors[shard].T.astype(np.float64)
        for number, row_scores in enumerate(block_scores, start=block.start):
            least = np.nextafter(kth_largest(row_scores, width), np.float32(-np.inf))
            near, query = np.flatnonzero(row_scores >= least)[None], slice(number, number + 1)
            exact = shards.exact_scores(queries[query], near)
            rows[query], scores[query] = best_candidates(exact, near, ranks, width)
    return rows, scores


def write_flat_index(vectors: Vectors, rows: Rows, file: Path) -> None:
    """Writes vectors as an exact index of faiss by inner products (IndexFlatIP).

    Args:
        vectors: float32 (rows, dim), read some at a time, so that a memory map need not be copied first.
        rows: those that are written, in the order of the index.
        file: where to; any program with faiss reads it.
    """
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    for block in blocks(len(rows), vectors.shape[1]):
        index.add(np.ascontiguousarray(vectors[rows[block]], dtype=np.float32))
    faiss.write_index(index, str(file))


def _load_on_gpu(shards: Shards) -> Any:
    """Loads all vectors on the GPU, where faiss was built for one and it has room beside a running LLM; else None."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        return None
    import torch

    if torch.cuda.mem_get_info(0)[0] < 2 * shards.vectors.nbytes + _GPU_FREE_BYTES:
        return None
    index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), shards.dim)
    for shard in shards.parts(block_size(shards.dim)):
        index.add(np.ascontiguousarray(shards.vectors[shard], dtype=np.float32))
    return index
