"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


Integers = npt.NDArray[np.int64]


Hashes = npt.NDArray[np.uint64]


_WORD = 0xFFFFFFFFFFFFFFFF


def text_hash(text: str) -> int:
    """64 bits of BLAKE2b; lone surrogates are let through."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def text_hashes(texts: Sequence[str]) -> Hashes:
    """`text_hash` of each."""
    return np.array([text_hash(text) for text in texts], np.uint64)


def mix(hashes: Hashes, seed: int, stream: int, number: Integers | int = 0) -> Hashes:
    """SplitMix64 (Steele et al. 2014) over the combined words: independent 64-bit draws for each key."""
    with np.errstate(over="ignore"):
        key = hashes ^ np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) & _WORD)
        z = key + np.asarray(number).astype(np.uint64) * np.uint64(0xA0761D6478BD642F)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        mixed: Hashes = z ^ (z >> np.uint64(31))
        return mixed


def uniform(hashes: Hashes) -> Floats:
    """64-bit hashes as floats in (0, 1), never 0 or 1."""
    return ((hashes >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
