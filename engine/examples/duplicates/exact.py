"""Exact duplicates: texts that are equal once case, spaces and sentence punctuation are taken away.

In: ids and texts, in any order. Out: for every row the id of the row that stands for it; a row is kept when that is its
own id. The lowest id of equal texts wins, so the result depends on which texts there are, never on their order. Texts
are read some at a time and told by 64 bits of their hashes: in memory are 16 bytes a text, and two of ten million that
differ are taken for equal in one data set of 300,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.storage.texts import TextColumn
from engine.text.hashes import text_hashes

Ids = npt.NDArray[np.int64]
"""Unique ids, (n,)."""

_TEXTS_AT_ONCE = 1 << 16

_SENTENCE_PUNCTUATION = "[?!.,;:\"'()\u2018\u2019\u201c\u201d\u2026\u3001\u3002\\s\\p{Z}]+"


def normalise(texts: Sequence[str] | pa.Array) -> pa.Array:
    """Folds compatibility forms, case, spaces and sentence punctuation; symbols of code and mathematics stay."""
    import pyarrow.compute as pc

    folded = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.large_string()), form="NFKC"))
    spaced = pc.replace_substring_regex(folded, pattern=_SENTENCE_PUNCTUATION, replacement=" ")
    return pc.utf8_trim_whitespace(spaced)


def as_column(texts: Sequence[str] | TextColumn) -> TextColumn:
    """Makes a column of texts that are held in a list."""
    return texts if hasattr(texts, "take") else pa.array(texts, pa.large_string())


class Hashed(NamedTuple):
    """Hashes of texts that were made before."""

    ids: Ids
    hashes: npt.NDArray[np.uint64]
    """As `exact_hashes` makes them, (ids,)."""


def exact_hashes(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """Hashes what counts as the same text into the same 64 bits, (texts,)."""
    return text_hashes(normalise(texts).to_pylist())


def rows_among(ids: Ids, wanted: Ids) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Finds ids among others.

    Args:
        ids: ascending, at least one.
        wanted: (n,).

    Returns:
        The row of each wanted id in `ids`, and whether it is there, (n,) both; the row of one that is not says nothing.
    """
    rows = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return rows, ids[rows] == wanted


def exact_duplicates(ids: Ids, texts: Sequence[str] | TextColumn, known: Iterable[Hashed] = ()) -> Ids:
    """Gives for every row the lowest id whose normalised text is the same.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).
        known: hashes of some of the texts, and perhaps of others; they are not made again.

    Returns:
        int64 (n,); equal to `ids` where a row is kept.
    """
    assert len(np.unique(ids)) == len(ids), "ids are not unique"
    if not len(ids):
        return ids.copy()
    column, hashes, is_left = as_column(texts), np.empty(len(ids), np.uint64), np.ones(len(ids), np.bool_)
    order = np.argsort(ids)
    ascending = ids[order]
    for hashed in known:
        rows, is_there = rows_among(ascending, hashed.ids)
        rows = order[rows[is_there]]
        hashes[rows], is_left[rows] = hashed.hashes[is_there], False
    left = np.flatnonzero(is_left)
    for start in range(0, len(left), _TEXTS_AT_ONCE):
        rows = left[start : start + _TEXTS_AT_ONCE]
        hashes[rows] = exact_hashes(column.take(pa.array(rows)))
    distinct, codes = np.unique(hashes, return_inverse=True)
    lowest = np.full(len(distinct), np.iinfo(np.int64).max)
    np.minimum.at(lowest, codes, ids)
    return np.asarray(lowest[codes])
