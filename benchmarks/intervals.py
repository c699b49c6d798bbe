"""How often chance is taken for gain or harm: the interval behind the decision, on queries of two equally good models.

    python benchmarks/intervals.py [--runs N]

No model and no text: differences per query are drawn around zero, in clusters (documents) of unequal sizes that rise
and fall together, and the interval of eval/significance.py is asked. Every run in which it leaves out zero is wrong.
Three ways in which two models can differ:

- `steady`: a little on every query, half of the variance the document's (normal);
- `swaps`: on two queries of five, by as much as a swap of ranks makes nDCG@10 differ, up or down;
- `rare`: likewise, but small gains are frequent and large losses rare, with a mean of zero.

Prints for each number of documents and mean number of queries a document `intervals.WAY_dD_qQ value` (share of runs
called better or harm, in per cent; nominal 5), the two sides apart, and the same for plain percentiles of the resampled
means. Fails where `steady` or `swaps` miss the budget, half as much again as the nominal 5 %. `rare` has none: where a
sample of ten documents happens to hold none of the rare losses, nothing in it can tell of them.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks._measure import print_value
from engine.search.order import Rows
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, Resampled

DOCUMENTS, PER_DOCUMENT = (10, 30, 100, 300), (1, 3, 10)
LEVEL, RESAMPLES, BUDGET = 0.95, 2_000, 7.5
HELD = ("steady", "swaps")
"""Ways in which the budget holds."""
_SWAPS, _SHARES = (0.05, 0.1, 0.37, 0.63, 1.0), (0.4, 0.3, 0.15, 0.1, 0.05)
"""Differences in nDCG@10 from a swap of two ranks, from far below to the first two and to nothing, and their shares."""
_CHANGED, _FOLLOWING = 0.4, 0.5
"""Share of queries that differ at all, and of those that differ as others of their document do."""

Draw = Callable[[np.random.Generator, int], Floats]
"""Takes a generator and a number, and gives so many differences with a mean of zero."""
Way = Callable[[np.random.Generator, Rows], Floats]
"""Takes a generator and the number of each query's document, and gives the differences of the queries."""


def swap(rng: np.random.Generator, count: int) -> Floats:
    """Draws differences from swapped ranks, as often up as down."""
    sizes, signs = rng.choice(_SWAPS, count, p=_SHARES), rng.choice([-1.0, 1.0], count)
    return np.where(rng.random(count) < _CHANGED, sizes * signs, 0.0)


def rare(rng: np.random.Generator, count: int) -> Floats:
    """Draws small gains, four times as often as losses that are four times as large."""
    changes = np.where(rng.random(count) < 0.8, 0.1, -0.4)
    return np.where(rng.random(count) < _CHANGED, changes, 0.0)


def steady(rng: np.random.Generator, documents: Rows) -> Floats:
    """Draws normal differences, half of the variance of the document and half of the query."""
    of_document = rng.normal(0, 0.1, int(documents.max()) + 1)[documents]
    return of_document + rng.normal(0, 0.1, len(documents))


def followed(draw: Draw) -> Way:
    """Makes a way in which half of the queries differ as their document does, and half by themselves."""

    def differences(rng: np.random.Generator, documents: Rows) -> Floats:
        of_document = draw(rng, int(documents.max()) + 1)[documents]
        return np.where(rng.random(len(documents)) < _FOLLOWING, of_document, draw(rng, len(documents)))

    return differences


WAYS: dict[str, Way] = {"steady": steady, "swaps": followed(swap), "rare": followed(rare)}


def query_documents(rng: np.random.Generator, documents: int, per_document: int) -> Rows:
    """Draws the document of each query: from 1 to twice the mean less one of each document."""
    return np.repeat(np.arange(documents), rng.integers(1, 2 * per_document, documents))


def wrong_shares(way: Way, documents: int, per_document: int, runs: int) -> dict[str, tuple[float, float]]:
    """Counts how often chance is called better and called harm, in per cent, by the interval and by percentiles."""
    rng = np.random.default_rng([documents, per_document])
    of_query = query_documents(rng, documents, per_document)
    columns = {run: way(rng, of_query) for run in range(runs)}
    resampled = Bootstrap(RESAMPLES).resample(columns, [f"d{number:03}" for number in of_query])
    bounds = {
        "interval": [mean.figures(LEVEL).ci95 for mean in resampled.values()],
        "percentiles": [percentiles(mean) for mean in resampled.values()],
    }
    return {
        name: (100 * sum(low > 0 for low, _ in pairs) / runs, 100 * sum(high < 0 for _, high in pairs) / runs)
        for name, pairs in bounds.items()
    }


def percentiles(mean: Resampled) -> tuple[float, float]:
    """Returns the middle 95 % of the resampled means as they are."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(mean.means, [tail, 1 - tail])
    return float(low), float(high)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints all shares; fails where one of `HELD` misses the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2_000, help="data sets of each size (%(default)s)")
    runs = parser.parse_args(arguments).runs
    ok = True
    for name, way in WAYS.items():
        for documents, per_document in itertools.product(DOCUMENTS, PER_DOCUMENT):
            shares = wrong_shares(way, documents, per_document, runs)
            size = f"{name}_d{documents}_q{per_document}"
            for by, (better, harm) in shares.items():
                print(f"intervals.{size} by {by}: better {better:.1f} %, harm {harm:.1f} %")
            print_value(f"intervals.{size}", [sum(shares["interval"])], "%", BUDGET if name in HELD else 0.0)
            ok = ok and (name not in HELD or sum(shares["interval"]) <= BUDGET)
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())
