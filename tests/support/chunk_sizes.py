"""Made figures of chunk sizes: quality that rises up to 256 tokens, for BM25 and for both, and falls for base."""

from __future__ import annotations

import numpy as np

from eval.chunk_sizes.figures import ChunkSizes, SizeFigures, set_curves
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap
from eval.sweeps.measuring import MEASURED

TOKENS = (128, 256, 512)
MEANS = {"bm25": (0.3, 0.5, 0.5), "base": (0.6, 0.4, 0.3), "base_words": (0.5, 0.7, 0.704)}


def made_chunk_sizes(*, judged: bool = True, noise: float = 0.02) -> ChunkSizes:
    """Figures of three sizes with two overlaps, on synthetic queries and, if wanted, on judged ones."""
    sizes = [
        SizeFigures(
            tokens,
            overlap,
            9000 // tokens,
            tokens * 0.8,
            0.5 if tokens > 256 else 0.0,
            10**6,
            10**5,
            {"bm25": 0.3, "base": 5.0, "base_words": 5.4},
        )
        for tokens in TOKENS
        for overlap in (0, tokens // 8)
    ]
    kinds = {"judged": Benchmark("tiny", {}, {}), "synthetic": Benchmark("synthetic", {}, {}, sources={"q": "d"})}
    sets = {}
    for name, benchmark in kinds.items():
        if name == "synthetic" or judged:
            values = [_values(tokens, number, noise) for number, tokens in enumerate(np.repeat(TOKENS, 2))]
            clusters = [f"d{number // 2}" for number in range(100)]
            sets[name] = set_curves(benchmark, values, clusters, Bootstrap(300))
    return ChunkSizes(sizes, "512-64", "bundled:all-minilm-l6-v2", 256, "English: Snowball stemmer", 15, sets)


def _values(tokens: int, number: int, spread: float) -> dict[str, dict[str, Floats]]:
    at = TOKENS.index(tokens)
    noise = np.random.default_rng(number).normal(0, spread, 100)
    return {name: dict.fromkeys(MEASURED, means[at] + noise) for name, means in MEANS.items()}
