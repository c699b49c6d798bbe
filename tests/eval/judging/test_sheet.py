"""Marks are read as they were given, and whatever cannot be meant is refused with file and line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from engine.errors import UserError
from eval.judging.pool import Pool, Result
from eval.judging.sheet import COLUMNS, pool_of, read_marks, write_sheet
from tests.support.pools import small_pool, write_marks

POOL = small_pool()
PAIRS = list(POOL.by_pair)


def test_the_table_has_every_result_and_no_formula(tmp_path: Path) -> None:
    write_sheet(tmp_path / "judge.csv", POOL)
    assert (tmp_path / "judge.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "Excel knows UTF-8 by it"
    with (tmp_path / "judge.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["query_id"], row["passage_id"]) for row in rows] == PAIRS
    assert {row["grade"] for row in rows} == {""}
    texts = {row["passage_id"]: row["text"] for row in rows}
    assert texts["cheese"].startswith("'=SUM"), "passages are anybody's"
    assert texts["milk"] == POOL.by_pair["q2", "milk"].text, "line breaks are kept"


def test_ids_are_shown_as_no_formula_and_read_back(tmp_path: Path) -> None:
    names = ["=1+1", "'=1+1", "-x", "@you", "plain"]
    results = [Result("+q", name, name, "", "text") for name in names]
    pool = Pool({"+q": "a query"}, results, depth=5)
    given = {result.pair: number % 3 for number, result in enumerate(results)}
    file = tmp_path / "marks.csv"
    write_sheet(file, pool)
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    cells = [cell for line in lines[1:] for cell in next(csv.reader([line]))]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    marked = [f"{line}{grade}" for line, grade in zip(lines[1:], given.values(), strict=True)]
    file.write_text("\n".join([lines[0], *marked]), encoding="utf-8")
    assert read_marks(file, pool) == given


def test_marks_of_a_part_are_read(tmp_path: Path) -> None:
    given = {PAIRS[0]: 2, PAIRS[-1]: 0}
    file = write_marks(tmp_path / "marks.csv", POOL, given)
    assert pool_of(file) == POOL.name
    assert read_marks(file, POOL) == given


def test_columns_may_be_parted_otherwise_and_stand_in_any_order(tmp_path: Path) -> None:
    file = tmp_path / "marks.csv"
    query_id, passage_id = PAIRS[0]
    for mark in ";\t":
        lines = [["grade", "passage_id", "query_id", "pool"], ["1", passage_id, query_id, POOL.name]]
        file.write_text("".join(mark.join(line) + "\n" for line in lines))
        assert read_marks(file, POOL) == {PAIRS[0]: 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{pool},q1,bread#2,3", ":2: '3' is no mark; write 0 "),
        ("{pool},q1,bread#2,1.5", ":2: '1.5' is no mark"),
        ("{pool},q9,bread#2,1", ":2: the pool has no query 'q9'"),
        ("{pool},q3,nothing,1", ":2: query 'q3' has no result 'nothing'"),
        ("{pool},q3,salt,", ": holds no marks"),
        ("{pool},q3,salt,1\n{pool},q3,salt,2", ":3: query 'q3' and passage 'salt' have two marks, 1 and 2"),
        ("{pool},q3,salt", ":2: 3 fields where the first line has 4"),
        ('{pool},q3,"salt,1', ":2: malformed CSV"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, line: str, said: str) -> None:
    assert ("q1", "bread#2") in POOL.by_pair
    file = tmp_path / "marks.csv"
    file.write_text("pool,query_id,passage_id,grade\n" + line.format(pool=POOL.name) + "\n")
    with pytest.raises(UserError) as error:
        read_marks(file, POOL)
    assert f"{file}{said}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("query,grade\nsalt,1\n", ":1: has no column 'pool' in its first line"),
        ("", ":1: has no column 'pool'"),
        ("pool,query_id,passage_id,grade\n", ": holds no results"),
        ("pool,query_id,passage_id,grade\na,q,p,1\n\nb,q,p,1\n", ":4: holds lines of several pools (a, b)"),
    ],
)
def test_a_table_that_names_no_one_pool_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "marks.csv"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        pool_of(file)
    assert f"{file}{said}" in str(error.value)
