"""Exact duplicates: texts that are equal once case, spaces and sentence punctuation are taken away.

In: ids and texts, in any order. Out: for every row the id of the row that stands for it; a row is kept when that is its
own id. The lowest id of equal texts wins, so the result depends on which texts there are, never on their order. Texts
are read some at a time and told by 64 bits of their hashes: in memory are 16 bytes a text, and two of ten million that
differ are taken for equal in one data set of 300,000.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def exact_duplicates(ids: Ids, texts: Sequence[str] | TextColumn) -> Ids:
    """Gives for every row the lowest id whose normalised text is the same.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).

    Returns:
        int64 (n,); equal to `ids` where a row is kept.
    """
    assert len(np.unique(ids)) == len(ids), "ids are not unique"
    column, hashes = as_column(texts), [np.empty(0, np.uint64)]
    for start in range(0, len(ids), _TEXTS_AT_ONCE):
        part = pa.array(np.arange(start, min(start + _TEXTS_AT_ONCE, len(ids))))
        hashes.append(text_hashes(normalise(column.take(part)).to_pylist()))
    distinct, codes = np.unique(np.concatenate(hashes), return_inverse=True)
    lowest = np.full(len(distinct), np.iinfo(np.int64).max)
    np.minimum.at(lowest, codes, ids)
    return np.asarray(lowest[codes])
