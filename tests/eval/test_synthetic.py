"""Synthetic queries count as they reached the round trip, of held-out documents or of all."""

from __future__ import annotations

import itertools
from pathlib import Path

from eval.synthetic import held_out_queries, synthetic_queries
from tests.support.small_run import build_run


def test_only_held_out_queries_that_reached_the_round_trip_count(tmp_path: Path) -> None:
    held_out = held_out_queries(build_run(tmp_path)["examples"], 0)
    # Samples 14 to 23 are of validation documents; 18 was rejected by length, 20 (as 6, 13) as a duplicate.
    assert sorted(held_out.queries) == [f"sample-{number}" for number in (14, 15, 16, 17, 19, 21, 22, 23)]
    assert held_out.qrels["sample-17"] == {"knots": 1}
    assert held_out.sources["sample-17"] == held_out.sources["sample-16"] == "knots"
    assert held_out.queries["sample-14"].endswith("& more")
    assert held_out.left_out == {}


def test_more_queries_than_the_limit_are_drawn_by_their_ids(tmp_path: Path) -> None:
    examples = build_run(tmp_path)["examples"]
    drawn = [set(held_out_queries(examples, limit).queries) for limit in range(1, 9)]
    assert [len(queries) for queries in drawn] == list(range(1, 9))
    assert all(fewer < more for fewer, more in itertools.pairwise(drawn)), "a larger limit only adds queries"
    assert drawn[2] != {"sample-14", "sample-15", "sample-16"}
    cut = held_out_queries(examples, 3)
    assert cut.left_out == {"max_held_out": 5}
    assert cut.sources.keys() == cut.qrels.keys() == cut.queries.keys() == drawn[2]


def test_queries_of_all_documents_hold_the_held_out_ones(tmp_path: Path) -> None:
    examples = build_run(tmp_path)["examples"]
    every, held_out = synthetic_queries(examples, 0), held_out_queries(examples, 0)
    # Of 24 samples 3 were rejected by length, and 3 as duplicates.
    assert len(every.queries) == 18
    assert held_out.queries.items() < every.queries.items()
    assert every.sources["sample-17"] == "knots"
    assert every.qrels.keys() == every.queries.keys() == every.sources.keys()
    assert synthetic_queries(examples, 7).queries.items() < every.queries.items()
