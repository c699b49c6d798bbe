"""What the generated queries are like, beside real ones where there are any.

In: texts of queries, condition columns of kept and rejected samples. Out: plain figures for the report: lengths,
diversity, vocabulary, and which conditions survive curation. Distinct-2 (Li et al. 2016) falls with the number of
queries, so it is also given for equal numbers of kept and real queries.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.prompts import PromptsFolder
from engine.task.shares import target_shares

if TYPE_CHECKING:
    import pyarrow as pa


_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-cased runs of letters and digits."""
    return _WORD.findall(text.lower())


def describe_queries(queries: Sequence[str]) -> dict[str, object]:
    """Count, length in words (mean, percentiles, histogram), distinct-2 and vocabulary of a set of queries."""
    lengths = [len(words(query)) for query in queries]
    figures: dict[str, object] = (
        {f"p{share}": int(np.percentile(lengths, share)) for share in (5, 50, 95)} if lengths else {}
    )
    if lengths:
        figures["mean"] = round(float(np.mean(lengths)), 2)
    return {
        "queries": len(queries),
        "words": figures | {"histogram": {str(length): count for length, count in sorted(Counter(lengths).items())}},
        "distinct_2": distinct_2(queries),
        "vocabulary": len({word for query in queries for word in words(query)}),
    }


def distinct_2(queries: Sequence[str]) -> float:
    """Different pairs of neighbouring words over all such pairs; 0 when there are none."""
    pairs = [pair for query in queries for pair in zip(words(query), words(query)[1:], strict=False)]
    return round(len(set(pairs)) / len(pairs), 4) if pairs else 0.0


def compare_diversity(kept: Sequence[str], real: Sequence[str], seed: int) -> dict[str, float]:
    """Distinct-2 of both at the smaller one's number of queries, so that the two can be compared."""
    count = min(len(kept), len(real))
    rng = random.Random(seed)
    return {
        "queries": count,
        "kept": distinct_2(rng.sample(list(kept), count)),
        "real": distinct_2(rng.sample(list(real), count)),
    }


Cells = dict[str, dict[str, float]]
"""Value of a condition -> figures."""


SHOWN_VALUES = 20
"""Of a condition, the most frequent ones."""


def kept_shares(kept: pa.Table, rejected: pa.Table, targets: Mapping[str, Mapping[str, float]]) -> dict[str, Cells]:
    """Attribute -> value -> {generated, kept, share, reached, target}: what survives curation, and what was asked for.

    Args:
        kept: examples, with a column per condition.
        rejected: the same.
        targets: attribute -> value -> share asked for, where a task names shares.
    """
    names = [name.removeprefix(CONDITION_PREFIX) for name in kept.column_names if name.startswith(CONDITION_PREFIX)]
    return {
        name: _shares(kept[f"{CONDITION_PREFIX}{name}"], rejected[f"{CONDITION_PREFIX}{name}"], targets.get(name, {}))
        for name in names
    }


def read_targets(prompts: Path) -> dict[str, dict[str, float]]:
    """The shares that the task of a finished prompts folder asks for."""
    task = PromptsFolder(prompts).task()
    return {name: shares for name, one in task.attributes.items() if (shares := target_shares(one))}


def quality_figures(
    examples: tuple[pa.Table, pa.Table], real: Mapping[str, str], seed: int, targets: Mapping[str, Mapping[str, float]]
) -> dict[str, object]:
    """Everything of this module for the report.

    Args:
        examples: kept and rejected ones.
        real: the benchmark's queries, possibly none.
        seed: draws queries where numbers must be equal.
        targets: shares of conditions that were asked for.
    """
    kept, rejected = examples
    texts = kept["query"].to_pylist()
    figures: dict[str, object] = {"kept": describe_queries(texts), "conditions": kept_shares(kept, rejected, targets)}
    if real:
        figures["real"] = describe_queries(list(real.values()))
        figures["distinct_2_at_equal_number"] = compare_diversity(texts, list(real.values()), seed)
    return figures


def _shares(kept: pa.ChunkedArray, rejected: pa.ChunkedArray, targets: Mapping[str, float]) -> Cells:
    survived, lost = Counter(kept.to_pylist()), Counter(rejected.to_pylist())
    shown = sorted(value for value, _ in (survived + lost).most_common(SHOWN_VALUES))
    cells: Cells = {}
    for value in shown:
        total = survived[value] + lost[value]
        cells[value] = {"generated": total, "kept": survived[value], "share": round(survived[value] / total, 4)}
        cells[value]["reached"] = round(survived[value] / max(1, survived.total()), 4)
        if value in targets:
            cells[value]["target"] = round(targets[value], 4)
    return cells
