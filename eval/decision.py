"""Base or tuned: a model that does harm is not promoted.

In: the queries of held-out documents *from before the round-trip filter* (those that passed it are, by construction,
the ones the base model already finds) and both models' rankings for them. Out: which model to use, and why, in one
sentence. Judged questions never take part, so what the report says about them stays an honest measurement.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.examples import ExamplesFolder
from eval.report import HELD_OUT, Decision
from eval.retrieval.benchmark import Benchmark, make_benchmark
from eval.retrieval.metrics import HEADLINE, Scores
from eval.significance import Bootstrap, Difference
from eval.wording import signed

COUNTED_REASONS = ("round_trip", "max_per_passage")
"""Reasons of the round trip and of what follows it: samples rejected for them count here as the kept ones do."""
FEW_QUERIES = 30
"""With fewer queries than this, an interval that includes zero says next to nothing."""


def held_out_queries(examples: Path) -> Benchmark:
    """Queries of the validation documents as they reached the round-trip filter, kept by it or not.

    The only positive of each is the document it was written for. Ids are `sample-N`, so that none is a document's.
    """
    folder, columns = ExamplesFolder(examples), ["sample_id", "document_id", "query", "split", "reason"]
    rejected = folder.rejected(columns)
    counted = rejected.filter(pc.is_in(rejected["reason"], value_set=pa.array(COUNTED_REASONS, pa.string())))
    queries, qrels = {}, {}
    for table in (folder.kept(columns), counted):
        for row in table.filter(pc.equal(table["split"], "validation")).to_pylist():
            query_id = f"sample-{row['sample_id']}"
            queries[query_id] = row["query"]
            qrels[query_id] = {row["document_id"]: 1}
    return make_benchmark(HELD_OUT, queries, qrels)


def decide(base: Scores, tuned: Scores, bootstrap: Bootstrap) -> Decision:
    """Keeps the base model when the tuned one is significantly worse, or when nothing was held out to tell.

    Args:
        base: scores of the base model on the held-out queries.
        tuned: scores of the tuned model on the same queries.
        bootstrap: how the interval is made that decides.
    """
    assert base.query_ids == tuned.query_ids, "both models must be scored on the same queries"
    before, after = base.values[HEADLINE], tuned.values[HEADLINE]
    difference = bootstrap.difference(before, after)
    if not difference.queries:
        why = (
            "No query of a held-out document was left to compare the two models on, "
            "so nothing shows that the tuned one does no harm; the base model stays."
        )
        return _decided("base", why, difference)
    harmful = difference.high < 0
    figures = (
        f"On {_count(difference.queries)} of held-out documents, none of them trained on, tuned reaches an nDCG@10 of "
        f"{after.mean():.3f} and base {before.mean():.3f}: a difference of {signed(difference.mean)}, "
        f"{100 * bootstrap.level:g} % interval {signed(difference.low)} to {signed(difference.high)}"
    )
    return _decided("base" if harmful else "tuned", f"{figures}{_verdict(difference)}.", difference)


def _decided(model: str, why: str, difference: Difference) -> Decision:
    return Decision(model, why, HEADLINE, difference.queries, difference.figures())


def _count(queries: int) -> str:
    few = "only " if queries < FEW_QUERIES else ""
    return f"{few}{queries:,} synthetic {'query' if queries == 1 else 'queries'}"


def _verdict(difference: Difference) -> str:
    if difference.high < 0:
        return "; all of it is below zero, so tuning did harm and the base model stays"
    if difference.low > 0:
        return "; all of it is above zero, so the tuned model is better"
    if difference.queries < FEW_QUERIES:
        return "; it includes zero, and so few queries can show neither gain nor harm"
    return "; it includes zero, so no harm is shown"
