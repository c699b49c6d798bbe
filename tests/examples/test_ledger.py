"""The ledger: every generated sample ends once, with one reason, and what is written is what is counted."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.errors import BrokenInvariantError, UserError
from engine.examples.ledger import SETTINGS, Ledger, tables, write_examples
from engine.filters.chain import FILTER_NAMES
from tests.support.ledgers import QUERIES, detail_of, make_ledger


def split_of(document_id: str) -> str:
    return "validation" if document_id == "b" else "train"


def test_a_new_ledger_is_open_throughout() -> None:
    ledger = make_ledger()
    assert len(ledger) == len(ledger.open()) == len(QUERIES)
    assert ledger.rejected() == {}


def test_a_rejected_row_is_no_longer_open() -> None:
    ledger = make_ledger()
    ledger.reject(np.array([1, 4]), "round_trip", ["rank 7", "rank 9"])
    ledger.reject(np.array([5]), "format", ["empty"])
    assert ledger.open().tolist() == [0, 2, 3]
    assert detail_of(ledger) == ["", "rank 7", "", "", "rank 9", "empty"]
    assert list(ledger.rejected().items()) == [("format", 1), ("round_trip", 2)], "in the order of the filters"


def test_a_row_is_rejected_once() -> None:
    ledger = make_ledger()
    ledger.reject(np.array([1]), "round_trip", ["rank 7"])
    with pytest.raises(BrokenInvariantError, match="copy rejects a row that is rejected already"):
        ledger.reject(np.array([0, 1]), "copy", ["90% verbatim"] * 2)


def test_every_filter_has_a_setting_to_change() -> None:
    assert set(SETTINGS) > set(FILTER_NAMES)
    with pytest.raises(AssertionError, match="no setting is known for the reason 'mood'"):
        make_ledger().reject(np.array([0]), "mood", ["bad"])


def test_texts_are_those_of_the_chosen_rows() -> None:
    ledger = make_ledger()
    assert list(ledger.passage_ids(np.array([3, 0]))) == ["b", "a#1"]
    chosen = ledger.queries(np.array([5, 3]))
    assert (list(chosen), chosen[1], chosen[:1], len(chosen)) == (["", QUERIES[3]], QUERIES[3], [""], 2)
    assert chosen.take(pa.array([1, 1])).to_pylist() == [QUERIES[3]] * 2


def test_rows_out_of_order_are_a_defect() -> None:
    ledger = make_ledger()
    with pytest.raises(BrokenInvariantError, match="order of their ids"):
        Ledger(ledger.samples.take([1, 0]), ledger.passages)


def test_nothing_kept_names_reasons_and_setting() -> None:
    ledger = make_ledger()
    ledger.reject(np.array([5]), "format", ["empty"])
    ledger.reject(np.arange(5), "round_trip", ["rank 40"] * 5)
    with pytest.raises(UserError) as caught:
        ledger.require_some()
    assert str(caught.value) == (
        "examples: none of 6 generated samples is kept (rejected: format 1, round_trip 5); "
        "most fail at round_trip: change examples.round_trip.top_k"
    )


def test_something_kept_is_enough() -> None:
    ledger = make_ledger()
    ledger.reject(np.arange(5), "round_trip", ["rank 40"] * 5)
    ledger.require_some()


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_tables_have_the_schema_and_every_row(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.examples.ledger._ROWS_AT_ONCE", at_once)
    table = pa.concat_tables(tables(make_ledger(), split_of))
    assert table["query"].to_pylist() == QUERIES
    assert table["passage_id"].to_pylist() == ["a#1", "a#1", "a#2", "b", "c", "c"]
    assert table["passage"].to_pylist() == ["text a1", "text a1", "text a2", "text b", "text c", "text c"]
    assert table.schema.equals(pa.schema([*EXAMPLES, ("condition_form", pa.string())]))
    assert table["sample_id"].to_pylist() == [0, 10, 20, 30, 40, 50]
    assert table["split"].to_pylist() == [split_of(name) for name in ["a", "a", "a", "b", "c", "c"]]


def test_what_is_written_is_what_is_counted(tmp_path: Path) -> None:
    ledger = make_ledger()
    ledger.reject(np.array([5]), "format", ["empty"])
    splits = write_examples(ledger, tmp_path, split_of)
    kept, rejected = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("kept", "rejected"))
    assert kept["sample_id"].to_pylist() == [0, 10, 20, 30, 40]
    assert rejected["sample_id"].to_pylist() == [50]
    assert rejected["reason"].to_pylist() == ["format"]
    assert rejected["detail"].to_pylist() == ["empty"]
    assert splits == Counter(kept["split"].to_pylist())
