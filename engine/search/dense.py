"""Search: the k best rows for every query, dense (faiss) or by words (bm25s), in an order that never varies.

In: ids with vectors, or ids with texts. Out: row indices and scores, best first. Equal scores are ordered by id,
descending by code point, because that is what trec_eval does with ties: a TREC run written from here is scored by
it as it was ranked here.

A dense score is the inner product in float64, rounded to float32. faiss only proposes candidates: its float32 sums
depend on batch size, threads and device, which would let equal passages trade places from run to run. Where the
candidates cannot be told from the rest by more than that error, the query is answered again by `numpy_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.search.order import Found, Rows, Scores, best, blocks_of, id_ranks, nothing_found, rank_by_score

if TYPE_CHECKING:
    from numpy.typing import NDArray


_CPU_ERROR, _GPU_ERROR = 5e-7, 1e-4
"""Bounds on faiss's error in an inner product of unit vectors, times sqrt(dim); a GPU may compute in TF32."""


_CPU_SPARE, _GPU_SPARE = 16, 256
"""Candidates beyond k, so that ties at the border are seen."""


_GPU_MAX_K = 2048


_GPU_SPARE_BYTES = 2 << 30


class DenseIndex:
    """Inner-product search over vectors that lie in memory (or in a memory map).

    Args:
        ids: one per row, unique; they order equal scores.
        vectors: float32 (rows, dim), finite. L2-normalised ones make the inner product a cosine.
        approximate: looks into the nearest of about 4 * sqrt(rows) lists only (faiss IVF). Worth it from millions
            of rows on; scores and order of what it finds are exact, `rank_of` stays exact altogether.
    """

    def __init__(self, ids: Sequence[str], vectors: Scores, *, approximate: bool = False) -> None:
        assert len(ids) == len(vectors), f"{len(ids)} ids for {len(vectors)} vectors"
        assert vectors.ndim == 2, f"vectors of shape {vectors.shape}, not (rows, dim)"
        self.ids, self.vectors, self.approximate = ids, vectors, approximate
        self._place = id_ranks(ids)
        self._scale = float(np.sqrt(_squares(vectors).max(initial=0.0)))
        assert np.isfinite(self._scale), "a vector is not finite"
        self._on_gpu = False
        self._index = self._build() if len(ids) else None

    def search(self, queries: Scores, k: int) -> Found:
        """The `min(k, rows)` best rows per query: indices int64 and scores float32, both (queries, that many)."""
        width = min(k, len(self.ids))
        if self._index is None or not len(queries) or not width:
            return nothing_found(len(queries), width)
        if self._on_gpu and width > _GPU_MAX_K - _GPU_SPARE:
            return numpy_search(self.ids, self.vectors, queries, k)
        reach = min(width + (_GPU_SPARE if self._on_gpu else _CPU_SPARE), len(self.ids))
        near, candidates = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), reach)
        found, scores = self._ordered(queries, candidates, width)
        unsure = (found < 0).any(axis=1)  # a list of an approximate index ran out of rows
        if reach < len(self.ids) and not self.approximate:
            margins = self._margins(queries, _GPU_ERROR if self._on_gpu else _CPU_ERROR)
            unsure |= scores[:, -1] <= near[:, -1] + margins
        if unsure.any():
            found[unsure], scores[unsure] = numpy_search(self.ids, self.vectors, queries[unsure], k)
        return found, scores

    def rank_of(self, queries: Scores, targets: Sequence[int] | Rows) -> Rows:
        """The 1-based rank of row `targets[i]` among all rows for query i: int64 (queries,)."""
        rows = np.asarray(targets, dtype=np.int64)
        assert len(rows) == len(queries), f"{len(rows)} targets for {len(queries)} queries"
        ranks = np.ones(len(rows), dtype=np.int64)
        margins = self._margins(queries, _CPU_ERROR)
        for block in blocks_of(len(queries), max(len(self.ids), 1)):
            rough = queries[block] @ self.vectors.T
            own = _exact(queries[block], self.vectors, rows[block, None])
            gap = rough - own
            ranks[block] += (gap > margins[block, None]).sum(axis=1)
            # Within the error of a float32 product only exact scores, then ids, decide.
            for query, close in enumerate(np.abs(gap) <= margins[block, None]):
                others = np.flatnonzero(close)
                scores = _exact(queries[block][query : query + 1], self.vectors, others[None])[0]
                target = rows[block][query]
                ties = (scores == own[query]) & (self._place[others] < self._place[target])
                ranks[block.start + query] += ((scores > own[query]) | ties).sum()
        return ranks

    def _ordered(self, queries: Scores, candidates: Rows, width: int) -> Found:
        scores = _exact(queries, self.vectors, candidates)
        scores[candidates < 0] = -np.inf
        order = np.lexsort((self._place[candidates], -scores), axis=-1)[:, :width]
        return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def _margins(self, queries: Scores, error: float) -> NDArray[np.float64]:
        """How far a float32 score may lie from the exact one, per query."""
        margins: NDArray[np.float64] = error * self.vectors.shape[1] ** 0.5 * self._scale * np.sqrt(_squares(queries))
        return margins

    def _build(self) -> Any:
        import faiss

        rows, dim = self.vectors.shape
        index: Any = faiss.IndexFlatIP(dim)
        if self.approximate:
            lists = max(1, min(int(4 * rows**0.5), rows // 39))  # faiss wants 39 training rows per list
            index = faiss.IndexIVFFlat(index, dim, lists, faiss.METRIC_INNER_PRODUCT)
            index.cp.spherical = True
            index.nprobe = max(8, lists // 8)
        index = self._moved(index)
        vectors = np.ascontiguousarray(self.vectors, dtype=np.float32)
        index.train(vectors)
        index.add(vectors)
        return index

    def _moved(self, index: Any) -> Any:
        """The index on the GPU, where faiss was built for one and it has room beside a running LLM."""
        import faiss

        if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
            return index
        import torch

        if torch.cuda.mem_get_info(0)[0] < 2 * self.vectors.nbytes + _GPU_SPARE_BYTES:
            return index
        self._on_gpu = True
        self._gpu = faiss.StandardGpuResources()  # the index uses it for as long as it lives
        return faiss.index_cpu_to_gpu(self._gpu, 0, index)


def numpy_search(ids: Sequence[str], vectors: Scores, queries: Scores, k: int) -> Found:
    """What `DenseIndex.search` finds, by brute force: the definition it is tested against, and its fallback."""
    order, width = rank_by_score(ids), min(k, len(ids))
    rows, scores = nothing_found(len(queries), width)
    for block in blocks_of(len(queries), max(len(ids), 1)):
        asked = queries[block].astype(np.float64)
        every = np.empty((len(asked), len(ids)), dtype=np.float32)
        for part in blocks_of(len(ids), vectors.shape[1]):
            every[:, part] = asked @ vectors[part].T.astype(np.float64)
        for number, own in enumerate(every, start=block.start):
            rows[number] = order[best(own[order], width)]
            scores[number] = own[rows[number]]
    return rows, scores


def _exact(queries: Scores, vectors: Scores, rows: Rows) -> Scores:
    """Scores of chosen rows, (queries, chosen): the same for the same pair wherever it stands."""
    scores = np.empty(rows.shape, dtype=np.float32)
    for block in blocks_of(len(queries), max(rows.shape[1], 1) * vectors.shape[1]):
        pairs = vectors[rows[block]].astype(np.float64)
        scores[block] = (pairs @ queries[block, :, None].astype(np.float64))[:, :, 0]
    return scores


def _squares(vectors: Scores) -> NDArray[np.float64]:
    """Squared lengths, float64 (rows,)."""
    squares: NDArray[np.float64] = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return squares
