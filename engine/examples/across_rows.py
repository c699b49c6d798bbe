"""The filters that look at all open rows at once: duplicates, queries that the round trip loses, and surplus.

In: a ledger. Out: the same ledger with more rows rejected. Each filter sees only what the ones before it left open, so
a rejected query never stands for a kept one.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from engine.examples.duplicates.config import DedupConfig
from engine.examples.duplicates.exact import Ids, exact_duplicates
from engine.examples.duplicates.minhash import near_duplicates
from engine.examples.ledger import Ledger, Rows


def reject_exact_duplicates(ledger: Ledger) -> None:
    """Of each group of equal queries leaves open the one with the lowest `sample_id`."""
    rows = ledger.open()
    _reject_copies(ledger, rows, "exact_duplicate", exact_duplicates(ledger.ids[rows], ledger.column("query", rows)))


def reject_near_duplicates(ledger: Ledger, config: DedupConfig, num_threads: int) -> None:
    """Of each cluster of similar queries leaves open the one with the lowest `sample_id`."""
    rows = ledger.open()
    originals = near_duplicates(ledger.ids[rows], ledger.column("query", rows), config, num_threads)
    _reject_copies(ledger, rows, "near_duplicate", originals)


def _reject_copies(ledger: Ledger, rows: Rows, reason: str, originals: Ids) -> None:
    """Rejects those of `rows` that stand behind another sample; `originals` has the id that stands for each."""
    is_copy = originals != ledger.ids[rows]
    ledger.reject(rows[is_copy], reason, [f"of sample {sample_id}" for sample_id in originals[is_copy]])


def reject_lost(ledger: Ledger, ranks: Rows, top_k: int) -> None:
    """Rejects queries that do not lead back to their document.

    Args:
        ledger: takes note of all ranks.
        ranks: the round-trip rank of each open row.
        top_k: the last rank that is kept.
    """
    rows = ledger.open()
    ledger.ranks[rows] = ranks
    is_lost = ranks > top_k
    ledger.reject(rows[is_lost], "round_trip", [f"rank {rank}" for rank in ranks[is_lost]])


def reject_surplus(ledger: Ledger, max_per_passage: int) -> None:
    """Leaves open at most `max_per_passage` queries of a passage, those with the lowest `sample_id`."""
    counts: Counter[str] = Counter()
    surplus = []
    rows = ledger.open()
    for row, passage_id in zip(rows, ledger.column("passage_id", rows).to_pylist(), strict=True):
        counts[passage_id] += 1
        if counts[passage_id] > max_per_passage:
            surplus.append(row)
    ledger.reject(np.array(surplus, np.int64), "max_per_passage", [f"over {max_per_passage}"] * len(surplus))
