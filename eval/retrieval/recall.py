"""How the share of relevant documents that a system finds grows with the number of documents that are looked at.

In: what each system ranked. Out: recall by depth. Whoever reranks, or hands documents to a language model, reads here
how many of them to take.
"""

from __future__ import annotations

from eval.retrieval.metrics import evaluate
from eval.retrieval.ranking import Results

DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100)
"""The numbers of documents that recall is told for."""


def recall_curve(results: Results, system: str) -> dict[int, float]:
    """Returns the mean recall of one system over the queries, 0 to 1, by depth."""
    names = {depth: f"recall@{depth}" for depth in DEPTHS}
    means = evaluate(results.trec_runs[system], results.benchmark.qrels, list(names.values())).means()
    return {depth: means[name] for depth, name in names.items()}
