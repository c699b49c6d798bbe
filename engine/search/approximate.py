"""Approximate search by meaning: faiss's graphs (HNSW) and lists of codes (IVF-PQ), in front of exact scores.

In: ids with vectors, which may lie in a memory map larger than the memory, and settings. Out: an index that is saved as
one file of faiss, loaded again, and searched as `DenseIndex` is. faiss proposes more rows than are asked for; these are
scored and ordered as exact search does it, equal scores by id. So what is found is in the right order with the right
scores, and the only fault is a row that faiss did not propose.

The same vectors, settings and seed give the same index, as far as faiss does: lists and codes are trained on a sample
that the seed draws, and graphs of up to `_ONE_THREAD_ROWS` vectors are built by one thread, since the links of a graph
depend on who is first where several build it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.search.dense import DenseIndex, best_candidates
from engine.search.index_settings import Flat, Hnsw, IndexSettings, IvfPq
from engine.search.order import Ranking, Rows, Vectors, blank_ranking, block_size, id_ranks
from engine.search.shards import Shards
from engine.storage.files import fsync_folder, require_space, temporary_name

_SPARE = 16
"""The candidates beyond those asked for, so that ties at the border are seen."""
_REFINED = 4
"""So many times the rows that are asked for are candidates where faiss knows no more than codes."""
_ONE_THREAD_ROWS = 100_000
_LARGEST_SEED = 2**31


class ApproximateIndex:
    """An index for approximate inner-product search; make it with `build` or `load`.

    Args:
        ids: one per row, unique; they order equal scores.
        vectors: float32 (rows, dim), finite: what candidates are scored by. A memory map is read where it is needed.
        index: the index of faiss over these vectors.
    """

    def __init__(self, ids: Sequence[str], vectors: Vectors, index: Any) -> None:
        assert len(ids) == len(vectors) == index.ntotal, f"{len(ids)} ids, {len(vectors)} vectors, {index.ntotal} rows"
        self.ids, self.vectors = ids, vectors
        self.settings = _settings_of(index)
        self._id_ranks = id_ranks(ids)
        self._shards = Shards(vectors)
        self._index = index

    @classmethod
    def build(cls, ids: Sequence[str], vectors: Vectors, settings: IndexSettings, *, seed: int = 0) -> ApproximateIndex:
        """Builds an index; vectors are read shard by shard, and an index of codes does not hold them.

        Args:
            ids: one per row, unique.
            vectors: float32 (rows, dim), finite; at least one row.
            settings: such as `fitting_settings` gives them.
            seed: of the sample to train on, and of the training.
        """
        shards = Shards(vectors)
        index = _empty_index(settings, shards.dim, seed % _LARGEST_SEED)
        if isinstance(settings, IvfPq):
            size = min(settings.sample, shards.num_rows)
            drawn = np.random.default_rng(seed).choice(shards.num_rows, size, replace=False)
            index.train(shards.take(np.sort(drawn).astype(np.int64)))
        is_small_graph = isinstance(settings, Hnsw) and shards.num_rows <= _ONE_THREAD_ROWS
        with _one_thread() if is_small_graph else contextlib.nullcontext():
            for shard in shards.parts(block_size(shards.dim)):
                index.add(np.ascontiguousarray(vectors[shard], dtype=np.float32))
        return cls(ids, vectors, index)

    @classmethod
    def load(cls, file: Path, ids: Sequence[str], vectors: Vectors) -> ApproximateIndex:
        """Reads an index that `save` wrote.

        Args:
            file: the file.
            ids: those of the vectors, in their order.
            vectors: those that the index was built of.

        Raises:
            UserError: the index is of other vectors.
        """
        import faiss

        index = faiss.read_index(str(file))
        if (index.ntotal, index.d) != vectors.shape:
            what = f"holds {index.ntotal:,} vectors of {index.d} dimensions, not {len(vectors):,} of {vectors.shape[1]}"
            raise UserError(what, where=str(file), remedy="build the index again from these passages")
        return cls(ids, vectors, index)

    def save(self, file: Path) -> None:
        """Writes the index to a file, which is whole or absent.

        Raises:
            UserError: the disk has no room for it.
        """
        require_space(file.parent, self.num_bytes())
        temporary = temporary_name(file)
        with temporary.open("wb") as stream:
            _write(self._index, stream.write)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        fsync_folder(file.parent)

    def num_bytes(self) -> int:
        """Returns the size of the index, in a file as in memory; vectors that are no part of it are not counted."""
        sizes: list[int] = []
        _write(self._index, lambda data: sizes.append(len(data)))
        return sum(sizes)

    def search(self, queries: Vectors, k: int) -> Ranking:
        """Finds up to `min(k, rows)` rows per query: rows int64, scores float32, both (queries, that many).

        Row -1, with score 0, fills up where fewer were found.
        """
        width = min(k, len(self.ids))
        if not len(queries) or not width:
            return blank_ranking(len(queries), width)
        wanted = _REFINED * width if isinstance(self.settings, IvfPq) else width + _SPARE
        given = np.ascontiguousarray(queries, dtype=np.float32)
        _, candidates = self._index.search(given, min(wanted, len(self.ids)))
        rows, scores = best_candidates(
            self._shards.exact_scores(queries, candidates), candidates, self._id_ranks, width
        )
        scores[rows < 0] = 0.0
        return rows, scores

    def rank_of(self, queries: Vectors, targets: Sequence[int] | Rows) -> Rows:
        """Computes exact ranks, as `DenseIndex.rank_of`: what is not found has no rank by an approximate search."""
        return DenseIndex(self.ids, self.vectors).rank_of(queries, targets)


def _empty_index(settings: IndexSettings, dim: int, seed: int) -> Any:
    """Makes an index of faiss without vectors."""
    import faiss

    if isinstance(settings, Flat):
        return faiss.IndexFlatIP(dim)
    if isinstance(settings, Hnsw):
        graph = faiss.IndexHNSWFlat(dim, settings.m, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = settings.ef_construction, settings.ef_search
        return graph
    centres = faiss.IndexFlatIP(dim)
    lists = faiss.IndexIVFPQ(centres, dim, settings.nlist, settings.m, settings.nbits, faiss.METRIC_INNER_PRODUCT)
    lists.nprobe = settings.nprobe
    lists.cp.seed = lists.pq.cp.seed = seed
    return lists


def _settings_of(index: Any) -> IndexSettings:
    """Reads the settings off an index of faiss."""
    import faiss

    if isinstance(index, faiss.IndexIVFPQ):
        return IvfPq(index.nlist, index.nprobe, index.pq.M, index.pq.nbits)
    if isinstance(index, faiss.IndexHNSW):
        graph: Any = index.hnsw
        return Hnsw(graph.nb_neighbors(1), graph.efConstruction, graph.efSearch)
    return Flat()


def _write(index: Any, write: Callable[[bytes], object]) -> None:
    """Hands the bytes of an index of faiss to a function, piece by piece."""
    import faiss

    faiss.write_index(index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]  # its stubs lack it


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Has faiss compute with one thread inside the block."""
    import faiss

    num_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(num_threads)
