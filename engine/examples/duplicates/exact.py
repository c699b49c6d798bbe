"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import UserError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DedupConfig:
    """What counts as the same query."""

    exact: bool = True
    """Whether queries that differ in case, spaces and sentence punctuation only are one."""
    near: bool = True
    """Whether queries whose shingles overlap by `threshold` are one."""
    threshold: float = 0.8
    """Jaccard similarity, as in Gopher's document deduplication (Rae et al. 2021)."""
    shingle_characters: int = 4
    bands: int = 20
    rows_per_band: int = 6
    """A pair of similarity s is found with probability 1 - (1 - s**rows_per_band)**bands: 0.998 at 0.8."""

    def __post_init__(self) -> None:
        """Refuses a threshold that is no similarity, and empty signatures."""
        if not 0 < self.threshold <= 1:
            what = f"{self.threshold} is no Jaccard similarity"
            raise UserError(what, where="examples.dedup.threshold", remedy="set it above 0 and at most 1")
        for name in ("shingle_characters", "bands", "rows_per_band"):
            if getattr(self, name) < 1:
                where = f"examples.dedup.{name}"
                raise UserError(f"{getattr(self, name)} is too few", where=where, remedy="set it to at least 1")


def normalise(texts: Sequence[str] | pa.Array) -> pa.Array:
    """Folds compatibility forms, case, spaces and sentence punctuation; symbols of code and mathematics stay."""
    import pyarrow.compute as pc

    folded = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.string()), form="NFKC"))
    pattern = "[?!.,;:\"'()\u2018\u2019\u201c\u201d\u2026\u3001\u3002\\s\\p{Z}]+"
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, pattern=pattern, replacement=" "))


def exact_duplicates(ids: Ints, texts: Sequence[str] | pa.Array) -> Ints:
    """For every row the lowest id whose normalised text is the same.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).
    """
    import pyarrow.compute as pc

    assert len(np.unique(ids)) == len(ids), "ids are not unique"
    codes = pc.dictionary_encode(normalise(texts)).indices.to_numpy()
    lowest = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(lowest, codes, ids)
    return np.asarray(lowest[codes])


def join(roots: Ints, left: Ints, right: Ints) -> None:
    """Union-find over arrays, in place: every row's root becomes the lowest row that edges connect it to.

    Args:
        roots: (n,), each row's root; a root is its own.
        left: rows, (edges,).
        right: rows, (edges,).
    """
    while True:
        low, high = np.minimum(roots[left], roots[right]), np.maximum(roots[left], roots[right])
        crossing = low != high
        if not crossing.any():
            return
        np.minimum.at(roots, high[crossing], low[crossing])
        while ((above := roots[roots]) != roots).any():
            roots[:] = above
