"""Describes the generated queries, beside real ones where there are any.

In: texts of queries, condition columns of kept and rejected samples. Out: a DataQuality: lengths,
diversity, vocabulary, and which conditions survive curation. Distinct-2 (Li et al. 2016) falls with the number of
queries, so it is also given for equal numbers of kept and real queries. Of more than `MOST_DESCRIBED` kept queries so
many are drawn and described: words and their pairs are held in memory.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.artifacts.draws import draw_rows
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.task.shares import target_shares
from engine.text.words import words
from eval.data_quality.diversity import MOST_COMPARED, SampleDiversity, describe_diversity, distinct_n
from eval.data_quality.meaning import MeaningFigures

MOST_DESCRIBED = 100_000
"""Kept queries whose words are counted; more are drawn from."""
SHOWN_VALUES = 20
"""Number of values of a condition that the report shows; the most frequent ones are taken."""
_DRAW_STREAM = 0x71756572
_COLUMNS = pa.schema([("sample_id", pa.int64()), ("query", pa.large_string())])


@dataclass(frozen=True, kw_only=True)
class WordLengths:
    """Lengths of queries in words; the percentiles and the mean are None where there are no queries."""

    p5: int | None = None
    p50: int | None = None
    p95: int | None = None
    mean: float | None = None
    histogram: Mapping[int, int]
    """Number of queries, by length in words."""


@dataclass(frozen=True)
class QueryFigures:
    """The figures of a set of queries."""

    queries: int
    """How many are described."""
    words: WordLengths
    distinct_2: float
    """Different pairs of neighbouring words over all such pairs (Li et al. 2016), 0 to 1."""
    vocabulary: int
    """Number of different words."""


@dataclass(frozen=True)
class ConditionShare:
    """How samples with one value of a condition fared."""

    generated: int
    kept: int
    share: float
    """The share of generated samples that were kept."""
    reached: float
    """Share of all kept examples that have this value."""
    target: float | None = None
    """Share that the task asks for; None where it asks for none."""


@dataclass(frozen=True)
class DiversityFigures:
    """Distinct-2 of kept and of real queries, at the same number of queries."""

    queries: int
    kept: float
    real: float


Shares = Mapping[str, ConditionShare]
"""How samples fared, by value of one condition."""


@dataclass(frozen=True)
class DataQuality:
    """What the generated queries are like, beside real ones where there are any."""

    kept: QueryFigures
    conditions: Mapping[str, Shares]
    """By condition and value; the most frequent values only."""
    real: QueryFigures | None = None
    """The benchmark's queries; None without a benchmark."""
    distinct_2_at_equal_number: DiversityFigures | None = None
    diversity: Mapping[str, SampleDiversity] = field(default_factory=dict)
    """Of `kept` queries, and of as many `real` ones with a benchmark; empty in reports from before it was measured."""
    meaning: Mapping[str, MeaningFigures] = field(default_factory=dict)
    """Of `synthetic` queries as they reached the round trip, and as many `real` ones; empty where none was encoded."""


def describe_queries(queries: Sequence[str]) -> QueryFigures:
    """Number, lengths in words, distinct-2 and vocabulary of a set of queries."""
    return QueryFigures(
        queries=len(queries),
        words=_word_lengths([len(words(query)) for query in queries]),
        distinct_2=distinct_2(queries),
        vocabulary=len({word for query in queries for word in words(query)}),
    )


def distinct_2(queries: Sequence[str]) -> float:
    """Number of different pairs of neighbouring words over that of all such pairs; 0 when there are none."""
    return round(distinct_n(queries, 2), 4)


def compare_diversity(kept: Sequence[str], real: Sequence[str], seed: int) -> DiversityFigures:
    """Distinct-2 of both at the smaller one's number of queries, so that the two can be compared."""
    count = min(len(kept), len(real))
    rng = random.Random(seed)
    return DiversityFigures(
        queries=count,
        kept=distinct_2(rng.sample(list(kept), count)),
        real=distinct_2(rng.sample(list(real), count)),
    )


def kept_shares(examples: ExamplesFolder, targets: Mapping[str, Mapping[str, float]]) -> dict[str, Shares]:
    """Compares what survives curation with what was asked for, by condition and value.

    Args:
        examples: a finished folder.
        targets: attribute -> value -> share asked for, where a task names shares.
    """
    return {name: _shares(*examples.values(name), targets.get(name, {})) for name in examples.conditions()}


def read_targets(prompts: Path) -> dict[str, dict[str, float]]:
    """The shares that the task of a finished prompts folder asks for, attribute -> value -> share."""
    task = PromptsFolder(prompts).task()
    shares = {name: target_shares(attribute) for name, attribute in task.attributes.items()}
    return {name: by_value for name, by_value in shares.items() if by_value}


def quality_figures(
    examples: ExamplesFolder, real: Mapping[str, str], seed: int, targets: Mapping[str, Mapping[str, float]]
) -> DataQuality:
    """Computes all figures of this module for the report.

    Args:
        examples: a finished folder.
        real: the benchmark's queries, query id -> text, possibly none.
        seed: draws queries where numbers must be equal.
        targets: attribute -> value -> share asked for, where a task names shares.
    """
    kept, _ = draw_rows(examples.kept_batches(_COLUMNS.names), MOST_DESCRIBED, _DRAW_STREAM, _COLUMNS)
    texts, real_texts = kept["query"].to_pylist(), list(real.values())
    return DataQuality(
        kept=describe_queries(texts),
        conditions=kept_shares(examples, targets),
        real=describe_queries(real_texts) if real else None,
        distinct_2_at_equal_number=compare_diversity(texts, real_texts, seed) if real else None,
        diversity=compare_samples({"kept": texts, "real": real_texts} if real else {"kept": texts}, seed),
    )


def compare_samples(texts: Mapping[str, Sequence[str]], seed: int) -> dict[str, SampleDiversity]:
    """Describes the diversity of several sets of texts, in samples of one size, since the figures depend on it.

    Args:
        texts: the texts of each set, by its name.
        seed: of the draws.
    """
    limit = min(MOST_COMPARED, *map(len, texts.values()))
    return {name: describe_diversity(listed, limit=limit, seed=seed) for name, listed in texts.items()}


def _word_lengths(lengths: Sequence[int]) -> WordLengths:
    histogram = dict(sorted(Counter(lengths).items()))
    if not lengths:
        return WordLengths(histogram=histogram)
    p5, p50, p95 = (int(np.percentile(lengths, percent)) for percent in (5, 50, 95))
    return WordLengths(p5=p5, p50=p50, p95=p95, mean=round(float(np.mean(lengths)), 2), histogram=histogram)


def _shares(survived: Counter[str], lost: Counter[str], targets: Mapping[str, float]) -> Shares:
    shown = sorted(value for value, _ in (survived + lost).most_common(SHOWN_VALUES))
    return {value: _share(value, survived, lost, targets) for value in shown}


def _share(value: str, survived: Counter[str], lost: Counter[str], targets: Mapping[str, float]) -> ConditionShare:
    generated = survived[value] + lost[value]
    return ConditionShare(
        generated=generated,
        kept=survived[value],
        share=round(survived[value] / generated, 4),
        reached=round(survived[value] / max(1, survived.total()), 4),
        target=round(targets[value], 4) if value in targets else None,
    )
