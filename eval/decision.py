"""Base or tuned: a model that does harm is not promoted.

In: the queries of held-out documents *from before the round-trip filter* (those that passed it are, by construction,
the ones the base model already finds) and both models' rankings for them. Out: which model to use, and why, in one
sentence. Judged questions never take part, so what the report says about them stays an honest measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.retrieval.benchmark import Benchmark, make_benchmark
from eval.retrieval.metrics import HEADLINE, Scores
from eval.significance import Bootstrap, Difference
from eval.wording import signed

COUNTED_REASONS = ("round_trip", "max_per_passage")
"""Rejected by the round trip or after it: these samples count here as the kept ones do."""


HELD_OUT = "held_out"


FEW_QUERIES = 30


@dataclass(frozen=True)
class Decision:
    """Which model to use.

    Attributes:
        model: "tuned" or "base".
        why: one sentence with the figures.
        difference: tuned minus base, nDCG@10 with the source document as the only positive.
    """

    model: str
    why: str
    difference: Difference

    def as_json(self) -> dict[str, object]:
        """The shape of report.json."""
        figures = {"metric": HEADLINE, "queries": self.difference.queries, "difference": self.difference.as_json()}
        return {"model": self.model, "why": self.why, **figures}


def held_out_queries(examples: Path) -> Benchmark:
    """Queries of the validation documents as they reached the round-trip filter, kept by it or not.

    The only positive of each is the document it was written for. Ids are `sample-N`, so that none is a document's.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["sample_id", "document_id", "query", "split", "reason"]
    queries, qrels = {}, {}
    for name, reasons in (("kept", [""]), ("rejected", COUNTED_REASONS)):
        table = pq.read_table(examples / f"{name}.parquet", columns=columns)
        counted = pc.is_in(table["reason"], value_set=pa.array(reasons, pa.string()))
        for row in table.filter(pc.and_(pc.equal(table["split"], "validation"), counted)).to_pylist():
            query_id = f"sample-{row['sample_id']}"
            queries[query_id] = row["query"]
            qrels[query_id] = {row["document_id"]: 1}
    return make_benchmark(HELD_OUT, queries, qrels)


def decide(base: Scores, tuned: Scores, bootstrap: Bootstrap) -> Decision:
    """Keeps the base model when the tuned one is significantly worse, or when nothing was held out to tell."""
    assert base.query_ids == tuned.query_ids, "both models must be scored on the same queries"
    before, after = base.values[HEADLINE], tuned.values[HEADLINE]
    difference = bootstrap.difference(before, after)
    if not difference.queries:
        why = (
            "No query of a held-out document was left to compare the two models on, "
            "so nothing shows that the tuned one does no harm; the base model stays."
        )
        return Decision("base", why, difference)
    harmful = difference.high < 0
    figures = (
        f"On {_count(difference.queries)} of held-out documents, none of them trained on, tuned reaches an nDCG@10 of "
        f"{after.mean():.3f} and base {before.mean():.3f}: a difference of {signed(difference.mean)}, "
        f"{100 * bootstrap.level:g} % interval {signed(difference.low)} to {signed(difference.high)}"
    )
    return Decision("base" if harmful else "tuned", f"{figures}{_verdict(difference)}.", difference)


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
