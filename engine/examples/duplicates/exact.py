"""Exact duplicates: texts that are equal once case, spaces and sentence punctuation are taken away.

In: ids and texts, in any order. Out: for every row the id of the row that stands for it; a row is kept when that is its
own id. The lowest id of equal texts wins, so the result depends on which texts there are, never on their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids = npt.NDArray[np.int64]
"""Unique ids, (n,)."""

_SENTENCE_PUNCTUATION = "[?!.,;:\"'()\u2018\u2019\u201c\u201d\u2026\u3001\u3002\\s\\p{Z}]+"


def normalise(texts: Sequence[str] | pa.Array) -> pa.Array:
    """Folds compatibility forms, case, spaces and sentence punctuation; symbols of code and mathematics stay."""
    import pyarrow.compute as pc

    folded = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.string()), form="NFKC"))
    spaced = pc.replace_substring_regex(folded, pattern=_SENTENCE_PUNCTUATION, replacement=" ")
    return pc.utf8_trim_whitespace(spaced)


def exact_duplicates(ids: Ids, texts: Sequence[str] | pa.Array) -> Ids:
    """Gives for every row the lowest id whose normalised text is the same.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).

    Returns:
        int64 (n,); equal to `ids` where a row is kept.
    """
    import pyarrow.compute as pc

    assert len(np.unique(ids)) == len(ids), "ids are not unique"
    codes = pc.dictionary_encode(normalise(texts)).indices.to_numpy()
    lowest = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(lowest, codes, ids)
    return np.asarray(lowest[codes])
