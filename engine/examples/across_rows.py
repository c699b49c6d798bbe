"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from engine.examples.duplicates.exact import DedupConfig, exact_duplicates
from engine.examples.duplicates.minhash import near_duplicates
from engine.examples.ledger import Curation, Ints

FindCopies = Callable[[Ints, pa.Array], Ints]


def reject_duplicates(curation: Curation, config: DedupConfig, num_threads: int) -> None:
    """Rejects every query that stands in for no one: the lowest `sample_id` of a cluster stays."""
    if config.exact:
        _reject_copies(curation, "exact_duplicate", exact_duplicates)
    if config.near:
        _reject_copies(
            curation, "near_duplicate", functools.partial(near_duplicates, config=config, num_threads=num_threads)
        )


def _reject_copies(curation: Curation, reason: str, find: FindCopies) -> None:
    rows = curation.open()
    ids = curation.ids[rows]
    kept = find(ids, curation.column("query", rows))
    copies = kept != ids
    curation.reject(rows[copies], reason, [f"of sample {sample_id}" for sample_id in kept[copies]])


def reject_lost(curation: Curation, ranks: Ints, top_k: int) -> None:
    """Rejects queries that do not lead back to their document: `ranks` has one entry per open row."""
    rows = curation.open()
    curation.ranks[rows] = ranks
    lost = ranks > top_k
    curation.reject(rows[lost], "round_trip", [f"rank {rank}" for rank in ranks[lost]])


def reject_surplus(curation: Curation, max_per_passage: int) -> None:
    """Rejects what a passage has beyond its share, highest `sample_id` first."""
    seen: Counter[str] = Counter()
    surplus = []
    rows = curation.open()
    for row, passage_id in zip(rows, curation.column("passage_id", rows).to_pylist(), strict=True):
        seen[passage_id] += 1
        if seen[passage_id] > max_per_passage:
            surplus.append(row)
    curation.reject(np.array(surplus, np.int64), "max_per_passage", [f"over {max_per_passage}"] * len(surplus))
