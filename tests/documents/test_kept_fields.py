"""Kept fields have the type that fits all their values, in every form that documents come in."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import DocumentsFolder
from engine.documents import writer
from engine.documents.config import DocumentsConfig
from engine.documents.kept_fields import KeptFields, Kind, kind_of
from engine.errors import UserError
from tests.documents.test_step import MODEL, load
from tests.support.source_files import put


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("12", Kind.whole),
        ("-3", Kind.whole),
        ("007", Kind.text),
        ("12345678901234567890", Kind.text),
        ("1.50", Kind.number),
        ("2e5", Kind.number),
        ("1e400", Kind.text),
        (f"{'1' * 400}.5", Kind.text),
        ("True", Kind.boolean),
        ("2024-02-29", Kind.date),
        ("2023-02-29", Kind.text),
        ("2024-02-29T12:00Z", Kind.time),
        ("2024-02-29 noon", Kind.text),
        ("0001-01-01T00:00+14:00", Kind.text),
        ("1\uff12", Kind.text),
        ("1.\uff15", Kind.text),
        ("2024", Kind.whole),
        ("Mars", Kind.text),
    ],
)
def test_what_a_text_is(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["123456789012345678", "1.5"], ["123456789012345678", "1.5"]),
        (["1.5", "-1234567890123456"], ["1.5", "-1234567890123456"]),
        (["123456789012345", "1.5"], [123456789012345.0, 1.5]),
        (["123456789012345678", "1"], [123456789012345678, 1]),
    ],
)
def test_long_ids_keep_their_digits(tmp_path: Path, values: list[str], kept: list[object]) -> None:
    lines = [json.dumps({"text": f"words {value}", "k": value}) for value in values]
    assert read(tmp_path, "a.jsonl", "\n".join(lines), keep_fields=["k"])["k"].to_pylist() == kept


def read(folder: Path, name: str, text: str | None, **options: object) -> pa.Table:
    """The kept fields of documents that were read from a file."""
    if text is not None:
        put(folder / name, text)
    load(DocumentsConfig(path=str(folder / name), tokenizer=MODEL, **options), folder / "out")  # type: ignore[arg-type]
    return DocumentsFolder(folder / "out").fields()


ROWS = [
    {"_id": "a", "text": "one two", "date": "2024-01-01", "stars": 1, "source": "web", "new": True, "tag": 7},
    {"_id": "b", "text": "three " * 40, "date": "2024-01-02T03:04:05+01:00", "stars": 2.5, "source": " ", "new": False},
    {"_id": "c", "text": "five six", "date": None, "stars": float("nan"), "source": "Übung", "tag": "x"},
]


def test_values_travel_to_every_passage_with_one_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 2)
    names = ["date", "stars", "source", "new", "tag"]
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    fields = read(tmp_path, "rows.jsonl", lines, keep_fields=names, max_tokens=32, overlap_tokens=4)
    assert fields.column_names == names
    assert len(fields) == 4, "the second document has two passages"
    first, second = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert fields["date"].to_pylist() == [first, second, second, None]
    assert fields["stars"].to_pylist() == [1.0, 2.5, 2.5, None]
    assert fields["source"].to_pylist() == ["web", None, None, "Übung"]
    assert fields["new"].to_pylist() == [True, False, False, None]
    assert fields["tag"].to_pylist() == ["7", None, None, "x"]
    schema = pq.read_schema(tmp_path / "out" / "passages.parquet")
    assert schema.names == [*PASSAGES.names, *(f"field_{name}" for name in names)]
    assert schema.field("field_date").type == pa.timestamp("us", tz="UTC")
    assert not list((tmp_path / "out").glob(".*")), "nothing is left of the first writing"
    assert DocumentsFolder(tmp_path / "out").passages()["text"].to_pylist()[0] == "one two"


def test_a_table_and_a_parquet_file_give_the_same(tmp_path: Path) -> None:
    rows = "id,text,day,n\n1,one two,2024-01-31,5\n2,three,,\n"
    table = read(tmp_path / "csv", "x.csv", rows, keep_fields=["day", "n"])
    typed = {"id": ["1", "2"], "text": ["one two", "three"], "day": [date(2024, 1, 31), None], "n": [5, None]}
    (tmp_path / "parquet").mkdir()
    pq.write_table(pa.table(typed), tmp_path / "parquet" / "x.parquet")
    assert read(tmp_path / "parquet", "x.parquet", None, keep_fields=["day", "n"]) == table
    assert table.schema.types == [pa.date32(), pa.int64()]
    assert table.to_pylist() == [{"day": date(2024, 1, 31), "n": 5}, {"day": None, "n": None}]


def test_without_kept_fields_passages_are_as_they_were(tmp_path: Path) -> None:
    assert read(tmp_path, "x.jsonl", '{"text": "one two", "date": "2024-01-01"}').column_names == []
    assert pq.read_schema(tmp_path / "out" / "passages.parquet") == PASSAGES


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    line = '{"_id": "a", "text": "one two", "tags": ["x"]}'
    with pytest.raises(UserError, match="field 'tags' of document 'a' holds a list, not one value"):
        read(tmp_path, "x.jsonl", line, keep_fields=["tags"])
    with pytest.raises(UserError, match=r"x\.jsonl:1: no field 'tag'; set documents\.keep_fields: did you mean 'tags'"):
        read(tmp_path, "x.jsonl", line, keep_fields=["tag"])
    put(tmp_path / "tree" / "a.txt", "one two")
    of_files = DocumentsConfig(path=str(tmp_path / "tree"), tokenizer=MODEL, keep_fields=["date"])
    with pytest.raises(UserError, match=r"keep_fields=\[date\]: documents\.reader=tree reads documents without fields"):
        of_files.identity()
    with pytest.raises(UserError, match=r"documents\.keep_fields=\[a, a\]"):
        DocumentsConfig(path="x", keep_fields=["a", "a"])


def test_a_field_that_no_document_has_is_a_text(tmp_path: Path) -> None:
    fields = KeptFields(["x"])
    assert fields.read({}, "a") == fields.read({"x": ""}, "b") == (None,)
    pq.write_table(pa.table({"field_x": pa.array([None], pa.string())}), tmp_path / "x.parquet")
    fields.type_columns(tmp_path / "x.parquet")
    assert pq.read_schema(tmp_path / "x.parquet").field("field_x").type == pa.string()
