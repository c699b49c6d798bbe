"""Samples beside their passages: every generated one once, in the order of ids, and known where it stands."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError, UserError
from engine.examples.join import Joined, join_samples
from engine.storage.parts import write_part
from tests.support.committed import SCHEMA, begin, row


def write_passages(folder: Path) -> DocumentsFolder:
    rows = [
        {"passage_id": "a", "document_id": "a", "title": "Bees", "text": "They dance."},
        {"passage_id": "a#2", "document_id": "a", "title": "", "text": "They sleep."},
        {"passage_id": "b", "document_id": "b", "title": "", "text": "A loan."},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folder / "passages.parquet")
    return DocumentsFolder(folder)


def write_samples(folder: Path, *parts: list[tuple[int, str, str]]) -> SamplesFolder:
    log = begin(folder)
    for samples in parts:
        rows = [
            row(sample_id, passage_id=passage_id, status=status, condition_form=f"form {sample_id % 2}")
            | {"error": "too long" * (status == "failed")}
            for sample_id, passage_id, status in samples
        ]
        write_part(log.new_part("e0"), pa.Table.from_pylist(rows, schema=SCHEMA))
    log.list_new()
    return SamplesFolder(folder)


def join(folder: Path, *parts: list[tuple[int, str, str]]) -> Joined:
    return join_samples(write_samples(folder, *parts), write_passages(folder), folder)


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_generated_samples_are_joined_with_their_passages(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.examples.join._ROWS_AT_ONCE", at_once)
    first, second = [(7, "b", "generated"), (2, "a#2", "generated"), (3, "a", "failed")], [(4, "a", "generated")]
    joined = join(tmp_path, first, second)
    ledger = joined.ledger
    assert ledger.ids.tolist() == [2, 4, 7]
    assert list(ledger.passage_ids(ledger.open())) == ["a#2", "a", "b"]
    assert ledger.passages.document_ids.take(pa.array(ledger.passage_rows)).to_pylist() == ["a", "a", "b"]
    assert ledger.samples["condition_form"].to_pylist() == ["form 0", "form 0", "form 1"]
    read = ledger.passages.texts.take(pa.array(ledger.passage_rows)).to_pylist()
    assert read == ["They sleep.", "Bees\nThey dance.", "A loan."]
    assert [group.rows for group in joined.blocks.groups] == [2, 1]
    assert joined.blocks.passage_rows.tolist() == [2, 1, 0]
    assert joined.blocks.sample_ids.tolist() == [7, 2, 4], "in the order of the parts"


def test_texts_stay_where_they_are(tmp_path: Path) -> None:
    """What grows with the samples is numbers: a column of texts would be as large as the data set."""
    ledger = join(tmp_path, [(number, "b", "generated") for number in range(500)]).ledger
    types = {name: ledger.samples.schema.field(name).type for name in ledger.samples.column_names}
    assert types.pop("condition_form") == pa.dictionary(pa.int32(), pa.string())
    assert all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types.values()), types


def test_failures_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="samples: all 2 samples failed, the first with: too long; mend that"):
        join(tmp_path, [(0, "a", "failed"), (1, "b", "failed")])


def test_a_passage_that_is_not_there_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariantError, match="passage is not among the documents"):
        join(tmp_path, [(0, "c", "generated")])
