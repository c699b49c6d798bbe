"""An index counts the bytes that it holds, and a system made of others counts those of its parts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.fusion import FoundSystem, FusedSystem, Part
from engine.search.systems import Bm25System, DenseSystem
from eval.retrieval.sizes import index_sizes

TEXTS = ["red fox", "red hen", "blue hen", "green sea"]
WORDS = Bm25System(Bm25Index(list("abcd"), TEXTS))
INDEX = DenseIndex(list("abcd"), np.ones((4, 8), np.float32))
MEANING = DenseSystem("base", SimpleNamespace(), INDEX)  # type: ignore[arg-type]
UNKNOWN = FoundSystem("unknown", (np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32)))


def test_sizes_are_those_of_the_arrays() -> None:
    fused = FusedSystem("both", [Part(WORDS, 0.3), Part(MEANING, 0.7)], np.arange(4))
    alone = FusedSystem("alone", [Part(WORDS, 0.0), Part(MEANING, 1.0)], np.arange(4))
    mixed = FusedSystem("mixed", [Part(UNKNOWN, 0.5), Part(MEANING, 0.5)], np.arange(4))
    sizes = index_sizes([WORDS, MEANING, fused, alone, mixed, UNKNOWN])
    assert sizes["base"] == 4 * 8 * 4
    pairs, terms = 8, sum(map(len, {"red", "fox", "hen", "blue", "green", "sea"}))
    assert sizes["bm25"] >= pairs * (4 + 4) + terms
    assert sizes["both"] == sizes["bm25"] + sizes["base"]
    assert sizes["alone"] == sizes["base"], "a part without weight is not needed"
    assert set(sizes) == {"bm25", "base", "both", "alone"}, "what is not known is not guessed"
    assert Bm25Index(["a"], [""]).num_bytes == 0
