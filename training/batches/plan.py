"""Which rows share a batch: the whole plan of an epoch, made before it starts, by ids alone.

In: what each row is about (passage, document, query, passages and documents of its negatives) and a seed. Out: an
integer array with one line per step and one column per position in the global batch.

In-batch negatives are only negatives when no other row of the batch has the same passage, document or query. Rows that
conflict are put off to a later batch, never dropped for it; the test is on the *global* batch, because embeddings are
gathered across workers. A plan made beforehand depends on no worker count and no order of arrival, has the same number
of equally long batches on every rank, and can be entered at any step, which is what resuming needs. (The no-duplicates
samplers of sentence-transformers compare texts only, see one rank, and do not work on streams.)
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""Numbers of rows; a batch plan is such an array of shape (steps, batch_size)."""

_STEPS_OF_AN_EPOCH = 5
"""The number of steps that an epoch should have, for which steps are made smaller."""
_SMALL_BATCH = 16
"""The smallest size that steps are given for that."""


@dataclass(frozen=True)
class RowKeys:
    """All that the rows of a batch must not share: one entry per row, strings of any kind.

    Attributes:
        passages: what is told apart as a passage, an id or the text itself.
        documents: the document of each passage.
        queries: the text of each query, or a normal form of it.
        negatives: per row the documents of its own hard negatives; empty when there are none.
        negative_passages: per row these negatives themselves, told apart as `passages` are, since other documents
            may hold them too.
    """

    passages: Sequence[str]
    documents: Sequence[str]
    queries: Sequence[str]
    negatives: Sequence[Sequence[str]] = ()
    negative_passages: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.passages), len(self.documents), len(self.queries)}
        assert len(lengths) == 1, f"keys of different lengths: {sorted(lengths)}"
        given = {len(self.negatives), len(self.negative_passages)}
        assert given <= {0, len(self.passages)}, "negatives are given for all rows or for none"

    def __len__(self) -> int:
        return len(self.passages)


def plan_batches(keys: RowKeys, *, batch_size: int, world_size: int, seed: int, epoch: int) -> Rows:
    """Plans the batches of one epoch.

    Rows are taken in an order drawn from (seed, epoch) and each goes into the earliest batch that has room, comes
    after every batch with a row of the same passage, document or query, and has no row whose hard negatives are its
    passage or of its document, or the other way round. Only full batches count: left out are the rows of the last,
    incomplete ones. That is fewer than `batch_size` rows when all documents differ, and otherwise what one document has
    beyond one row per batch. Another epoch leaves out other rows.

    Args:
        keys: what the rows are about.
        batch_size: the rows of a global batch, over all workers.
        world_size: the number of workers that share a batch, each taking an equal, contiguous part.
        seed: the seed of the run.
        epoch: the number of the epoch, from 0.

    Returns:
        int64 array (steps, batch_size) of row numbers, each row at most once.
    """
    assert batch_size % world_size == 0, f"{world_size} workers cannot share batches of {batch_size} equally"
    order = np.random.default_rng([seed, epoch]).permutation(len(keys))
    batches = _Batches(batch_size, keys)
    for row in order.tolist():
        batches.put(row)
    full = [batch for batch in batches.rows if len(batch) == batch_size]
    return np.asarray(full, dtype=np.int64).reshape(len(full), batch_size)


def plan_epochs(keys: RowKeys, *, batch_size: int, world_size: int, seed: int, epochs: int) -> Rows:
    """Plans the batches of all epochs, one epoch after the other: int64 array (steps, batch_size)."""
    plans = [
        plan_batches(keys, batch_size=batch_size, world_size=world_size, seed=seed, epoch=epoch)
        for epoch in range(epochs)
    ]
    return np.concatenate(plans)


