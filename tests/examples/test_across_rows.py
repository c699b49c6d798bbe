"""Each filter that compares rows sees what is open, and leaves open the lowest id of what it compares."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.judged import Criterion, Judged
from engine.errors import BrokenInvariantError
from engine.examples.across_rows import (
    reject_by_row,
    reject_exact_duplicates,
    reject_judged,
    reject_lost,
    reject_near_duplicates,
    reject_surplus,
)
from engine.examples.duplicates.config import DedupConfig
from engine.examples.ledger import Ledger
from tests.support.ledgers import PLACES, QUERIES, detail_of, large, make_ledger

SIMILAR = DedupConfig(threshold=0.6)


def checked_by_row() -> Ledger:
    """The last query is empty, and rejected as such."""
    ledger = make_ledger()
    ledger.reject(np.array([5]), "format", ["empty"])
    return ledger


def test_verdicts_come_in_any_order_and_end_at_their_samples(tmp_path: Path) -> None:
    ledger = make_ledger()
    table = pa.table(
        {
            "sample_id": [10 * PLACES.index(place) for place in range(6)],
            "query": large([f"clean {QUERIES[PLACES.index(place)]}" for place in range(6)]),
            "reason": ["", "copy", "", "format", "copy", ""],
            "detail": ["", "90%", "", "empty", "95%", ""],
        }
    )
    reject_by_row(ledger, [table.slice(0, 4), table.slice(4)], tmp_path / "queries")
    assert list(ledger.queries(np.arange(6))) == [f"clean {query}" for query in QUERIES]
    assert ledger.reasons().to_pylist() == ["format", "", "", "copy", "copy", ""]
    assert detail_of(ledger) == ["empty", "", "", "95%", "90%", ""]


def test_verdicts_on_other_samples_are_a_defect(tmp_path: Path) -> None:
    for ids in (range(1, 61, 10), [0, 10, 20, 30, 40, 40], range(0, 70, 10)):
        empty = [""] * len(ids)
        table = pa.table({"sample_id": pa.array(ids), "query": empty, "reason": empty, "detail": empty})
        with pytest.raises(BrokenInvariantError, match="other rows than they were given"):
            reject_by_row(make_ledger(), [table], tmp_path / "queries")
    with pytest.raises(BrokenInvariantError, match="returned 0 of 6 rows"):
        reject_by_row(make_ledger(), [], tmp_path / "queries")


def test_rows_end_with_the_reason_of_the_first_filter_that_rejects_them() -> None:
    ledger = checked_by_row()
    reject_exact_duplicates(ledger)
    reject_near_duplicates(ledger, SIMILAR, num_threads=1)
    reject_lost(ledger, np.array([1, 9]), top_k=3)
    reasons = ["", "exact_duplicate", "near_duplicate", "round_trip", "near_duplicate", "format"]
    assert ledger.reasons().to_pylist() == reasons
    assert detail_of(ledger) == ["", "of sample 0", "of sample 0", "rank 9", "of sample 0", "empty"]
    assert ledger.ranks.tolist() == [1, 0, 0, 9, 0, 0]
    assert ledger.rejected() == {"format": 1, "exact_duplicate": 1, "near_duplicate": 2, "round_trip": 1}


def test_a_rejected_query_stands_for_no_other() -> None:
    ledger = checked_by_row()
    ledger.reject(np.array([0]), "copy", ["90% verbatim"])
    reject_exact_duplicates(ledger)
    assert ledger.open().tolist() == [1, 2, 3, 4]
    reject_near_duplicates(ledger, SIMILAR, num_threads=1)
    assert ledger.open().tolist() == [1, 3]
    assert detail_of(ledger)[2] == "of sample 10"


def test_each_search_for_duplicates_finds_its_own_kind() -> None:
    exact, near = checked_by_row(), checked_by_row()
    reject_exact_duplicates(exact)
    reject_near_duplicates(near, DedupConfig(threshold=0.99), num_threads=1)
    assert exact.rejected() == {"format": 1, "exact_duplicate": 1}
    assert near.rejected() == {"format": 1, "near_duplicate": 1}


def test_a_rank_up_to_the_limit_is_kept() -> None:
    ledger = checked_by_row()
    reject_lost(ledger, np.array([1, 2, 3, 4, 5]), top_k=3)
    assert ledger.open().tolist() == [0, 1, 2]
    assert ledger.ranks.tolist() == [1, 2, 3, 4, 5, 0]


def test_the_lowest_ids_of_a_passage_stay() -> None:
    ledger = checked_by_row()
    reject_surplus(ledger, max_per_passage=1)
    assert ledger.open().tolist() == [0, 2, 3, 4]
    assert detail_of(ledger)[1] == "over 1"
    assert ledger.rejected() == {"format": 1, "max_per_passage": 1}


def test_nothing_is_left_to_compare() -> None:
    ledger = make_ledger()
    ledger.reject(np.arange(6), "length", ["1 word"] * 6)
    reject_exact_duplicates(ledger)
    reject_near_duplicates(ledger, SIMILAR, num_threads=1)
    reject_lost(ledger, np.empty(0, np.int64), top_k=3)
    reject_surplus(ledger, max_per_passage=1)
    assert ledger.rejected() == {"length": 6}


def test_a_judge_turns_down_open_rows_below_its_line_and_those_it_could_not_judge() -> None:
    ledger = checked_by_row()
    line = Criterion("relevance", "judged_relevance", "judge", ("score_listed_yes",), "", 0.5, 0.5)
    judged = Judged(np.array([0, 10, 30, 50]), np.array([0.2, 0.5, np.nan, 0.1]))
    reject_judged(ledger, judged, line)
    assert ledger.reasons().to_pylist() == ["judge", "", "", "judge", "", "format"], "20 and 40 were not asked about"
    assert detail_of(ledger)[0] == f"relevance 0.20, {len(QUERIES[0])} characters"
    assert detail_of(ledger)[3] == f"relevance not judged, {len(QUERIES[3])} characters"
    assert detail_of(ledger)[5] == "empty"


def test_a_judge_that_was_asked_nothing_turns_nobody_down() -> None:
    ledger = checked_by_row()
    line = Criterion("information", "judged_information", "information", ("given",), "without", 0.5, 0.5)
    reject_judged(ledger, Judged(np.empty(0, np.int64), np.empty(0)), line)
    assert ledger.rejected() == {"format": 1}
