"""Tables as text: every delimiter, line end and header that can be told apart, and a way out for the others."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest

from engine.documents.readers.csv_table import find_form
from engine.documents.readers.document import SourceDocument
from engine.documents.readers.fields import Fields
from engine.documents.readers.source import Reader, find_source, read_documents
from engine.errors import UserError
from tests.support.source_files import put, read

BEES = SourceDocument("1", "Bees", "They dance; and, so it is said, count.")
ANTS = SourceDocument("2", "", "They follow trails,\nall day.")


def table(mark: str, end: str = "\n") -> str:
    """Two documents as a table with this delimiter; the second has a line break in its text."""
    rows = [("id", "title", "text"), ("1", "Bees", f'"{BEES.text}"'), ("2", "", '"They follow trails,\nall day."')]
    return end.join(map(mark.join, rows)) + end


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("mark", [",", "\t", ";", "|", "~", "^", "\x01", "\u00a6", ":"])
def test_every_delimiter_with_every_line_end(tmp_path: Path, mark: str, end: str) -> None:
    assert read(put(tmp_path / "a.csv", table(mark, end))) == [BEES, ANTS]


def test_two_columns_of_one_name_are_refused_and_columns_without_any_are_not(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.csv:1: the column 'text' stands twice"):
        read(put(tmp_path / "a.csv", "id,text,text\n1,They dance.,They walk.\n"))
    assert [document.text for document in read(put(tmp_path / "b.csv", "id,text,,\n1,They dance.,,\n"))] == [
        "They dance."
    ]


def test_columns_that_are_not_read_may_have_one_name(tmp_path: Path) -> None:
    """Issue trackers write a column for each comment or label of an issue, all of one name."""
    file = put(tmp_path / "a.csv", "id,text,Label,Label\n1,They dance.,bees,dance\n")
    assert [document.text for document in read(file)] == ["They dance."]
    with pytest.raises(UserError, match=r"a\.csv:1: the column 'Label' stands twice"):
        read(file, fields=Fields(kept=("Label",)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whatever_is_written_is_read_back(tmp_path: Path, end: str) -> None:
    """Texts are full of every delimiter, quote and line end, and records go on over lines and past the look."""
    chance = random.Random(end)
    for mark in ",;\t|~^" * 4:
        rows = [
            (f"d{number}", _scramble(chance, 'ab ,;\t|~^"\n\r', 12), _scramble(chance, 'ab ,;\t|~^"\n\r', 30))
            for number in range(chance.randrange(1, 260))
        ]
        with (tmp_path / "a.csv").open("w", newline="") as stream:
            writer = csv.writer(stream, delimiter=mark, lineterminator=end, quoting=csv.QUOTE_ALL)
            writer.writerows([("id", "title", "text"), *rows])
        assert [(d.id, d.title, d.text) for d in read(tmp_path / "a.csv")] == rows


def _scramble(chance: random.Random, letters: str, length: int) -> str:
    return "".join(chance.choice(letters) for _ in range(length)) + "x"


@pytest.mark.parametrize(
    "content", [b"\0\0\n", b'sep="\nid,text\n1,x\n', b'"id,text"\n"1,x"\n', b",,\n1,2,3\n", b"sep=\n"]
)
def test_what_is_no_table_is_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="no field looks like the text"):
        read(put(tmp_path / "a.csv", content))


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_that_tells_excel_the_delimiter_is_no_header(tmp_path: Path, first: str, end: str) -> None:
    file = put(tmp_path / "a.csv", b"\xef\xbb\xbf" + (first + end + table(";", end)).encode())
    assert read(file) == [BEES, ANTS]
    file.write_text("sep=\t\n" + table("\t"))
    assert read(file) == [BEES, ANTS]


def test_lines_are_counted_with_the_line_that_tells_the_delimiter(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", "sep=;\nid;text\n1;one\n2;two;three\n")
    with pytest.raises(UserError, match="3 fields where the header has 2") as caught:
        read(file)
    assert caught.value.where == f"{file}:4"


def test_lines_of_a_file_with_carriage_returns_are_counted(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", "id,text\r1,one\r1,two\r")
    with pytest.raises(UserError, match=f"duplicate id '1', first at {file}:2") as caught:
        read(file)
    assert caught.value.where == f"{file}:3"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.tsv.gz"])
def test_numbered_texts_without_a_header_are_read_and_told(tmp_path: Path, name: str) -> None:
    content = "".join(f"{n}\tPassage {n}, of many, is about things; and more\n" for n in range(300))
    file = put(tmp_path / name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    told: list[str] = []
    documents = list(read_documents(find_source(str(file), Reader.auto), tell=told.append))
    assert [d.id for d in documents] == [str(n) for n in range(300)]
    assert documents[7].text == "Passage 7, of many, is about things; and more"
    assert told == [f"{file} has no header: its first column is read as the id, its second as the text"]


@pytest.mark.parametrize(
    "content",
    [
        "17\tBees\tBees make honey all day\n18\tAnts\tAnts follow trails\n",  # which of two is the title?
        "nr\ttekst van de passage\n1\tBijen maken honing\n",  # the first line may be a header
        "1\tbees\n2\tants\n",  # words, or texts?
        "a passage about bees\nanother one about ants\n",
        "x7\tBees make honey\nx7\tAnts follow trails\n",  # no ids
    ],
)
def test_a_doubtful_first_line_is_refused_with_a_way_out(tmp_path: Path, content: str) -> None:
    file = put(tmp_path / "a.tsv", content)
    with pytest.raises(UserError, match="no field looks like the text") as caught:
        read(file)
    assert caught.value.where == f"{file}:1"
    assert "documents.text_field" in caught.value.remedy
    assert "where the first line is no header, add one such as id<TAB>title<TAB>text" in caught.value.remedy


def test_the_way_out_helps(tmp_path: Path) -> None:
    rows = "17\tBees\tBees make honey all day\n18\tAnts\tAnts follow trails\n"
    assert [d.title for d in read(put(tmp_path / "a.tsv", "id\ttitle\ttext\n" + rows))] == ["Bees", "Ants"]
    dutch = put(tmp_path / "b.tsv", "nr\ttekst\n1\tBijen maken honing\n")
    assert read(dutch, fields=Fields(id="nr", text="tekst")) == [SourceDocument("1", "", "Bijen maken honing")]


def test_names_that_were_set_settle_the_delimiter(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", "kop;tekst, uitleg;nr\nBijen;honing;1\nMieren;sporen;2\n")
    assert [d.text for d in read(file, fields=Fields(text="tekst, uitleg", id="nr"))] == ["honing", "sporen"]


def test_a_column_of_texts_may_hold_any_delimiter(tmp_path: Path) -> None:
    assert [d.text for d in read(put(tmp_path / "a.csv", "text\nBees, ants\nwasps\n"))] == ["Bees, ants", "wasps"]


def test_blanks_around_the_names_of_a_header_do_not_count(tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.csv", "id, title, text\n1,T,hello\n")) == [SourceDocument("1", "T", "hello")]


def test_ids_of_a_data_frame_are_whole_numbers(tmp_path: Path) -> None:
    assert [d.id for d in read(put(tmp_path / "a.csv", "id,text\n1.0,one\n2.0,two\n"))] == ["1", "2"]


def test_a_file_of_blank_lines_has_no_form(tmp_path: Path) -> None:
    assert find_form(put(tmp_path / "a.csv", "\n \r\n\r"), Fields()) is None
    assert read(put(tmp_path / "b.csv", "")) == []


def test_a_file_without_a_text_among_others_is_named(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "id,text\n1,one\n")
    file = put(tmp_path / "b.csv", "query-id,corpus-id,score\n1,1,1\n")
    with pytest.raises(UserError, match="no field looks like the text") as caught:
        read(tmp_path)
    assert caught.value.where == f"{file}:1"
