"""64-bit hashes of texts, and random draws that depend on such hashes alone.

In: texts, or the hashes of texts. Out: unsigned 64-bit integers, or floats. What is planned is drawn from these rather
than from a sequence of random numbers, so that a draw belongs to its text: it stays the same when other texts come,
go or change their order, and on every machine.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
"""Real numbers, such as draws between 0 and 1."""
Integers = npt.NDArray[np.int64]
"""Counts, indices and other whole numbers."""
Hashes = npt.NDArray[np.uint64]
"""Hashes of 64 bits."""

_MASK = 0xFFFFFFFFFFFFFFFF
"""The lowest 64 bits of a Python integer."""


def text_hash(text: str) -> int:
    """The hash of a text: 64 bits of BLAKE2b of its UTF-8; any string has one, even with lone surrogates."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def text_hashes(texts: Sequence[str]) -> Hashes:
    """The hash (see `text_hash`) of each text, (texts,)."""
    return np.array([text_hash(text) for text in texts], np.uint64)


def query_key(query: str) -> str:
    """Returns what is the same in queries that count as equal: without case, with blanks for white space, and in NFC.

    A letter with a mark, or a syllable of Hangul, may be written as one character or as several.
    """
    return " ".join(unicodedata.normalize("NFC", query).casefold().split())


def mix(hashes: Hashes, seed: int, stream: int, number: Integers | int = 0) -> Hashes:
    """A new hash for every hash: independent draws of 64 bits for each seed, stream and number.

    This is the output function of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
    OOPSLA 2014) over the combined arguments.

    Args:
        hashes: what the draws belong to.
        seed: the seed of the configuration.
        stream: what the draw is for; two purposes have two streams.
        number: the number of the draw: one for all hashes, or an array whose shape broadcasts with that of `hashes`.
    """
    with np.errstate(over="ignore"):
        key = hashes ^ np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) & _MASK)
        mixed = key + np.asarray(number).astype(np.uint64) * np.uint64(0xA0761D6478BD642F)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def uniform(hashes: Hashes) -> Floats:
    """Hashes as floats that are uniform between 0 and 1 and never either of them, in the shape of `hashes`."""
    return ((hashes >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def earlier_equals(numbers: Integers) -> Integers:
    """Counts for each of n numbers the equal ones before it, (n,)."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    counts = np.empty(len(numbers), np.int64)
    counts[order] = np.arange(len(numbers)) - np.repeat(starts, np.diff(starts, append=len(numbers)))
    return counts
