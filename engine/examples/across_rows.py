"""What changes a ledger: verdicts on single rows, and the filters that look at all open rows at once.

Those look for duplicates, queries that the round trip loses, and surplus. In: a ledger. Out: the same ledger with more
rows rejected. Each filter sees only what the ones before it left open, so a rejected query never stands for a kept one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.judged import Criterion, Judged, rows_with
from engine.errors import BrokenInvariantError
from engine.examples.duplicates.config import DedupConfig
from engine.examples.duplicates.exact import Hashed, Ids, exact_duplicates, rows_among
from engine.examples.duplicates.minhash import Signed, near_duplicates
from engine.examples.ledger import Ledger, Rows
from engine.storage.texts import Texts, TextWriter
from engine.text.hashes import earlier_equals


def reject_by_row(ledger: Ledger, judged: Iterable[pa.Table], file: Path) -> None:
    """Takes note of every cleaned query, and rejects those that a filter of one row refuses.

    Args:
        ledger: nothing is rejected yet.
        judged: what `filter_batch` gives, each sample once, in any order.
        file: gets the queries, in that order.
    """
    places, first = np.full(len(ledger), -1, np.int64), 0
    with TextWriter(file) as writer:
        for table in judged:
            rows = _take_places(places, first, ledger.ids, table["sample_id"].to_numpy())
            for chunk in table["query"].chunks:
                writer.add(chunk)
            for reason in filter(None, table["reason"].unique().to_pylist()):
                refused = table.filter(pc.equal(table["reason"], reason))
                refused_rows = rows[pc.equal(table["reason"], reason).to_numpy()]
                ledger.reject(refused_rows, reason, refused["detail"].combine_chunks())
            first += len(table)
    if first != len(ledger):
        raise BrokenInvariantError(f"the filters returned {first} of {len(ledger)} rows")
    ledger.set_queries(Texts(file), places)


def _take_places(places: Rows, first: int, ids: Ids, judged: Ids) -> Rows:
    """Numbers samples that were judged from `first` on, and returns their rows.

    Raises:
        BrokenInvariantError: one of them is no row, or was numbered before.
    """
    rows, is_there = rows_among(ids, judged)
    numbers = np.arange(first, first + len(rows))
    is_new = is_there & (places[rows] < 0)
    places[rows] = numbers
    if not (is_new & (places[rows] == numbers)).all():
        raise BrokenInvariantError("the filters returned other rows than they were given, or one of them twice")
    return rows


def reject_judged(ledger: Ledger, judged: Judged, criterion: Criterion) -> None:
    """Rejects what a judge turned down; the detail is the figure, and beside it the length, which judges may favour.

    Args:
        ledger: what is open may be rejected.
        judged: the figures of one folder of judgements; samples that are not in it are left as they are.
        criterion: where it draws the line.
    """
    rows = ledger.open()
    places, is_judged = rows_with(judged.ids, ledger.ids[rows])
    rows, places = rows[is_judged], places[is_judged]
    is_rejected = criterion.rejects(judged.figures[places])
    rows, figures = rows[is_rejected], judged.figures[places[is_rejected]]
    shown = pa.array(np.char.mod("%.2f", figures), pa.string())
    shown = pc.if_else(pc.equal(shown, "nan"), "not judged", shown)
    lengths = pa.array([len(query) for query in ledger.queries(rows)], pa.int64()).cast(pa.string())
    details = pc.binary_join_element_wise(criterion.rubric, shown, " ")
    details = pc.binary_join_element_wise(details, lengths, ", ")
    ledger.reject(rows, criterion.reason, pc.binary_join_element_wise(details, "characters", " "))


def reject_exact_duplicates(ledger: Ledger, known: Iterable[Hashed] = ()) -> None:
    """Rejects equal queries but for the one of each group with the lowest `sample_id`.

    Args:
        ledger: what is open may be rejected.
        known: hashes of queries that were made before.
    """
    rows = ledger.open()
    _reject_copies(ledger, rows, "exact_duplicate", exact_duplicates(ledger.ids[rows], ledger.queries(rows), known))


def reject_near_duplicates(ledger: Ledger, config: DedupConfig, num_threads: int, known: Iterable[Signed] = ()) -> None:
    """Rejects similar queries but for the one of each cluster with the lowest `sample_id`.

    Args:
        ledger: what is open may be rejected.
        config: what is similar.
        num_threads: how many cores hash.
        known: signatures of queries that were made before.
    """
    rows = ledger.open()
    originals = near_duplicates(ledger.ids[rows], ledger.queries(rows), config, num_threads, known)
    _reject_copies(ledger, rows, "near_duplicate", originals)


def _reject_copies(ledger: Ledger, rows: Rows, reason: str, originals: Ids) -> None:
    """Rejects those of `rows` that stand behind another sample; `originals` has the id that stands for each."""
    is_copy = originals != ledger.ids[rows]
    ledger.reject(rows[is_copy], reason, _with_numbers("of sample", originals[is_copy]))


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
    ledger.reject(rows[is_lost], "round_trip", _with_numbers("rank", ranks[is_lost]))


def reject_surplus(ledger: Ledger, max_per_passage: int) -> None:
    """Rejects queries of a passage beyond the `max_per_passage` with the lowest `sample_id`."""
    rows = ledger.open()
    surplus = rows[earlier_equals(ledger.passage_rows[rows]) >= max_per_passage]
    ledger.reject(surplus, "max_per_passage", pa.repeat(f"over {max_per_passage}", len(surplus)))


def _with_numbers(words: str, numbers: Rows) -> pa.Array:
    """Writes details such as `rank 7`."""
    return pc.binary_join_element_wise(words, pa.array(numbers).cast(pa.string()), " ")
