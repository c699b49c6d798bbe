"""How far is the way to search that is chosen from the best one in hindsight, without judgements and with a few.

    python benchmarks/choice.py [--run NAME RUN BENCHMARK SPLIT] [--squad NAME FILE] [--made NAME] [--cache DIR]

Options may be repeated. RUN is a finished run (until=examples is enough) whose collection has judged questions;
BENCHMARK and SPLIT name them. `--squad` takes questions in the form of SQuAD, and windows of its passages as synthetic
queries. `--made` adds two cases for a run: with an encoder that knows nothing, where words alone are right, and with
questions that share no word with their answers, where meaning alone is right.

eval/choice.py sees the synthetic queries and, without their judgements, the real ones; the same is also asked without
any real query, and with 10 and 50 judged ones (or half of all), drawn fifty times and measured on the questions that
were not drawn. Prints per case what the weights reach in hindsight, what was chosen, and what that gains over BM25
alone and the base alone, by real query; what a choice by all judged questions reaches by cross-fitting, beside the best
weight of all, which saw them all; then, with its budget,

- `choice.distance.NAME value`: nDCG@10 of the best weight in hindsight, less that of the chosen one.

Encoding queries is most of the time; their vectors stay in `--cache`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks._choice_cases import Case, made_cases, run_case, squad_case
from benchmarks._measure import print_value
from eval.advice import choice_sentence
from eval.choice import THINNING, Evidence, choose
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.thinned import thinned
from eval.significance import Bootstrap
from eval.weights import FOLDS, WEIGHTS, WeightCurves, measure_weights
from eval.wording import with_interval

DISTANCE = 0.01
"""The budget of a distance."""
FIXED = (0.3, 0.4, 0.5)
"""The weights that are shown beside the chosen one, for what a constant would reach."""
_JUDGED, _DRAWS = (10, 50), 50


def report(case: Case) -> bool:
    """Measures a case and prints its lines; returns whether it keeps its budget."""
    real = _curves(case, case.real)
    sets = [_curves(case, thinned(case.synthetic, case.corpus, case.terms_of, share)) for share in THINNING]
    means = real.values.mean(axis=0)
    fixed = ", ".join(f"{weight:g}: {means[WEIGHTS.index(weight)]:.3f}" for weight in FIXED)
    print(f"{case.name}: BM25 {means[-1]:.3f}, base {means[0]:.3f}, weight {fixed}")
    print(f"  in hindsight {means.max():.3f} at {WEIGHTS[int(means.argmax())]:g}; of {len(real.values)} questions")
    choices = {
        "whole synthetic queries": int(sets[0].values.mean(axis=0).argmax()),
        "no real query": Evidence(sets, np.empty(0)).best(),
    }
    for name, weight in choices.items():
        print(f"  by {name}: {WEIGHTS[weight]:g}, {means[weight] - means.max():+.3f}")
    evidence = Evidence(sets, real.agreement)
    for count in _JUDGED:
        drawn = min(count, len(real.values) // 2)
        mean, worst = _few_judged(evidence, real, drawn)
        print(f"  by real queries and {drawn} judged ones: {mean:+.3f} on average, one in ten below {worst:+.3f}")
    every = replace(evidence, judged=real)
    print(
        f"  by all judged ones: {WEIGHTS[every.best()]:g}, {means[every.best()] - means.max():+.3f}; "
        f"cross-fitted {_crossfitted(every, real) - means.max():+.3f}"
    )
    choice = choose(evidence, Bootstrap())
    chosen = WEIGHTS.index(choice.weight)
    print(f"  shares of the sets: {np.round(evidence.shares, 2)}; {choice_sentence(choice)}")
    for name, other in (("BM25", len(WEIGHTS) - 1), ("base", 0)):
        gains = real.values[:, chosen] - real.values[:, other]
        true = Bootstrap().resample({"gain": gains}, real.clusters)["gain"].figures()
        print(f"  truly over {name}: {with_interval(true)}")
    distance = float(means.max() - means[chosen])
    return print_value(f"choice.distance.{case.name}", [distance], "nDCG@10", DISTANCE) <= DISTANCE


def _curves(case: Case, queries: Benchmark) -> WeightCurves:
    return measure_weights(queries, case.words, case.meaning, case.corpus)


def _few_judged(evidence: Evidence, real: WeightCurves, count: int) -> tuple[float, float]:
    """Returns the mean distance with few judged queries, and its tenth percentile, on questions that were not drawn."""
    rng, distances = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        order = rng.permutation(len(real.values))
        drawn, rest = order[:count], real.values[order[count:]].mean(axis=0)
        judged = WeightCurves(real.values[drawn], real.agreement[drawn], [str(number) for number in drawn])
        best = replace(evidence, judged=judged).best()
        distances.append(rest[best] - rest.max())
    return float(np.mean(distances)), float(np.percentile(distances, 10))


def _crossfitted(evidence: Evidence, real: WeightCurves) -> float:
    """Returns what is reached where each question counts with a weight that was chosen without it."""
    values = np.zeros(len(real.values))
    for fold in range(FOLDS):
        rows = real.in_fold(fold)
        values[rows] = real.values[rows, evidence.without(fold).best()]
    return float(values.mean())


def cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """Yields the cases that the command line names."""
    cache = Path(arguments.cache)
    for name, run, benchmark, split in arguments.run:
        case = run_case(name, Path(run), benchmark, split, cache)
        yield case
        if name in arguments.made:
            yield from made_cases(case, cache)
    for name, file in arguments.squad:
        yield squad_case(name, Path(file), cache)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; the exit code tells whether all budgets were kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs=4, action="append", default=[], metavar=("NAME", "RUN", "BENCHMARK", "SPLIT"))
    parser.add_argument("--squad", nargs=2, action="append", default=[], metavar=("NAME", "FILE"))
    parser.add_argument("--made", action="append", default=[], metavar="NAME")
    parser.add_argument("--cache", default="outputs/choice", metavar="DIR")
    kept = [report(case) for case in cases(parser.parse_args(arguments))]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
