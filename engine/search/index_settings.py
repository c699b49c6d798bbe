"""The kinds of indexes over vectors that answer approximately, and the settings that fit a number of vectors.

In: a kind, rows and dimensions. Out: settings, by the guidelines of faiss
(https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index), or a sentence that says why there is no
such index over so few vectors. It is apart from what builds them, since every run reads the names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class IndexKind(Enum):
    """The kinds of indexes."""

    flat = "flat"
    """All vectors, compared one by one: exact."""
    hnsw = "hnsw"
    """A graph in which vectors are linked to near ones, and a search walks from link to link."""
    ivf_pq = "ivf_pq"
    """Lists of vectors around centres, of which a search reads those nearest to the query, each vector a short code."""


KINDS = tuple(kind.value for kind in IndexKind)
"""The names of the kinds, as a config has them."""

_ROWS_PER_CENTRE = 39
"""The vectors that k-means needs for each centre; with fewer, faiss warns of badly trained ones."""
_TRAINED_PER_LIST, _TRAINED_PER_CODE = 64, 256
"""The vectors that centres are trained on: so many for each list, or for each code of a part where that is more."""
_LEAST_BITS, _MOST_BITS = 4, 8
_LISTS_PER_PROBE, _LEAST_PROBES = 16, 16
"""A search reads one list in so many, and at least so many: of 82 on CACM, 8 find 94 % of the best ten, 16 find
98 %."""
_DIMENSIONS_PER_PART = 4


@dataclass(frozen=True)
class Flat:
    """The settings of a flat index: there are none."""


@dataclass(frozen=True)
class Hnsw:
    """The settings of a graph (Malkov and Yashunin 2018), under the names of faiss."""

    m: int = 32
    """The links of a vector; twice as many at the bottom of the graph."""
    ef_construction: int = 200
    """The candidates that are kept while the links of a new vector are searched for."""
    ef_search: int = 128
    """The candidates that are kept during a search; at least as many as are asked for."""


@dataclass(frozen=True)
class IvfPq:
    """The settings of lists of codes (Jégou, Douze and Schmid 2011), under the names of faiss."""

    nlist: int
    """The number of lists."""
    nprobe: int
    """The lists that a search reads."""
    m: int
    """The parts that a vector is cut into, each of which becomes one code; a divisor of the dimensions."""
    nbits: int = _MOST_BITS
    """The bits of a code."""

    @property
    def sample(self) -> int:
        """The number of vectors that lists and codes are trained on, where there are so many."""
        return max(_TRAINED_PER_LIST * self.nlist, _TRAINED_PER_CODE << self.nbits)


IndexSettings = Flat | Hnsw | IvfPq


def fitting_settings(kind: IndexKind, rows: int, dim: int) -> IndexSettings:
    """Returns the settings for so many vectors; of few vectors an IVF-PQ has fewer lists and shorter codes.

    Args:
        kind: the kind of index.
        rows: at least as many as `too_few` asks for.
        dim: the components of a vector.
    """
    assert not too_few(kind, rows), too_few(kind, rows)
    if kind is IndexKind.flat:
        return Flat()
    if kind is IndexKind.hnsw:
        return Hnsw()
    nlist = max(1, min(int(4 * rows**0.5), rows // _ROWS_PER_CENTRE))
    nprobe = min(nlist, max(_LEAST_PROBES, nlist // _LISTS_PER_PROBE))
    part = next(size for size in range(min(_DIMENSIONS_PER_PART, dim), dim + 1) if dim % size == 0)
    nbits = next(bits for bits in range(_MOST_BITS, 0, -1) if _ROWS_PER_CENTRE << bits <= rows)
    return IvfPq(nlist, nprobe, dim // part, nbits)


def too_few(kind: IndexKind, rows: int) -> str:
    """Says why there is no such index over so few vectors; empty where there is one."""
    least = _ROWS_PER_CENTRE << _LEAST_BITS
    if kind is IndexKind.ivf_pq and rows < least:
        return f"needs {least} passages to train on, and there are {rows}; exact search is as fast"
    return ""
