"""Files of demonstrations: every form gives the same, and every mistake has its place and a remedy for its form."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.prompts.demonstrations.file import read_demonstration_file
from engine.task.render import Demonstration

ROWS = [
    {"document": "Bees, they say, make honey.", "query": "who makes honey", "title": "Bees", "form": "question"},
    {"document": "Ice\nfloats.", "query": "ice float", "title": None, "form": "keywords"},
]
READ = [
    Demonstration(ROWS[0]["document"] or "", "who makes honey", conditions={"form": "question"}, title="Bees"),
    Demonstration("Ice\nfloats.", "ice float", conditions={"form": "keywords"}),
]


def write(file: Path) -> Path:
    """Writes the rows in the form that the ending names."""
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    else:
        mark = "\t" if file.suffix == ".tsv" else ","
        lines = [[f'"{value or ""}"' for value in row.values()] for row in ROWS]
        file.write_text("".join(mark.join(line) + "\n" for line in [list(ROWS[0]), *lines]))
    return file


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "A.CSV"])
def test_every_form_gives_the_same_demonstrations(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name.lower()).rename(tmp_path / name)
    assert list(read_demonstration_file(file)) == READ


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a"])
def test_an_ending_that_tells_nothing_is_read_as_json_lines(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "a.jsonl").rename(tmp_path / name)
    assert list(read_demonstration_file(file)) == READ


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.json", json.dumps(ROWS).encode(), "a.json:1", "holds a JSON list, not an object"),
        ("a.json", json.dumps(ROWS, indent=2).encode(), "a.json:1", "malformed JSON"),
        ("a.xlsx", b"PK\x03\x04\xff", "a.xlsx: byte 4", "is not UTF-8"),
        ("a", b"document,query\na,b\n", "a:1", "malformed JSON"),
    ],
)
def test_what_is_no_line_of_json_is_told_the_endings_that_are_known(
    tmp_path: Path, name: str, content: bytes, where: str, what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_demonstration_file(tmp_path / name))
    assert caught.value.where == f"{tmp_path}/{where}"
    assert what in caught.value.what
    assert "tells no kind of file" in caught.value.what
    assert "of an array make lines" in caught.value.remedy
    assert ".jsonl, .ndjson, " in caught.value.remedy
    assert ".csv, .tsv" in caught.value.remedy


def test_a_line_that_is_malformed_under_its_own_ending_is_told_of_no_ending(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("oops\n")
    with pytest.raises(UserError, match="malformed JSON") as caught:
        list(read_demonstration_file(tmp_path / "a.jsonl"))
    assert "ending" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "what", "remedy"),
    [
        ("query,text\na,b\n", 2, "the row has no text in 'document'", "name its columns document, query"),
        ("query,document\na,b\n,c\n", 3, "the row has no text in 'query'", "with a text in each"),
        ("query,document\na,b,c\n", 2, "3 fields where the header has 2", "quote fields"),
        ("query,query,document\na,b,c\n", 1, "the column 'query' stands twice", "its own name"),
        ('query,document\n"a,b\n', 2, "malformed CSV", "close every quote"),
    ],
)
def test_a_mistake_in_a_table_has_its_line(tmp_path: Path, text: str, line: int, what: str, remedy: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        list(read_demonstration_file(tmp_path / "a.csv"))
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.where == f"{tmp_path / 'a.csv'}:{line}"


def test_a_row_of_parquet_has_its_number_and_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([*ROWS, {"document": "x", "query": ""}]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no text in 'query'") as caught:
        list(read_demonstration_file(tmp_path / "a.parquet"))
    assert caught.value.where == f"{tmp_path / 'a.parquet'}: row 3"
    (tmp_path / "a.csv").write_text("document,query\n")
    with pytest.raises(UserError, match="holds no demonstration"):
        list(read_demonstration_file(tmp_path / "a.csv"))
