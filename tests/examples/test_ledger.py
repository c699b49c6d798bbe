"""The ledger: every generated sample ends once, with one reason, and what is written is what is counted."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES, PASSAGES
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError, UserError
from engine.examples.filters.chain import FILTER_NAMES
from engine.examples.ledger import SETTINGS, Ledger, open_ledger, tables, write_examples
from tests.support.committed import SCHEMA, commit_table, row
from tests.support.ledgers import QUERIES, make_ledger


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
    assert ledger.details.tolist() == ["", "rank 7", "", "", "rank 9", "empty"]
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


def test_columns_are_those_of_the_chosen_rows() -> None:
    ledger = make_ledger()
    assert ledger.column("passage_id", np.array([3, 0])).to_pylist() == ["b", "a#1"]
    assert ledger.column("query", np.array([5])).to_pylist() == [""]
    assert "text" not in ledger.samples.column_names


def test_rows_out_of_order_are_a_defect() -> None:
    with pytest.raises(BrokenInvariantError, match="order of their ids"):
        Ledger(make_ledger().samples.take([1, 0]), pa.array(["text"]))


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


def write_passages(folder: Path) -> DocumentsFolder:
    rows = [
        {"passage_id": "a", "document_id": "a", "title": "Bees", "text": "They dance."},
        {"passage_id": "a#2", "document_id": "a", "title": "", "text": "They sleep."},
        {"passage_id": "b", "document_id": "b", "title": "", "text": "A loan."},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folder / "passages.parquet")
    return DocumentsFolder(folder)


def write_samples(folder: Path, *samples: tuple[int, str, str]) -> SamplesFolder:
    rows = [
        row(sample_id, passage_id=passage_id, status=status, error="too long" * (status == "failed"))
        for sample_id, passage_id, status in samples
    ]
    commit_table(folder, pa.Table.from_pylist(rows, schema=SCHEMA))
    return SamplesFolder(folder)


def test_a_ledger_joins_generated_samples_with_their_passages(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, (7, "b", "generated"), (2, "a#2", "generated"), (3, "a", "failed"))
    ledger = open_ledger(samples, write_passages(tmp_path))
    assert ledger.ids.tolist() == [2, 7]
    assert ledger.samples["document_id"].to_pylist() == ["a", "b"]
    assert ledger.samples["text"].to_pylist() == ["text 2", "text 7"]
    assert "condition_form" in ledger.samples.column_names
    read = ledger.passages.take(ledger.samples["passage_row"].combine_chunks()).to_pylist()
    assert read == ["They sleep.", "A loan."]
    assert ledger.passages[0].as_py() == "Bees\nThey dance."


def test_a_ledger_of_failures_is_refused(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, (0, "a", "failed"), (1, "b", "failed"))
    with pytest.raises(UserError, match="samples: all 2 samples failed, the first with: too long; mend that"):
        open_ledger(samples, write_passages(tmp_path))


def test_a_passage_that_is_not_there_is_a_defect(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, (0, "c", "generated"))
    with pytest.raises(BrokenInvariantError, match="passage is not among the documents"):
        open_ledger(samples, write_passages(tmp_path))


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_tables_have_the_schema_and_every_row(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.examples.ledger._ROWS_AT_ONCE", at_once)
    table = pa.concat_tables(tables(make_ledger(), split_of))
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
    assert splits == Counter(kept["split"].to_pylist())
