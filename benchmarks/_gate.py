"""What the decision makes of the models of benchmarks/harm.py, and whether that is right.

In: what base and tuned reach on every query, as a line of the results file holds it. Out: the table, and the shares of
harmed models refused and of good models accepted. The decision is asked here, on stored values, so that another one can
be tried on the same models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._harmed import GOOD
from benchmarks._measure import print_value
from eval.decision import decide
from eval.report import Decision
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.figures import Resamples, resample
from eval.retrieval.metrics import HEADLINE, METRICS, Floats, Scores
from eval.retrieval.ranking import Results
from eval.significance import Bootstrap, DifferenceFigures
from eval.wording import with_interval

REFUSED, ACCEPTED = 0.95, 0.9
"""Budgets: 19 of 20 harmed models refused, 18 of 20 good ones accepted."""
LEVEL = 0.95
DECIDING = (HEADLINE, "map@100")
"""The metrics that the decision reads: the average precision of a query with one answer is one over its rank."""


def per_query(results: Results) -> dict[str, Any]:
    """Returns what base and tuned reach on every query, by what the decision reads, and the sources of the queries."""
    scores = {name: results.scores[name] for name in ("base", "tuned")}
    values = {
        name: {metric: found.values[metric].round(4).tolist() for metric in DECIDING} for name, found in scores.items()
    }
    return {"ids": scores["base"].query_ids, "sources": results.benchmark.sources, "values": values}


def resampled(queries: Mapping[str, Any]) -> Resamples:
    """Returns the resamples of a line's queries; metrics that the decision does not read are left at zero."""
    ids = tuple(queries["ids"])
    nothing: dict[str, Floats] = dict.fromkeys(METRICS, np.zeros(len(ids)))
    scores = {"bm25": Scores(ids, nothing)}
    for name, values in queries["values"].items():
        scores[name] = Scores(ids, nothing | {metric: np.array(column) for metric, column in values.items()})
    benchmark = Benchmark("", dict.fromkeys(ids, ""), {}, sources=queries["sources"])
    return resample(Results(benchmark, {}, scores), Bootstrap())


@dataclass(frozen=True)
class Judged:
    """What is true of a model, and what the decision makes of it."""

    name: str
    kind: str
    true: DifferenceFigures
    decision: Decision


def judge(row: Mapping[str, Any]) -> Judged:
    """Lets the decision choose, with the code of today, on a line of the results file."""
    true = resampled(row["queries"]["judged"]).difference[HEADLINE].figures()
    return Judged(row["name"], row["kind"], true, decide(resampled(row["queries"]["held_out"]), LEVEL))


def report(models: Sequence[Judged]) -> bool:
    """Prints the table and the two shares, and returns whether both keep their budgets."""
    for model in models:
        decision = model.decision
        assert decision.rank, "the decision is of today"
        gate = f"{with_interval(decision.difference)}, ranks {with_interval(decision.rank)}"
        print(f"{model.name:26} true {with_interval(model.true)}  gate {gate} -> {decision.model}")
    harmed = [model.decision.model == "base" for model in models if model.kind != GOOD and model.true.high < 0]
    better = [model for model in models if model.kind == GOOD and model.true.mean > 0]
    sure = sum(model.true.low > 0 for model in better)
    print(f"{len(better)} good models are better by the judged questions, {sure} of them surely", flush=True)
    shares = [
        _share("harm.refused", harmed, "harmed", REFUSED),
        _share("harm.accepted", [model.decision.model == "tuned" for model in better], "good", ACCEPTED),
    ]
    return all(shares)


def _share(name: str, right: Sequence[bool], kind: str, budget: float) -> bool:
    if not right:
        print(f"{name} left out: no model is {kind} by the judged questions")
        return False
    return print_value(name, [sum(right) / len(right)], f"of {len(right)} {kind} models", budget) >= budget
