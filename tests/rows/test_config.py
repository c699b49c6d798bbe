"""The identity of rows is what the files hold, not where they lie."""

from __future__ import annotations

from pathlib import Path

from engine.rows.config import RowsConfig
from engine.runtime.identity import identity_of


def test_a_file_that_moved_is_the_same_and_one_that_changed_is_not(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text('{"prompt": "x"}\n')
    before = identity_of(RowsConfig(str(tmp_path / "a.jsonl")))
    assert identity_of(RowsConfig(str(tmp_path / "b.jsonl"))) == before
    assert identity_of(RowsConfig(str(tmp_path / "b.jsonl"), id_field="k")) != before
    (tmp_path / "b.jsonl").write_text('{"prompt": "y"}\n')
    assert identity_of(RowsConfig(str(tmp_path / "b.jsonl"))) != before


def test_the_names_of_texts_count_since_they_are_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    before = identity_of(RowsConfig(str(tmp_path)))
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert identity_of(RowsConfig(str(tmp_path))) != before


def test_the_kind_of_a_file_counts_since_it_says_how_bytes_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('{"prompt": "x"}\n')
    before = identity_of(RowsConfig(str(tmp_path / "a.csv")))
    (tmp_path / "a.csv").rename(tmp_path / "a.jsonl")
    assert identity_of(RowsConfig(str(tmp_path / "a.jsonl"))) != before