def preferred_batch_size(num_rows: int, batch_size: int) -> int:
    """Returns `batch_size`, or less where an epoch would have fewer than five steps of it, but at least 16.

    A larger batch has harder negatives in it, but a model that takes a handful of steps learns nothing.

    Args:
        num_rows: the number of training rows.
        batch_size: the batch size that is configured.
    """
    return min(batch_size, max(_SMALL_BATCH, num_rows // _STEPS_OF_AN_EPOCH))


def fitting_batch_size(keys: RowKeys, *, batch_size: int, world_size: int, seed: int) -> int:
    """Finds the largest batch that uses half of the rows: `batch_size`, or less with few documents or many conflicts.

    Returns:
        a multiple of `world_size`, of at least two rows a worker; 0 when there is none.
    """
    distinct = min(len(set(values)) for values in (keys.passages, keys.documents, keys.queries))
    size = min(batch_size, distinct) // world_size * world_size
    while size >= 2 * world_size:
        if 2 * plan_batches(keys, batch_size=size, world_size=world_size, seed=seed, epoch=0).size >= len(keys):
            return size
        size = size // 2 // world_size * world_size
    return 0


class _Batches:
    """Batches that are being filled, the earliest first.

    Attributes:
        rows: the row numbers of each batch.
    """

    def __init__(self, batch_size: int, keys: RowKeys) -> None:
        self.rows: list[list[int]] = []
        self._size = batch_size
        self._first_open = 0
        self._passages = _codes(keys.passages).tolist()
        self._documents = _codes(keys.documents).tolist()
        self._queries = _codes(keys.queries).tolist()
        self._contents, self._negatives = _content_codes(keys), _negative_codes(keys)
        self._next_free: dict[tuple[str, int], int] = {}  # a key may be used from this batch on
        self._batch_contents: list[set[int]] = []
        self._batch_negatives: list[set[int]] = []

    def put(self, row: int) -> None:
        """Adds a row to the earliest batch that may hold it, and opens a new one where none may."""
        keys = (("passage", self._passages[row]), ("document", self._documents[row]), ("query", self._queries[row]))
        earliest = max(self._first_open, *(self._next_free.get(key, 0) for key in keys))
        index = next(index for index in itertools.count(earliest) if self._admits(index, row))
        self.rows[index].append(row)
        self._next_free.update(dict.fromkeys(keys, index + 1))
        if self._negatives:
            self._batch_contents[index] |= self._contents[row]
            self._batch_negatives[index] |= self._negatives[row]
        while self._first_open < len(self.rows) and len(self.rows[self._first_open]) == self._size:
            self._first_open += 1

    def _admits(self, index: int, row: int) -> bool:
        if index == len(self.rows):
            self._open()
        return len(self.rows[index]) < self._size and not self._clashes(index, row)

    def _open(self) -> None:
        self.rows.append([])
        self._batch_contents.append(set())
        self._batch_negatives.append(set())

    def _clashes(self, index: int, row: int) -> bool:
        """Tells whether a hard negative of the row is or is of what the batch is about, or the other way round."""
        if not self._negatives:
            return False
        in_row, in_batch = self._negatives[row], self._batch_negatives[index]
        return not (in_batch.isdisjoint(self._contents[row]) and in_row.isdisjoint(self._batch_contents[index]))


def _codes(values: Sequence[str]) -> NDArray[np.int64]:
    """Numbers values, so that equal values get equal numbers."""
    _, codes = np.unique(np.asarray(values, dtype=object), return_inverse=True)
    return codes.astype(np.int64)


def _content_codes(keys: RowKeys) -> list[frozenset[int]]:
    """Numbers the document and the passage of each row, passages below 0; empty where there are no negatives."""
    if not (keys.negatives or keys.negative_passages):
        return []
    pairs = zip(_codes(keys.documents).tolist(), (-1 - _codes(keys.passages)).tolist(), strict=True)
    return [frozenset(pair) for pair in pairs]


def _negative_codes(keys: RowKeys) -> list[frozenset[int]]:
    """Numbers documents and passages of each row's negatives as in `_content_codes`; those of no row are left out."""
    documents = dict(zip(keys.documents, _codes(keys.documents).tolist(), strict=True))
    passages = dict(zip(keys.passages, (-1 - _codes(keys.passages)).tolist(), strict=True))
    pairs = itertools.zip_longest(keys.negatives, keys.negative_passages, fillvalue=())
    return [frozenset(_known(documents, of) | _known(passages, texts)) for of, texts in pairs]


def _known(numbers: Mapping[str, int], names: Sequence[str]) -> set[int]:
    return {numbers[name] for name in names if name in numbers}
