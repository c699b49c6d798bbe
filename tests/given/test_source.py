"""The files that a path names are found and read; what is wrong with them is said with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.given.source import Kind, find_source, look_at_further_files, read_records

ROWS: list[dict[str, object]] = [{"query": "q1", "passage": "p1"}, {"query": "q2", "passage": "p2"}]


def write(file: Path) -> Path:
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif file.suffix == ".csv":
        file.write_text("query,passage\nq1,p1\nq2,p2\n")
    elif file.suffix == ".tsv":
        file.write_text("query\tpassage\nq1\tp1\nq2\tp2\n")
    elif file.suffix == ".json":
        file.write_text(json.dumps(ROWS))
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.json", "a.parquet"])
def test_files_of_every_kind_give_the_same_records(tmp_path: Path, name: str) -> None:
    records = list(read_records(find_source(str(write(tmp_path / name)))))
    assert [dict(record.values) for record in records] == ROWS
    assert all(record.place.startswith(f"{tmp_path / name}:") for record in records)
    assert {record.split for record in records} == {""}


def test_files_named_after_splits_are_on_the_side_that_they_name(tmp_path: Path) -> None:
    for name in ("set-v1_train.jsonl", "set-v1_dev.jsonl", "more.jsonl"):
        write(tmp_path / name)
    source = find_source(str(tmp_path))
    assert [file.name for file in source.files] == ["more.jsonl", "set-v1_dev.jsonl", "set-v1_train.jsonl"]
    assert source.splits() == ["train", "validation", "train"]
    (tmp_path / "set-v1_dev.jsonl").unlink()
    assert find_source(str(tmp_path)).splits() == ["", ""], "one side alone is no split"


def test_folders_named_after_splits_tell_the_side_of_files_that_do_not(tmp_path: Path) -> None:
    for name in ("train/0000.parquet", "test/0000.parquet", "test/train.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name)
    records = read_records(find_source(str(tmp_path)))
    assert [record.split for record in records] == ["validation"] * 2 + ["train"] * 4


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.array(["a"])] * 3
    pq.write_table(pa.table(columns, names=["query", "passage", "passage"]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: the column 'passage' stands twice"):
        list(read_records(find_source(str(tmp_path / "a.parquet"))))


def test_a_date_past_pythons_last_one_does_not_matter_to_examples(tmp_path: Path) -> None:
    columns = {"query": ["a"], "passage": ["b"], "when": pa.array([10**12], pa.timestamp("s"))}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    [record] = read_records(find_source(str(tmp_path / "a.parquet")))
    assert record.values == {"query": "a", "passage": "b", "when": None}


def test_json_beside_tables_is_about_them(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / "dataset_infos.json").write_text("{}")
    assert find_source(str(tmp_path)).kind is Kind.parquet


def test_objects_in_a_record_are_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"sentence1": "a", "labels": {"label": 3.7, "real-label": 3.71}}\n')
    (record,) = read_records(find_source(str(tmp_path / "a.jsonl")))
    assert record.values == {"sentence1": "a", "labels.label": 3.7, "labels.real-label": 3.71}


def test_paths_without_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^examples.path=.*none: does not exist"):
        find_source(str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds no readable files"):
        find_source(str(tmp_path))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match=r"its ending '.txt' tells no kind; known are .jsonl"):
        find_source(str(tmp_path / "a.txt"))
    write(tmp_path / "a.csv")
    write(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="holds files of several kinds: csv and parquet"):
        find_source(str(tmp_path))


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("query,query\na,b\n")
    with pytest.raises(UserError, match=r"a.csv:1: the column 'query' stands twice"):
        list(read_records(find_source(str(tmp_path / "a.csv"))))


@pytest.mark.parametrize("name", ["b.jsonl", "b.csv", "b.parquet"])
def test_the_first_lines_of_every_further_file_are_looked_at(tmp_path: Path, name: str) -> None:
    write(tmp_path / name.replace("b.", "a."))
    look_at_further_files(find_source(str(tmp_path)))
    (tmp_path / name).write_text('query,passage\n"q1')
    with pytest.raises(UserError) as caught:
        look_at_further_files(find_source(str(tmp_path)))
    assert str(tmp_path / name) in caught.value.where
    (tmp_path / "b.json").write_text("no JSON")
    look_at_further_files(find_source(str(tmp_path / "b.json")))
