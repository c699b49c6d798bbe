"""Files of prompts: found by what a path holds, and read with the place of every row."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.rows.source import Kind, find_source, read_tables, read_values
from engine.storage.run_folders import begin_run


def test_a_folder_is_read_by_its_one_kind_of_tables(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "README.md", "_hidden.jsonl", ".git/c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"prompt": "x"}\n')
    source = find_source(str(tmp_path))
    assert (source.kind, [file.name for file in source.files]) == (Kind.jsonl, ["a.jsonl", "b.jsonl"])
    (tmp_path / "t.csv").write_text("prompt\nx\n")
    with pytest.raises(UserError, match="files of several kinds: csv and jsonl"):
        find_source(str(tmp_path))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    texts = pa.array(["x"])
    pq.write_table(pa.Table.from_arrays([texts, texts], names=["prompt", "prompt"]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: the column 'prompt' stands twice"):
        next(read_tables(find_source(str(tmp_path))))


def test_views_and_dictionaries_are_plain_at_every_depth(tmp_path: Path) -> None:
    views, codes = pa.array(["x", "y"], pa.string_view()), pa.array(["x", "y"]).dictionary_encode()
    ends, names = pa.array([0, 1, 2], pa.int32()), pa.array(["k", "k"])
    columns = {
        "view": views,
        "struct": pa.StructArray.from_arrays([views, codes], ["a", "b"]),
        "list": pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays([codes], ["a"])),
        "large": pa.LargeListArray.from_arrays(ends.cast(pa.int64()), codes),
        "fixed": pa.FixedSizeListArray.from_arrays(views, 1),
        "map": pa.MapArray.from_arrays(ends, names, views),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    [(_, _, table)] = read_tables(find_source(str(tmp_path)))
    assert table.take([1, 0]).to_pylist() == pa.table(columns).to_pylist()[::-1]


def test_what_synthmill_wrote_into_a_folder_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "x"}\n')
    begin_run(tmp_path / "run", "name: run\n")
    (tmp_path / "run" / "answers.jsonl").write_text('{"prompt": "x", "answer": "y"}\n')
    assert [file.name for file in find_source(str(tmp_path)).files] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("gone", "does not exist"),
        ("x.pdf", "its ending '.pdf'"),
        ("x.json", "of an array make lines: jq"),
        ("d", "no readable"),
    ],
)
def test_a_path_without_prompts_is_refused(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "x.pdf").touch()
    (tmp_path / "x.json").touch()
    (tmp_path / "d").mkdir()
    with pytest.raises(UserError, match=what) as caught:
        find_source(str(tmp_path / name))
    assert caught.value.where == f"prompts.path={tmp_path / name}"


def test_lines_are_rows_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"prompt": "x"}\n\n{"prompt": "y", "k": [1]}\n'))
    rows = list(read_values(find_source(str(file))))
    assert rows == [(f"{file}:1", {"prompt": "x"}), (f"{file}:3", {"prompt": "y", "k": [1]})]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_table_is_read_by_its_header(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f'prompt{mark} k \n"two\nlines, ""so"""{mark}1\n\nx{mark}\n')
    rows = list(read_values(find_source(str(file))))
    assert rows == [(f"{file}:2", {"prompt": 'two\nlines, "so"', "k": "1"}), (f"{file}:5", {"prompt": "x", "k": None})]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a,b\n1\n", "1 fields where the header has 2", 2),
        ("a,a\n1,2\n", "the column 'a' stands twice", 1),
        ('a,b\n1,2\n"x,3\n', "malformed CSV", 3),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, text: str, what: str, line: int) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=what) as caught:
        list(read_values(find_source(str(file))))
    assert caught.value.where == f"{file}:{line}"


def test_texts_are_rows_with_their_path(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.md").write_text("B\n")
    (tmp_path / "a.txt").write_text("A\n")
    rows = [values for _, values in read_values(find_source(str(tmp_path)))]
    assert rows == [{"path": "a.txt", "text": "A\n"}, {"path": "deep/b.md", "text": "B\n"}]


def test_parquet_files_are_read_with_the_columns_of_all(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"prompt": pa.array(["x"]).dictionary_encode(), "k": pa.array([1], pa.int32())}),
        tmp_path / "a.parquet",
    )
    pq.write_table(pa.table({"k": pa.array([2], pa.int64()), "more": [[1, 2]]}), tmp_path / "b.parquet")
    source = find_source(str(tmp_path))
    read = [(file.name, first, table.to_pylist()) for file, first, table in read_tables(source)]
    assert read == [
        ("a.parquet", 1, [{"prompt": "x", "k": 1, "more": None}]),
        ("b.parquet", 1, [{"prompt": None, "k": 2, "more": [1, 2]}]),
    ]
    pq.write_table(pa.table({"k": ["text"]}), tmp_path / "c.parquet")
    with pytest.raises(UserError, match="the files have different columns"):
        list(read_tables(find_source(str(tmp_path))))
    (tmp_path / "c.parquet").write_text("no table")
    with pytest.raises(UserError, match="cannot be read"):
        list(read_tables(find_source(str(tmp_path))))


def test_columns_of_parquet_that_arrow_cannot_sort_or_join_are_read_as_plain_ones(tmp_path: Path) -> None:
    words = pa.array(["a", "b", "c"]).dictionary_encode()
    columns = {
        "views": pa.array(["x", "y", "z"], pa.string_view()),
        "in": pa.StructArray.from_arrays([words], ["word"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=1)
    tables = [table for _, _, table in read_tables(find_source(str(tmp_path)))]
    assert {table["views"].type for table in tables} == {pa.string()}
    read = [row for table in tables for row in table.to_pylist()]
    assert read == [{"views": view, "in": {"word": word}} for view, word in ("xa", "yb", "zc")]
