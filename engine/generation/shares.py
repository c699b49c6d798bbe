"""Which of several generators writes a planned row: each writes its share of the samples (`samples.mix`).

In: planned rows and the mix. Out: a number per row, drawn from a hash of the run's seed and the sample's key, so that
it is the same whatever the engines, the order and the attempt.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig


def writer_of(rows: pa.Table, config: GeneratorConfig) -> npt.NDArray[np.int64]:
    """Draws the index of the generator that writes each planned row.

    Args:
        rows: columns passage_id, cell, replicate, round: the key of a sample.
        config: the run's seed, and the mix.
    """
    keys = rows.select(["passage_id", "cell", "replicate", "round"]).to_pylist()
    draws = [_draw("\0".join(map(str, [config.seed, *key.values()]))) for key in keys]
    ends = np.cumsum([settings["share"] for settings in config.mix.values()])
    return np.searchsorted(ends / ends[-1], np.array(draws), side="right").astype(np.int64)


def _draw(key: str) -> float:
    """Draws a number in [0, 1) from a hash."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
