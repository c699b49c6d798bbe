"""Which queries a log holds: distinct, cleaned, of any form; what is no log is refused with its place."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.queries.log import draw_from_log, find_log, read_log

LOG = ["where is the key", "Where is the KEY?", '  "lost   luggage" ', "??", "", "where is the key", "東京の人口"]
DISTINCT = {"Where is the KEY?", "lost luggage", "東京の人口"}


def without_quotes(line: str) -> str:
    """The line as a table has it that quotes nothing."""
    return line.replace(chr(34), "").strip()


def write_log(folder: Path, name: str) -> Path:
    """The same log in one of the forms."""
    file = folder / name
    if name.endswith(".jsonl"):
        file.write_text("".join(json.dumps({"id": 1, "query": line}) + "\n" for line in LOG), encoding="utf-8")
    elif name.endswith(".parquet"):
        pq.write_table(pa.table({"count": range(len(LOG) + 1), "query": [*LOG, None]}), file)
    elif name == "excel.csv":
        file.write_text(
            "Query;Date\n" + "".join(f"{plain};2024-01-02\n" for plain in map(without_quotes, LOG)), encoding="utf-8"
        )
    elif name.endswith(".csv"):
        quoted = [line.replace('"', '""') for line in LOG]
        file.write_text("time,Text\n" + "".join(f'1,"{line}"\n' for line in quoted), encoding="utf-8")
    elif name == "counts.txt":
        file.write_text("".join(f"{number}\t{line}\t2024-01-02\n" for number, line in enumerate(LOG)), encoding="utf-8")
    elif name.endswith(".gz"):
        file.write_bytes(gzip.compress("\n".join(LOG).encode()))
    else:
        file.write_text("\n".join(LOG), encoding="utf-8")
    return file


FORMS = ["log.txt", "log", "log.jsonl", "log.csv", "log.txt.gz", "log.parquet", "excel.csv", "counts.txt"]


@pytest.mark.parametrize("name", FORMS)
def test_queries_of_a_log_are_cleaned_and_distinct_whatever_its_form(tmp_path: Path, name: str) -> None:
    drawn = draw_from_log(write_log(tmp_path, name), 10, seed=0)
    assert set(drawn.values()) == DISTINCT
    assert drawn == draw_from_log(write_log(tmp_path, "again.txt"), 10, seed=0), "ids come from the words"


def test_the_draw_depends_on_words_and_seed_alone(tmp_path: Path) -> None:
    lines = [f"query number {number}" for number in range(3000)]
    (tmp_path / "log.txt").write_text("\n".join(lines))
    (tmp_path / "turned.txt").write_text("\n".join(lines[::-1] + lines[:100]))
    drawn = draw_from_log(tmp_path / "log.txt", 20, seed=0)
    assert len(drawn) == 20
    assert drawn == draw_from_log(tmp_path / "turned.txt", 20, seed=0)
    assert list(drawn.items()) == list(draw_from_log(tmp_path / "log.txt", 50, seed=0).items())[:20]
    assert set(drawn.values()) != set(draw_from_log(tmp_path / "log.txt", 20, seed=1).values())


def test_half_of_a_character_is_a_space_as_in_documents(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"query": "lost key \\ud83d"}\n{"query": "a\\udc00b"}\n{"query": "\\ud83d"}\n')
    drawn = draw_from_log(tmp_path / "log.jsonl", 10, seed=0)
    assert set(drawn.values()) == {"lost key", "a b"}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (LOG, ["6 queries, of which 2 repeat the words of others and 1 has no word"]),
        (["a key", "A key?", "salt"], ["3 queries, of which 1 repeats the words of another"]),
        (["a key", "salt", ""], []),
        ([f"query {number // 2}" for number in range(3000)], ["3,000 queries, of which 5 different ones are drawn"]),
    ],
)
def test_it_is_told_what_counts_for_none(tmp_path: Path, lines: list[str], told: list[str]) -> None:
    (tmp_path / "log.txt").write_text("\n".join(lines), encoding="utf-8")
    said: list[str] = []
    draw_from_log(tmp_path / "log.txt", 5, seed=0, tell=said.append)
    assert said == told


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log.txt", " \n?!\n", "queries.path=.*log.txt: holds no query"),
        (
            "log.csv",
            "when,what\n1,salt\n",
            r"log.csv:1: has no column for the query \(known are 'query', 'text', .*\), only when, what",
        ),
        ("log.tsv", 'query\ttime\n"salt\t1\n', "log.tsv:2: malformed CSV"),
        ("log.csv", "time,query\nsalt\n", "log.csv:2: 1 fields where the header has 2"),
        ("log.csv", "query\nhow to salt, and when\n", "log.csv:2: 2 fields where the header has 1"),
        ("log.jsonl", '{"query": "a"}\n{"ask": "b"}\n', "log.jsonl:2: has no column"),
        ("log.txt", "salt\n\0\1", "log.txt:2: is no text: it holds a zero byte"),
        ("log.json", '[\n{"query": "a"}\n]\n', "log.json:1: is JSON, and its ending is not .jsonl"),
        ("log.txt", '{"query": "a"}\n', "log.txt:1: is JSON"),
        ("log.jsonl", '{"query": 3}\n', "log.jsonl:1: the query is no text but 3"),
    ],
)
def test_what_is_no_log_is_refused_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        draw_from_log(tmp_path / name, 5, seed=0)
    assert re.search(said, str(error.value)), str(error.value)
    assert str(error.value).startswith("queries.path="), "the key is named, wherever the mistake is"


def test_a_log_that_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match="is not UTF-8") as error:
        list(read_log(tmp_path / "log.txt"))
    assert error.value.where == f"queries.path={tmp_path}/log.txt: byte 0"
    assert "name a text file with one query per line" in error.value.remedy
    assert "iconv" in error.value.remedy, "it may be text all the same"
    assert find_log(str(tmp_path / "log.txt")) == tmp_path / "log.txt"
    for name, what in (("gone.txt", "does not exist"), ("", "is no file")):
        with pytest.raises(UserError, match=what) as caught:
            find_log(str(tmp_path / name))
        assert caught.value.where == f"queries.path={tmp_path / name}"
