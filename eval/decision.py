"""Base or tuned: a model that does harm is not promoted.

In: the queries of held-out documents *from before the round-trip filter* (those that passed it are, by construction,
the ones the base model already finds), and both models' rankings for them, alone and together with words. Out: which
model to use, and why, in a sentence for each. Most people search by both, and a model that finds better what words find
anyway adds nothing there, or harms: so tuned with words has to pass beside base with words too. Judged questions never
take part, so what the report says about them stays an honest measurement.
"""

from __future__ import annotations

import math
from dataclasses import replace

from eval.report import Decision, FusedCheck
from eval.retrieval.figures import Resamples
from eval.retrieval.metrics import HEADLINE
from eval.significance import DifferenceFigures
from eval.wording import FEW_DOCUMENTS, signed

LEAST_DOCUMENTS = 5
"""With fewer documents than this a model is not promoted: two that happen to agree give an interval of no width."""
TOLERATED = 0.1
"""The rank of a query's document may be longer by this share, as a geometric mean. Chosen with benchmarks/harm.py."""
FUSED_WEIGHT = 0.5
"""The weight of words at which both models with words are compared: the one that is searched with where nothing speaks
against it, and no choice, so that nothing was chosen by the queries that decide."""


def decide(held_out: Resamples, level: float) -> Decision:
    """Chooses the tuned model when it does no harm that could be seen: a model must show that, not harm be proven.

    The base model stays when nothing, or next to nothing, was held out to tell; when the tuned one is significantly
    worse, in nDCG@10 or in the ranks of the documents; and, unless its nDCG@10 is significantly better, when the
    interval does not rule out that ranks are longer by more than `TOLERATED`. Ranks tell what nDCG@10 does not see,
    such as a document that sinks from rank 11 to 90. A harmed model moves many documents, up and down, so that its
    interval is wide: most of those in benchmarks/harm.py are told by that, and not by their mean.

    Args:
        held_out: the means on the held-out queries.
        level: level of the interval that decides.
    """
    headline, rank = held_out.difference[HEADLINE], held_out.rank.figures(level)
    difference, queries, documents = headline.figures(level), headline.queries, headline.clusters
    if not queries:
        why = (
            "No query of a held-out document was left to compare the two models on, "
            "so nothing shows that the tuned one does no harm; the base model stays."
        )
        return Decision("base", why, HEADLINE, queries, difference, documents, rank, model_alone="base")
    means = _means(held_out)
    model, verdict = _verdict(difference, rank, documents)
    why = (
        f"On {_count(queries, documents)}, never trained on, tuned reaches an nDCG@10 of {means['tuned']:.3f} and base "
        f"{means['base']:.3f}: a difference of {signed(difference.mean)}, {100 * level:g} % interval by document "
        f"{signed(difference.low)} to {signed(difference.high)}; {verdict}."
    )
    return Decision(model, why, HEADLINE, queries, difference, documents, rank, model_alone=model)


def with_fused(decision: Decision, fused: Resamples, level: float) -> Decision:
    """Holds tuned with words against base with words too, by the rule for the models alone; both have to be passed.

    Args:
        decision: that between the models alone.
        fused: the means of both models with words at `FUSED_WEIGHT` on the same queries, under the names of the models.
        level: level of the interval that decides.
    """
    if not decision.queries:
        return decision
    difference, rank, means = fused.difference[HEADLINE].figures(level), fused.rank.figures(level), _means(fused)
    model, verdict = _verdict(difference, rank, fused.difference[HEADLINE].clusters)
    why = (
        f"With words (weight {FUSED_WEIGHT:g}), tuned reaches {means['tuned']:.3f} and base {means['base']:.3f} on the "
        f"same queries: a difference of {signed(difference.mean)}, {signed(difference.low)} to "
        f"{signed(difference.high)}; {verdict}."
    )
    check = FusedCheck(model == "tuned", why, FUSED_WEIGHT, means["base"], means["tuned"], difference, rank)
    return replace(decision, model="tuned" if decision.model == model == "tuned" else "base", fused=check)


def _means(resamples: Resamples) -> dict[str, float]:
    return {name: resamples.systems[name][HEADLINE].mean for name in ("base", "tuned")}


def _count(queries: int, documents: int) -> str:
    few = "only " if documents < FEW_DOCUMENTS else ""
    return (
        f"{queries:,} synthetic {'query' if queries == 1 else 'queries'} of "
        f"{few}{documents:,} held-out {'document' if documents == 1 else 'documents'}"
    )


def _verdict(difference: DifferenceFigures, rank: DifferenceFigures, documents: int) -> tuple[str, str]:
    """Returns the model to use, and why, in words that follow the interval of nDCG@10."""
    few = documents < FEW_DOCUMENTS
    if difference.high < 0:
        return "base", "all of it is below zero, so tuning did harm and the base model stays"
    if rank.high < 0:
        return "base", f"documents rank {_worse(rank.mean)} worse, so tuning did harm and the base model stays"
    if documents < LEAST_DOCUMENTS:
        return "base", "so few documents do not rule out harm, and the base model stays"
    if difference.low > 0:
        sure = "though so few documents prove little" if few else "so the tuned model is better"
        return "tuned", f"all of it is above zero, {sure}"
    if rank.low < -math.log2(1 + TOLERATED):
        so_few = "with so few documents they" if few else "documents"
        bound = f"{so_few} may rank up to {_worse(rank.low)} worse, where {100 * TOLERATED:.0f} % is tolerated"
        return "base", f"{bound}, so harm is not ruled out and the base model stays"
    shown = "no harm is shown, though so few documents show little" if few else "no harm is shown"
    return "tuned", f"it includes zero, and documents rank at most {_worse(rank.low)} worse, so {shown}"


def _worse(rank: float) -> str:
    """Returns by how much ranks are longer, such as `8 %`; `rank` is the log2 of base's over tuned's."""
    return f"{100 * (2.0 ** max(0.0, -rank) - 1):.0f} %"
