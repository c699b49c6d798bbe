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

from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.text.hashes import Hashes
from training.batches.keys import RowKeys

Rows = NDArray[np.int64]
"""Numbers of rows; a batch plan is such an array of shape (steps, batch_size)."""
Codes = NDArray[np.int32]
"""Equal things as equal numbers, from 0 on; -1 is none of them."""
_NOTHING = np.uint64(0)
"""In the place of the hash of a negative or an answer that a row lacks."""

_STEPS_OF_AN_EPOCH = 5
"""The number of steps that an epoch should have, for which steps are made smaller."""
_SMALL_BATCH = 16
"""The smallest size that steps are given for that."""
_ROWS_AT_ONCE = 1 << 16
"""The rows whose numbers are Python integers at a time."""


def plan_batches(keys: RowKeys, *, batch_size: int, world_size: int, seed: int, epoch: int) -> Rows:
    """Plans the batches of one epoch.

    Rows are taken in an order drawn from (seed, epoch) and each goes into the earliest batch that has room, comes
    after every batch with a row of the same passage, document or query, and has no row whose hard negatives are its
    passage or of its document, or the other way round; nor one that brings what may answer its query. Only full batches
    count: left out are the rows of the last, incomplete ones. That is fewer than `batch_size` rows when all documents
    differ, and otherwise what one document has beyond one row per batch. Another epoch leaves out other rows.

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
    for start in range(0, len(order), _ROWS_AT_ONCE):
        for row in order[start : start + _ROWS_AT_ONCE].tolist():
            batches.put(row)
    batch_of = batches.of_rows()
    by_batch = np.argsort(batch_of, kind="stable")
    is_full = np.bincount(batch_of, minlength=1) == batch_size
    planned: Rows = order[by_batch[is_full[batch_of[by_batch]]]]
    return planned.reshape(-1, batch_size)


def plan_epochs(
    keys: RowKeys, *, batch_size: int, world_size: int, seed: int, epochs: int, first_epoch: int = 0
) -> Rows:
    """Plans the batches of all epochs, one epoch after the other: int64 array (steps, batch_size)."""
    plans = [
        plan_batches(keys, batch_size=batch_size, world_size=world_size, seed=seed, epoch=epoch)
        for epoch in range(first_epoch, first_epoch + epochs)
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
    distinct = min(len(np.unique(values)) for values in (keys.passages, keys.documents, keys.queries))
    size = min(batch_size, distinct) // world_size * world_size
    while size >= 2 * world_size:
        if 2 * plan_batches(keys, batch_size=size, world_size=world_size, seed=seed, epoch=0).size >= len(keys):
            return size
        size = size // 2 // world_size * world_size
    return 0


class _Batches:
    """Batches that are being filled, the earliest first.

    A row costs a few integers of four bytes; what a batch holds is forgotten when it is full.
    """

    def __init__(self, batch_size: int, keys: RowKeys) -> None:
        self._batch_of = array("i")
        self._sizes = array("i")
        self._batch_size = batch_size
        self._first_open = 0
        self._keys = [_Key(hashes) for hashes in (keys.passages, keys.documents, keys.queries)]
        documents = _codes_beside(keys.documents, keys.answers, keys.negatives)
        passages = _codes_beside(keys.passages, keys.answer_passages, keys.negative_passages)
        both = list(zip((1, -1), (documents, passages), strict=True))
        self._answers = [(codes, sign) for sign, (codes, _) in both if len(codes)]
        self._negatives = [(codes, sign) for sign, (_, codes) in both if len(codes)]
        self._open: dict[int, _Content] = {}

    def put(self, row: int) -> None:
        """Adds a row to the earliest batch that may hold it, and opens a new one where none may."""
        index = self._first_open
        for key in self._keys:
            index = max(index, key.next_free[key.codes[row]])
        content = self._content_of(row)
        while not self._admits(index, content):
            index += 1
        self._batch_of.append(index)
        self._sizes[index] += 1
        for key in self._keys:
            key.next_free[key.codes[row]] = index + 1
        if self._negatives or self._answers:
            self._note(index, content)
        while self._first_open < len(self._sizes) and self._sizes[self._first_open] == self._batch_size:
            self._first_open += 1

    def of_rows(self) -> Codes:
        """The batch of each row, in the order in which they were put, (rows,)."""
        return np.asarray(self._batch_of, np.int32)

    def _content_of(self, row: int) -> _Content:
        """Returns what a row brings, and what answers it: documents from 1 on, and passages from -1 down.

        0 is what no row is about or may be answered by.
        """
        passages, documents = self._keys[0].codes, self._keys[1].codes
        return _Content(
            {documents[row] + 1, -passages[row] - 1},
            {sign * code for codes, sign in self._negatives for code in (codes[row] + 1).tolist()} - {_NO_ROW + 1},
            {sign * code for codes, sign in self._answers for code in (codes[row] + 1).tolist()} - {_NO_ROW + 1},
        )

    def _admits(self, index: int, content: _Content) -> bool:
        """Tells whether a batch has room, and nothing in it speaks against a row or the other way round."""
        if index == len(self._sizes):
            self._sizes.append(0)
        if self._sizes[index] == self._batch_size:
            return False
        held = self._open.get(index)
        return held is None or held.goes_with(content)

    def _note(self, index: int, content: _Content) -> None:
        if self._sizes[index] == self._batch_size:
            self._open.pop(index, None)
            return
        held = self._open.setdefault(index, _Content())
        held.contents |= content.contents
        held.negatives |= content.negatives
        held.answers |= content.answers


@dataclass
class _Content:
    """What a row, or a batch that is not full, holds, numbered as `_Batches` numbers documents and passages."""

    contents: set[int] = field(default_factory=set)
    """What rows are about."""
    negatives: set[int] = field(default_factory=set)
    answers: set[int] = field(default_factory=set)
    """What rows may be answered by besides."""

    def goes_with(self, other: _Content) -> bool:
        """Tells whether neither brings as a negative what the other is about, nor anything that may answer it.

        That both have one negative, or one other answer, is no reason against it.
        """
        return (
            self.negatives.isdisjoint(other.contents)
            and self.contents.isdisjoint(other.negatives)
            and (not self.answers or other.is_free_of(self.answers))
            and (not other.answers or self.is_free_of(other.answers))
        )

    def is_free_of(self, answers: set[int]) -> bool:
        """Tells whether nothing of some answers is brought, as what a row is about or as a negative."""
        return self.contents.isdisjoint(answers) and self.negatives.isdisjoint(answers)


class _Key:
    """One kind of thing that rows of a batch must not share.

    Attributes:
        codes: of each row.
        next_free: for each code the first batch in which it may be used.
    """

    def __init__(self, hashes: Hashes) -> None:
        distinct, codes = np.unique(hashes, return_inverse=True)
        self.codes = array("i", codes.astype(np.int32).tobytes())
        self.next_free = array("i", bytes(4 * len(distinct)))


_NO_ROW = -1
"""The code of a document or a passage that no row is about, and none may be answered by."""


def _codes_beside(of_rows: Hashes, of_answers: Hashes, of_negatives: Hashes) -> tuple[Codes, Codes]:
    """Numbers each row's answers and negatives as the documents, or passages, of rows are numbered.

    Answers that no row is about have the numbers behind these.

    Returns:
        The codes of the answers, (rows, answers), and of the negatives, (rows, negatives).
    """
    distinct = np.unique(of_rows)
    further = np.setdiff1d(of_answers, np.append(distinct, _NOTHING))
    known, codes = np.concatenate([distinct, further]), np.arange(len(distinct) + len(further), dtype=np.int32)
    order = np.argsort(known)
    known, codes = known[order], codes[order]

    def numbered(hashes: Hashes) -> Codes:
        places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        return np.where(known[places] == hashes, codes[places], _NO_ROW).astype(np.int32)

    return numbered(of_answers), numbered(of_negatives)
