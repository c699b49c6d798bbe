"""Records of tables: where each starts, long fields, and what is wrong with which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.csv_records import check_length, check_names, csv_records, header_delimiter, table_rows


def test_records_have_the_line_at_which_they_start(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('sep=;\nname;k\n"two\nlines; ""so""";1\n\n  \n;\n' + "x" * 200_000 + ";2\n")
    found = list(csv_records(file, ";"))
    assert found[:3] == [(2, ["name", "k"]), (3, ['two\nlines; "so"', "1"]), (7, ["", ""])]
    assert found[3] == (8, ["x" * 200_000, "2"])


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "\nSEP=;"])
def test_a_line_that_names_the_delimiter_is_no_header(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{line}\na,b;c\n1;2\n")
    assert header_delimiter(file) == ";"
    number = 3 + line.count("\n")
    assert list(table_rows(file)) == [(f"{file}:{number}", {"a,b": "1", "c": "2"})]


def test_broken_quoting_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('a,b\n1,2\n"x,3\n')
    with pytest.raises(UserError, match="malformed CSV") as caught:
        list(csv_records(file, ","))
    assert caught.value.where == f"{file}:3"


def test_a_record_of_another_length_is_refused() -> None:
    check_length(["1", "2"], ["a", "b"], "a.csv:2")
    with pytest.raises(UserError, match="1 fields where the first line has 2") as caught:
        check_length(["1"], ["a", "b"], "a.csv:2", first="first line")
    assert caught.value.where == "a.csv:2"


def test_two_columns_of_one_name_are_refused() -> None:
    check_names(["a", "b"], "f.csv:1")
    with pytest.raises(UserError, match=r"^f\.csv:1: the column 'b' stands twice; give every column its own name"):
        check_names(["a", "b", "b"], "f.csv:1")


def test_rows_of_a_table_have_names_and_places_and_blank_ones_are_none(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(',\n title ,text\na,"one\ntwo"\n,\nb,three\n')
    assert list(table_rows(file)) == [
        (f"{file}:3", {"title": "a", "text": "one\ntwo"}),
        (f"{file}:6", {"title": "b", "text": "three"}),
    ]
