"""Gathers what lets a person believe the figures: real samples, and the queries that changed most.

In: the examples of a run and what the systems ranked. Out: small frozen records with texts, for the page. Samples
are drawn with a seed, not picked, and every reason for rejection gets its turn.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.examples import ExamplesFolder
from engine.text.hashes import Integers
from eval.evaluation import Evaluation
from eval.page.changed import ChangedQuery, moved_most
from eval.page.texts import excerpt, first_passages
from eval.page.wins import Wins, find_wins
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE, best_rank
from eval.retrieval.ranking import Results

SHOWN_KEPT, SHOWN_REJECTED, SHOWN_CHANGES = 6, 8, 5
"""The numbers of kept samples, of rejected ones, and of queries that gained or lost most, that are shown."""


@dataclass(frozen=True)
class ShownSample:
    """One generated query beside its passage; `reason` is "" when it was kept."""

    sample_id: int
    query: str
    passage: str
    document_id: str
    reason: str
    detail: str
    conditions: Mapping[str, str]


@dataclass(frozen=True)
class Changes:
    """The queries that gained and lost most, and how many did."""

    better: Sequence[ChangedQuery]
    worse: Sequence[ChangedQuery]
    num_better: int
    num_worse: int
    num_same: int


@dataclass(frozen=True)
class Evidence:
    """The samples and queries that the page shows beside figures."""

    kept: Sequence[ShownSample]
    rejected: Sequence[ShownSample]
    changes: Changes
    wins: Mapping[str, Wins] = field(default_factory=dict)
    """By system; empty where there is no query."""


def gather_evidence(examples: ExamplesFolder, evaluation: Evaluation, seed: int) -> Evidence:
    """Gathers some kept and some rejected samples, the queries that gained and lost most, and what each system wins.

    Args:
        examples: a finished folder.
        evaluation: what was measured.
        seed: draws the samples.
    """
    kept, rejected = shown_samples(examples, seed)
    return Evidence(
        kept=kept,
        rejected=rejected,
        changes=find_changes(evaluation.shown, evaluation.corpus, SHOWN_CHANGES),
        wins=find_wins(evaluation.shown, evaluation.corpus),
    )


def shown_samples(examples: ExamplesFolder, seed: int) -> tuple[list[ShownSample], list[ShownSample]]:
    """Draws some kept and some rejected samples; only these are read with their texts."""
    columns = ["sample_id", "reason"]
    kept = draw_samples(examples.kept_batches(columns), SHOWN_KEPT, seed)
    rejected = draw_samples(examples.rejected_batches(columns), SHOWN_REJECTED, seed)
    return [_shown(examples, sample_id) for sample_id in kept], [_shown(examples, sample_id) for sample_id in rejected]


def draw_samples(batches: Iterable[pa.RecordBatch], count: int, seed: int) -> list[int]:
    """Draws ids of examples by chance, taking turns between the reasons, the most frequent first.

    Args:
        batches: columns `sample_id` and `reason`.
        count: how many to draw at most.
        seed: of the draw.
    """
    ids_by_reason: dict[str, list[Integers]] = {}
    for batch in batches:
        for reason in batch["reason"].unique().to_pylist():
            ids = batch["sample_id"].filter(pc.equal(batch["reason"], reason)).to_numpy()
            ids_by_reason.setdefault(reason, []).append(ids)
    rng = random.Random(seed)
    queues = []
    for ids in sorted(map(np.concatenate, ids_by_reason.values()), key=len, reverse=True):
        drawn = rng.sample(range(len(ids)), min(count, len(ids)))
        queues.append([int(ids[row]) for row in drawn])
    turns = itertools.zip_longest(*queues)
    return [sample_id for turn in turns for sample_id in turn if sample_id is not None][:count]


def find_changes(results: Results, corpus: Corpus, count: int) -> Changes:
    """Finds the `count` queries with the largest gains and losses in nDCG@10 from base to tuned."""
    before, after = results.scores["base"].values[HEADLINE], results.scores["tuned"].values[HEADLINE]
    gains = after - before
    moved, passages = moved_most(gains), first_passages(corpus)
    return Changes(
        better=[_changed(results, row, passages) for row in moved.better[:count]],
        worse=[_changed(results, row, passages) for row in moved.worse[:count]],
        num_better=len(moved.better),
        num_worse=len(moved.worse),
        num_same=moved.num_same,
    )


def _shown(examples: ExamplesFolder, sample_id: int) -> ShownSample:
    row = examples.row(sample_id)
    assert row is not None, "a sample that was drawn is there"
    conditions = {
        name.removeprefix(CONDITION_PREFIX): str(value)
        for name, value in row.items()
        if name.startswith(CONDITION_PREFIX)
    }
    return ShownSample(
        sample_id=row["sample_id"],
        query=row["query"] or "",
        passage=excerpt(row["passage"]),
        document_id=row["document_id"],
        reason=row["reason"] or "",
        detail=row["detail"] or "",
        conditions=conditions,
    )


def _changed(results: Results, row: int, passages: Mapping[str, str]) -> ChangedQuery:
    query_id = results.scores["base"].query_ids[row]
    judged = results.benchmark.qrels[query_id]
    ranks = {name: best_rank(results.trec_runs[name].get(query_id, {}), judged) for name in ("base", "tuned")}
    values = {name: float(results.scores[name].values[HEADLINE][row]) for name in ranks}
    ranked = [(rank, document) for rank, document in ranks.values() if rank]
    document = min(ranked)[1] if ranked else max(judged, key=lambda name: judged[name])
    return ChangedQuery(
        query=results.benchmark.queries[query_id],
        document_id=document,
        passage=excerpt(passages.get(document, "")),
        rank_before=ranks["base"][0],
        rank_after=ranks["tuned"][0],
        before=values["base"],
        after=values["tuned"],
        query_id=query_id,
    )
