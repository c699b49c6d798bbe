"""The ledger: every row ends once, with one reason, whatever else is there."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.errors import UserError
from engine.examples.across_rows import reject_duplicates, reject_lost, reject_surplus
from engine.examples.duplicates.exact import DedupConfig
from engine.examples.filters.contract import REGISTRY
from engine.examples.ledger import SETTINGS, Curation, draw_split

QUERIES = [
    "how do bees find flowers",
    "How do bees find flowers?",
    "how do bees find flowers now",
    "what is a mortgage",
    "how do bees find flowers again",
    "",
]


def make_curation(rejected: str = "format") -> Curation:
    count = len(QUERIES)
    rows = {
        "sample_id": [10 * number for number in range(count)],
        "passage_id": ["a#1", "a#1", "a#2", "b", "c", "c"],
        "document_id": ["a", "a", "a", "b", "c", "c"],
        "query": QUERIES,
        "passage_row": [0, 0, 1, 2, 3, 3],
        "logprob": pa.array([-1.0] * count, pa.float32()),
        "reason": ["", "", "", "", "", rejected],
        "detail": ["", "", "", "", "", "empty" * bool(rejected)],
        "condition_form": ["question"] * count,
    }
    return Curation(pa.table(rows), pa.array(["text a1", "text a2", "text b", "text c"]))


def test_rows_end_with_the_reason_of_the_first_filter_that_rejects_them() -> None:
    curation = make_curation()
    reject_duplicates(curation, DedupConfig(threshold=0.6), num_threads=1)
    reject_lost(curation, np.array([1, 9]), top_k=3)
    assert curation.reasons.tolist() == [
        "",
        "exact_duplicate",
        "near_duplicate",
        "round_trip",
        "near_duplicate",
        "format",
    ]
    assert curation.details.tolist() == ["", "of sample 0", "of sample 0", "rank 9", "of sample 0", "empty"]
    assert curation.ranks.tolist() == [1, 0, 0, 9, 0, 0]
    assert curation.counts() == {"format": 1, "exact_duplicate": 1, "near_duplicate": 2, "round_trip": 1}


def test_duplicates_can_be_left_alone() -> None:
    curation = make_curation()
    reject_duplicates(curation, DedupConfig(exact=False, near=False), num_threads=1)
    assert len(curation.open()) == 5


def test_the_lowest_ids_of_a_passage_stay() -> None:
    curation = make_curation()
    reject_surplus(curation, max_per_passage=1)
    assert curation.open().tolist() == [0, 2, 3, 4]
    assert curation.details[1] == "over 1"


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_tables_have_the_schema_and_every_row(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.examples.ledger._ROWS_AT_ONCE", at_once)
    table = pa.concat_tables(make_curation().tables(seed=0, validation_share=0.5))
    assert table["passage"].to_pylist() == ["text a1", "text a1", "text a2", "text b", "text c", "text c"]
    assert table.schema.equals(pa.schema([*EXAMPLES, ("condition_form", pa.string())]))
    assert table["sample_id"].to_pylist() == [0, 10, 20, 30, 40, 50]
    splits = dict(zip(table["document_id"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert table["split"].to_pylist() == [splits[name] for name in table["document_id"].to_pylist()]


def test_what_is_written_is_what_is_counted(tmp_path: Path) -> None:
    curation = make_curation()
    splits = curation.write(tmp_path, seed=0, validation_share=0.5)
    kept, rejected = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("kept", "rejected"))
    assert kept["sample_id"].to_pylist() == [0, 10, 20, 30, 40]
    assert rejected["sample_id"].to_pylist() == [50]
    assert rejected["reason"].to_pylist() == ["format"]
    assert splits == Counter(kept["split"].to_pylist())


def test_the_split_is_drawn_by_document_and_seed() -> None:
    names = [f"d{number}" for number in range(4000)]
    drawn = [draw_split(name, 0, 0.1) for name in names]
    assert 0.08 < drawn.count("validation") / len(names) < 0.12
    assert drawn == [draw_split(name, 0, 0.1) for name in names]
    assert drawn != [draw_split(name, 1, 0.1) for name in names]
    larger = [draw_split(name, 0, 0.3) for name in names]
    assert all(new == "validation" for old, new in zip(drawn, larger, strict=True) if old == "validation")
    assert {draw_split(name, 0, 0.0) for name in names} == {"train"}


def test_nothing_kept_names_reasons_and_setting() -> None:
    curation = make_curation()
    reject_lost(curation, np.full(5, 40), top_k=3)
    with pytest.raises(UserError) as caught:
        curation.require_some()
    assert str(caught.value) == (
        "examples: none of 6 generated samples is kept (rejected: format 1, round_trip 5); "
        "most fail at round_trip: change examples.round_trip.top_k"
    )


def test_something_kept_is_enough() -> None:
    make_curation().require_some()


def test_every_filter_has_a_setting_to_change() -> None:
    assert set(SETTINGS) > set(REGISTRY)
    with pytest.raises(AssertionError, match="no setting is known for the reason 'mood'"):
        make_curation().reject(np.array([0]), "mood", ["bad"])


def test_rows_out_of_order_are_a_defect() -> None:
    with pytest.raises(AssertionError, match="order of their ids"):
        Curation(make_curation().rows.take([1, 0]), pa.array(["text"]))
