"""The figures of a comparison of chunk sizes, and where the curve flattens.

In: what every query reaches at every size. Out: a ChunkSizes, the content of chunk_sizes.json. Each system is compared
at every size with itself at its best size, on the same queries. The curve is called flat from the smallest size on that
is not worse than the best: its interval does not lie below zero, nor is p of the randomisation test, corrected by Holm
over the sizes, below 0.05. The corrected p alone would call many sizes as good, since it guards against finding losses
by chance, and a person who chooses short chunks wants losses found. The best size
is the best on these very queries, so that the others look a little worse beside it than they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.storage.typed import from_json_values
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.metrics import HEADLINE, Floats
from eval.significance import Bootstrap
from eval.sweeps.paired import Paired, compare_with


@dataclass(frozen=True)
class SizeFigures:
    """What one way to cut the documents makes of them."""

    tokens: int
    """The tokens of the longest chunk."""
    overlap_tokens: int
    """The tokens that a chunk repeats from the one before it."""
    passages: int
    """Number of chunks."""
    mean_tokens: float
    """Mean tokens of a chunk, its title not counted."""
    cut_share: float
    """Share of the chunks that the encoder does not read to the end, their titles not counted."""
    vector_bytes: int
    """Size of the vectors, in float32."""
    bm25_bytes: int
    """Size of the scores in the index of BM25."""
    latency_ms: Mapping[str, float]
    """Median milliseconds of one query from its text to its passages, by system; empty where none was measured."""

    @property
    def name(self) -> str:
        """Returns the size and the overlap, such as `256-32`."""
        return f"{self.tokens}-{self.overlap_tokens}"


@dataclass(frozen=True)
class Reached:
    """What one system reaches at one size."""

    means: Mapping[str, float]
    """The mean over the queries, by metric."""
    ci95: tuple[float, float]
    """The 95 % interval of the mean in nDCG@10."""
    to_best: Paired | None
    """This size minus the best one, in nDCG@10; None for the best itself."""

    @property
    def is_worse(self) -> bool:
        """Tells whether this size is worse than the best one; see the module."""
        return self.to_best is not None and (self.to_best.difference.high < 0 or self.to_best.trend == "worse")


@dataclass(frozen=True)
class SystemCurve:
    """One system at all sizes, on one set of queries."""

    sizes: Sequence[Reached]
    """In the order of `ChunkSizes.sizes`."""
    best: int
    """The number of the size with the highest nDCG@10."""
    flat: int
    """The number of the smallest size that is not worse than the best."""


@dataclass(frozen=True)
class SetCurves:
    """All systems on one set of queries."""

    name: str
    """The collection of judged questions, or `synthetic`."""
    queries: int
    cluster: str
    """The unit that intervals take as independent: query, or document where queries were written from documents."""
    clusters: int
    """The number of such units."""
    systems: Mapping[str, SystemCurve]


@dataclass(frozen=True)
class ChunkSizes:
    """Everything in chunk_sizes.json."""

    sizes: Sequence[SizeFigures]
    written_from: str
    """The size of the chunks that synthetic queries were written from, such as `512-64`."""
    encoder: str
    """The name of the encoder."""
    encoder_tokens: int
    """The encoder reads so many tokens of a chunk, its own marks and the title included."""
    analyser: str
    """The name of the analyser by which BM25 read words."""
    documents: int
    sets: Mapping[str, SetCurves]
    """By the name of the set: `judged`, `synthetic`."""
    is_made_up: bool = False
    """Whether the fake generator computed the samples (`samples=fake`): then no figure says anything."""


def read_chunk_sizes(file: Path) -> ChunkSizes:
    """Reads the figures of a finished comparison."""
    return from_json_values(ChunkSizes, json.loads(file.read_text(encoding="utf-8")))


def set_curves(
    benchmark: Benchmark,
    values: Sequence[Mapping[str, Mapping[str, Floats]]],
    clusters: Sequence[str],
    bootstrap: Bootstrap,
) -> SetCurves:
    """Compares every system at all sizes on one set of queries.

    Args:
        benchmark: the queries.
        values: what each query reaches, by system and metric, for each size, the smallest first.
        clusters: the cluster of each query.
        bootstrap: how resamples are drawn.
    """
    systems = {name: system_curve([at_size[name] for at_size in values], clusters, bootstrap) for name in values[0]}
    cluster = "document" if benchmark.sources else "query"
    return SetCurves(benchmark.name, len(benchmark.queries), cluster, len(set(clusters)), systems)


def system_curve(values: Sequence[Mapping[str, Floats]], clusters: Sequence[str], bootstrap: Bootstrap) -> SystemCurve:
    """Compares one system at all sizes.

    Args:
        values: what each query reaches, by metric, for each size, the smallest first.
        clusters: the cluster of each query.
        bootstrap: how resamples are drawn.
    """
    headline = {number: by_metric[HEADLINE] for number, by_metric in enumerate(values)}
    best = max(headline, key=lambda number: float(headline[number].mean()))  # of equal ones the smallest
    to_best = compare_with(headline, best, clusters, bootstrap)
    levels = bootstrap.resample(headline, clusters)
    reached = [
        Reached(
            {metric: float(column.mean()) for metric, column in by_metric.items()},
            replace(levels[number], limits=(0.0, 1.0)).figures().ci95,
            to_best.get(number),
        )
        for number, by_metric in enumerate(values)
    ]
    flat = next(number for number, level in enumerate(reached) if not level.is_worse)
    return SystemCurve(reached, best, flat)
