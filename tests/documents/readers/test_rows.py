"""Documents from rows: JSONL, CSV and Parquet give the same documents, and every mistake is named with its row."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.documents.readers.document import SourceDocument, content_id
from engine.documents.readers.fields import Fields
from engine.documents.readers.source import Reader, find_source, read_documents
from engine.errors import UserError
from tests.support.source_files import ANTS, BEES, ROWS, jsonl, put, put_parquet, read

WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "corpus.jsonl": ("beir", lambda file: put(file, jsonl(*ROWS))),
    "corpus.jsonl.gz": ("beir", lambda file: put(file, gzip.compress(jsonl(*ROWS)))),
    "rows.ndjson": ("jsonl", lambda file: put(file, b"\xef\xbb\xbf" + jsonl(*ROWS) + b"\n\n")),
    "rows.jsonl.gz": ("jsonl", lambda file: put(file, gzip.compress(jsonl(*ROWS)))),
    "rows.csv": (
        "csv",
        lambda file: put(file, '_id,title,text\n1,Bees,They dance.\n\n2,,"They follow trails;\nall day."\n'),
    ),
    "rows.tsv": (
        "csv",
        lambda file: put(file, 'ID\tTitle\tText\n1\tBees\tThey dance.\n2\t\t"They follow trails;\nall day."'),
    ),
    "semicolons.csv": (
        "csv",
        lambda file: put(file, 'id;title;body\n1;Bees;They dance.\n2;;"They follow trails;\nall day."\n'),
    ),
    "rows.csv.gz": (
        "csv",
        lambda file: put(
            file, gzip.compress(b'id|title|content\n1|Bees|They dance.\n2||"They follow trails;\nall day."\n')
        ),
    ),
    "rows.parquet": ("parquet", lambda file: put_parquet(file, ROWS)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_table_form_gives_the_same_documents(tmp_path: Path, name: str) -> None:
    reader, write = WRITERS[name]
    write(tmp_path / name)
    source = find_source(str(tmp_path), Reader.auto)
    assert source.reader.value == reader
    assert list(read_documents(source)) == [BEES, ANTS]
    assert read(tmp_path / name) == [BEES, ANTS]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_folder_of_shards_is_read_in_order_of_names(tmp_path: Path, suffix: str) -> None:
    for name, row in (("b", ROWS[1]), ("a", ROWS[0])):
        file = tmp_path / f"{name}{suffix}"
        put(file, jsonl(row)) if suffix == ".jsonl" else put_parquet(file, [row])
    assert read(tmp_path) == [BEES, ANTS]


def test_missing_ids_come_from_the_content(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", jsonl({"text": "one"}, {"id": None, "text": "two", "title": "T"}, {"text": None}))
    assert read(file) == [
        SourceDocument(content_id("", "one"), "", "one"),
        SourceDocument(content_id("T", "two"), "T", "two"),
        SourceDocument(content_id("", ""), "", ""),
    ]


def test_fields_can_be_named_and_numbers_are_ids(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", jsonl({"nr": 7, "kop": "T", "tekst": "hallo", "text": "no"}))
    assert read(file, fields=Fields("nr", "kop", "tekst")) == [SourceDocument("7", "T", "hallo")]


def test_a_long_csv_field_is_read(tmp_path: Path) -> None:
    text = "word " * 100_000
    assert read(put(tmp_path / "a.csv", f"id,text\n1,{text}\n"))[0].text == text


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": "b"\n', "FILE:2", "malformed JSON"),
        ("a.jsonl", '{"text": "a"}\n"b"\n', "FILE:2", "a JSON str, not an object"),
        ("a.jsonl", "[" * 100_000, "FILE:1", "malformed JSON"),
        (
            "a.jsonl",
            '{"id": "x", "text": "a"}\n\n{"id": "x", "text": "b"}\n',
            "FILE:3",
            "duplicate id 'x', first at FILE:1",
        ),
        ("a.jsonl", '{"id": 1, "words": "a"}\n', "FILE:1", "no field looks like the text; there are: id, words"),
        ("a.jsonl", '{"text": ["a"]}\n', "FILE:1", "field 'text' holds a list"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}\n', "FILE: byte 24", "not UTF-8: the byte is 0xe9"),
        ("a.csv", "id,text\n1,a\n\n2,b,c\n", "FILE:4", "3 fields where the header has 2"),
        ("a.csv", 'id,text\n1,a\n2,"b\n3,c\n', "FILE:3", "malformed CSV"),
        ("a.csv", "id,text\n1,a\n1,b\n", "FILE:3", "duplicate id '1', first at FILE:2"),
        ("a.csv", b"id,text\n1,\xff\n", "FILE: byte 10", "not UTF-8"),
        ("a.parquet", b"PAR1 nothing of the kind", "FILE", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 99, mtime=0)[:30], "FILE", "cannot be read"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, name: str, content: bytes | str, where: str, what: str) -> None:
    file = put(tmp_path / name, content)
    with pytest.raises(UserError) as caught:
        read(file)
    assert caught.value.where == where.replace("FILE", str(file))
    assert what.replace("FILE", str(file)) in caught.value.what
    assert caught.value.remedy


def test_a_duplicate_in_another_shard_names_both(tmp_path: Path) -> None:
    first, second = (put(tmp_path / name, jsonl(ROWS[1], ROWS[0])) for name in ("a.jsonl", "b.jsonl"))
    with pytest.raises(UserError, match=f"duplicate id '2', first at {first}:1") as caught:
        read(tmp_path)
    assert caught.value.where == f"{second}:1"


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    texts = pa.array(["They dance."])
    pq.write_table(pa.Table.from_arrays([texts, texts], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: the column 'text' stands twice"):
        read(tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_arrays([texts] * 3, names=["text", "label", "label"]), tmp_path / "b.parquet")
    assert [document.text for document in read(tmp_path / "b.parquet")] == ["They dance."]


def test_a_kept_date_that_python_has_none_for_is_named(tmp_path: Path) -> None:
    dates = pa.array([0, 10**12], pa.timestamp("s"))
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["They dance.", "They walk."], "date": dates}), file, row_group_size=1)
    assert len(read(file)) == 2, "it is not read where it is not kept"
    with pytest.raises(UserError, match="a value of 'date' cannot be read") as caught:
        list(read_documents(find_source(str(file), Reader.auto), Fields(kept=("date",))))
    assert caught.value.where == f"{file}: row 2"


def test_a_duplicate_row_of_parquet_is_named(tmp_path: Path) -> None:
    put_parquet(tmp_path / "a.parquet", [*ROWS, ROWS[0]])
    with pytest.raises(UserError, match=r"first at .*: row 1") as caught:
        read(tmp_path)
    assert caught.value.where == f"{tmp_path / 'a.parquet'}: row 3"


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        (Fields(id="idd"), "documents.id_field: did you mean '_id'?"),
        (Fields(title="titel"), "documents.title_field: did you mean 'title'?"),
        (Fields(text="txt"), "documents.text_field: did you mean 'text'?"),
    ],
)
def test_a_wrong_field_suggests_the_right_one(tmp_path: Path, fields: Fields, remedy: str) -> None:
    put_parquet(tmp_path / "a.parquet", ROWS)
    with pytest.raises(UserError, match="no field") as caught:
        read(tmp_path, fields=fields)
    assert remedy in caught.value.remedy


def test_parquet_rows_are_read_by_whichever_usual_column_they_have(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "one", "content": None}, {"id": "2", "text": None, "content": "two"}]
    put_parquet(tmp_path / "a.parquet", rows)
    assert read(tmp_path) == [SourceDocument("1", "", "one"), SourceDocument("2", "", "two")]


def test_whole_floats_of_parquet_are_ids_as_judgements_write_them(tmp_path: Path) -> None:
    put_parquet(
        tmp_path / "a.parquet", [{"id": 1.0, "text": "one"}, {"id": 2.0, "text": "two"}, {"id": 2.5, "text": "c"}]
    )
    assert [document.id for document in read(tmp_path)] == ["1", "2", "2.5"]


def test_a_missing_float_id_comes_from_the_content(tmp_path: Path) -> None:
    put_parquet(tmp_path / "a.parquet", [{"id": 1.0, "text": "one"}, {"id": float("nan"), "text": "two"}])
    assert [document.id for document in read(tmp_path)] == ["1", content_id("", "two")]


def test_nested_columns_are_not_in_the_way(tmp_path: Path) -> None:
    put_parquet(tmp_path / "a.parquet", [{"_id": "1", "text": "one", "passage": ["a", "b"], "meta": {"x": 1}}])
    assert read(tmp_path) == [SourceDocument("1", "", "one")]


def test_failed_rows_without_an_id_are_named_by_their_place(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", jsonl({"text": "one"}, {"note": "x"}, {"note": "y"}))
    assert [(d.id, d.reason) for d in read(file)[1:]] == [
        ("row-1-2", "no field 'text'"),
        ("row-1-3", "no field 'text'"),
    ]
