"""What lies in the folder of a pool, and that no mark in it is written over."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.text.words import words
from eval.judging.agreement import find_disagreements
from eval.judging.folder import find_pool_folder, write_pool_folder
from tests.support.pools import small_pool

POOL = small_pool()


def test_a_pool_is_found_again_by_its_name(tmp_path: Path) -> None:
    folder = write_pool_folder(tmp_path, POOL, "run", words)
    assert find_pool_folder(tmp_path, POOL.name, Path("marks.csv")).pool() == POOL
    assert folder.page.is_file()


def test_a_table_with_marks_is_not_written_over(tmp_path: Path) -> None:
    folder = write_pool_folder(tmp_path, POOL, "run", words)
    folder.sheet.write_text("marked")
    write_pool_folder(tmp_path, POOL, "run", words)
    assert folder.sheet.read_text() == "marked"


@pytest.mark.parametrize("name", ["pool-of-another-run", "../outside", ""])
def test_a_pool_of_another_run_is_refused(tmp_path: Path, name: str) -> None:
    write_pool_folder(tmp_path, POOL, "run", words)
    with pytest.raises(UserError, match=f"which {tmp_path} did not make; .*{POOL.name}"):
        find_pool_folder(tmp_path, name, Path("marks.csv"))


def test_disagreements_are_listed_with_a_column_per_person(tmp_path: Path) -> None:
    folder = write_pool_folder(tmp_path, POOL, "run", words)
    marks = {"ann": {("q2", "milk"): 2, ("q3", "salt"): 1}, "ben": {("q2", "milk"): 0, ("q3", "salt"): 1}}
    folder.write_marks(POOL, marks["ann"], find_disagreements(marks))
    with folder.disagreements.open(encoding="utf-8-sig", newline="") as stream:
        [row] = csv.DictReader(stream)
    assert (row["query_id"], row["passage_id"], row["ann"], row["ben"]) == ("q2", "milk", "2", "0")
    folder.write_marks(POOL, marks["ann"], [])
    assert not folder.disagreements.exists(), "it would be of an earlier reading"
