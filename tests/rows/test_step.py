"""The rows step: files of any kind become one folder of rows; what is wrong is refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.rows import RowsFolder, RowsRecord, RowsWriter
from engine.errors import UserError
from engine.rows import step as step_module
from engine.rows.config import RowsConfig
from engine.rows.sampling import SETTINGS
from engine.rows.step import read_rows
from engine.storage import parquet_records
from tests.support.places import printed, quiet_place

ROWS: list[dict[str, object]] = [
    {"k": f"k{number}", "prompt": f"question {number}", "tags": [number], "temperature": 0.5 if number == 1 else None}
    for number in range(3000)
]


def read(folder: Path, path: Path, **settings: object) -> tuple[RowsFolder, RowsRecord]:
    output = folder / f"rows-{len(list(folder.iterdir()))}"
    output.mkdir()
    config = RowsConfig(str(path), sampling=SETTINGS, asks_rows=True, **settings)  # type: ignore[arg-type]
    return RowsFolder(output), read_rows(config, {}, output, quiet_place(folder))


def jsonl(file: Path, rows: list[dict[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_json_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    folder, record = read(tmp_path, jsonl(tmp_path / "a.jsonl", ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    same, record_of_parquet = read(tmp_path, tmp_path / "a.parquet")
    assert list(folder.rows()) == list(same.rows())
    assert record == record_of_parquet == RowsRecord(3000, ["k", "prompt", "tags", "temperature"], ["temperature"])
    assert [row for _, row in folder.rows()] == ROWS


def test_a_csv_gives_texts_and_ids_of_a_field(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k,prompt,max_tokens\nx,one,\ny,two,9\n")
    folder, _ = read(tmp_path, tmp_path / "a.csv", id_field="k")
    rows = [
        ("x", {"k": "x", "prompt": "one", "max_tokens": None}),
        ("y", {"k": "y", "prompt": "two", "max_tokens": "9"}),
    ]
    assert list(folder.rows()) == rows
    assert pq.read_table(folder.file)["sampling_max_tokens"].to_pylist() == [None, 9]


def test_a_person_is_told_which_columns_are_settings(tmp_path: Path) -> None:
    place = quiet_place(tmp_path)
    (tmp_path / "rows").mkdir()
    config = RowsConfig(str(jsonl(tmp_path / "a.jsonl", ROWS[:2])), sampling=SETTINGS)
    read_rows(config, {}, tmp_path / "rows", place)
    assert "settings that rows have for themselves: temperature" in printed(place)


@pytest.mark.parametrize(
    ("rows", "what", "line"),
    [
        ([{"prompt": "x"}, {"messages": [{"role": "user", "content": "y"}]}], "a chat among texts", 2),
        ([{"prompt": "x"}, {"prompt": [{"role": "user", "content": "y"}]}], "a chat among texts", 2),
        (
            [{"k": 1, "prompt": "x"}, {"k": 2, "prompt": "x"}, {"k": "1", "prompt": "y"}],
            "duplicate id '1', first at",
            3,
        ),
        ([{"prompt": "x", "top_p": 3}], "out of range", 1),
        (
            [{"prompt": "x"}] * 1000 + [{"prompt": "y", "system": "z"}],
            "has a column 'system', and no earlier row",
            1001,
        ),
        ([{"prompt": "x"}, {"prompt": "y", "tags": ["\ud83d"]}], "half a character", 2),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(
    tmp_path: Path, rows: list[dict[str, object]], what: str, line: int
) -> None:
    file = jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match=what) as caught:
        read(tmp_path, file, id_field="k" if "k" in rows[0] else "")
    assert caught.value.where.startswith(f"{file}:{line}")


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="holds no rows"):
        read(tmp_path, tmp_path / "a.parquet")


def test_a_date_that_nothing_reads_is_refused_with_its_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["x"], "when": pa.array([10**15], pa.timestamp("s"))}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: row 1: a value of 'when' cannot be read"):
        read(tmp_path, tmp_path / "a.parquet")


def test_fewer_long_rows_are_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row may be a book; the rows are the same."""
    written: list[int] = []
    add = RowsWriter.add

    def watched(self: RowsWriter, ids: list[str], columns: pa.Table, **others: Any) -> None:
        written.append(columns.num_rows)
        add(self, ids, columns, **others)

    monkeypatch.setattr(RowsWriter, "add", watched)
    monkeypatch.setattr(step_module, "_CHARACTERS_AT_ONCE", 100)
    monkeypatch.setattr(parquet_records, "BATCH_BYTES", 100)
    rows: list[dict[str, object]] = [{"prompt": f"{number} " + "x" * 48} for number in range(10)]
    folder, _ = read(tmp_path, jsonl(tmp_path / "a.jsonl", rows))
    assert written == [2] * 5
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    same, _ = read(tmp_path, tmp_path / "a.parquet")
    assert max(written[5:]) < 3
    assert list(folder.rows()) == list(same.rows())
    assert [row for _, row in folder.rows()] == rows
