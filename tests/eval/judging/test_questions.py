"""Which queries people judge: distinct ones of a log, or synthetic ones that are spread over documents."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from engine.errors import UserError
from eval.judging.questions import draw_from_held_out, draw_from_log, read_log
from eval.retrieval.benchmark import Benchmark

LOG = ["where is the key", "Where is the KEY?", '  "lost   luggage" ', "??", "", "where is the key", "東京の人口"]
DISTINCT = {"Where is the KEY?", "lost luggage", "東京の人口"}


def write_log(folder: Path, name: str) -> Path:
    """The same log in one of the forms."""
    file = folder / name
    if name.endswith(".jsonl"):
        file.write_text("".join(json.dumps({"id": 1, "query": line}) + "\n" for line in LOG), encoding="utf-8")
    elif name.endswith(".csv"):
        quoted = [line.replace('"', '""') for line in LOG]
        file.write_text("time,Text\n" + "".join(f'1,"{line}"\n' for line in quoted), encoding="utf-8")
    elif name.endswith(".gz"):
        file.write_bytes(gzip.compress("\n".join(LOG).encode()))
    else:
        file.write_text("\n".join(LOG), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["log.txt", "log", "log.jsonl", "log.csv", "log.txt.gz"])
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


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log.txt", " \n?!\n", "queries.path=.*log.txt: holds no query"),
        ("log.csv", "when,what\n1,salt\n", "log.csv:1: has no column 'query' or 'text', only when, what"),
        ("log.tsv", 'query\ttime\n"salt\t1\n', "log.tsv:2: malformed CSV"),
        ("log.csv", "time,query\nsalt\n", "log.csv:2: 1 fields are too few"),
        ("log.jsonl", '{"query": "a"}\n{"question": "b"}\n', "log.jsonl:2: has no column"),
        ("log.jsonl", '{"query": 3}\n', "log.jsonl:1: the query is no text but 3"),
    ],
)
def test_what_is_no_log_is_refused_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        draw_from_log(tmp_path / name, 5, seed=0)
    assert re.search(said, str(error.value)), str(error.value)


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        list(read_log(tmp_path / "log.txt"))


def test_no_document_has_two_queries_before_each_has_one() -> None:
    queries = {f"sample-{number}": f"query {number}" for number in range(12)}
    sources = {name: "large" if number < 9 else f"small {number}" for number, name in enumerate(queries)}
    held_out = Benchmark("held_out", queries, {}, sources=sources)
    first = draw_from_held_out(held_out, 4, seed=0)
    assert {sources[name] for name in first} == {"large", "small 9", "small 10", "small 11"}
    assert len(draw_from_held_out(held_out, 100, seed=0)) == 12
    assert first != draw_from_held_out(held_out, 4, seed=1)
    assert all(first[name] == queries[name] for name in first)


def test_a_query_that_was_written_twice_is_judged_once() -> None:
    held_out = Benchmark("held_out", {"s1": "salt", "s2": "salt"}, {}, sources={"s1": "a", "s2": "b"})
    assert draw_from_held_out(held_out, 5, seed=0) == {"s1": "salt"}
