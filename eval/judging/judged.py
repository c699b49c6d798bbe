"""Marks as a collection with judgements: what `collection=` and `report.benchmark=` read.

    FOLDER/queries.jsonl      the queries with a marked result
    FOLDER/qrels/test.tsv     query-id, corpus-id, score: the documents with a marked passage
    FOLDER/qrels/test.jsonl   the same in its place, an object per line, where an id holds a tab or a line break

In: a pool and one grade per marked result. Out: that folder, and how much of the pool it rests on. A document has the
largest grade of its marked passages. What is not marked has no line: it is unjudged, not irrelevant.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.artifacts.judgements import DEFAULT_SPLIT, ENDINGS, HEADER, OBJECT_ENDINGS, QRELS
from engine.storage.files import write_text
from eval.judging.pool import Pool
from eval.judging.sheet import GRADES, Marks

_PARTING = re.compile(r"[\t\r\n]")
"""What parts the columns and the lines of a table of judgements."""


@dataclass(frozen=True)
class MarkedShare:
    """How much of a pool was marked."""

    marked: int
    results: int
    grades: Mapping[int, int]
    """Number of marks, by grade."""
    queries: int
    """Number of queries in the pool."""
    answered: int
    """Queries with a relevant result: those that figures are of."""
    unanswered: int
    """Queries with marks, none of them above 0: figures leave them out."""
    partly: int
    """Answered queries with unmarked results, which metrics take as not relevant."""


def judge_documents(pool: Pool, marks: Marks) -> dict[str, dict[str, int]]:
    """Returns the grade of each document with a marked passage, by query id, in the order of the pool."""
    judged: dict[str, dict[str, int]] = {}
    for result in pool.results:
        if result.pair in marks:
            grades, grade = judged.setdefault(result.query_id, {}), marks[result.pair]
            grades[result.document_id] = max(grade, grades.get(result.document_id, grade))
    return judged


def count_marks(pool: Pool, marks: Marks) -> MarkedShare:
    """Counts what was marked, and the queries that figures can be of."""
    judged = judge_documents(pool, marks)
    answered = [query_id for query_id, grades in judged.items() if any(grades.values())]
    unmarked = {result.query_id for result in pool.results if result.pair not in marks}
    counts = Counter(marks.values())
    return MarkedShare(
        marked=len(marks),
        results=len(pool.results),
        grades={grade: counts[grade] for grade in GRADES},
        queries=len(pool.queries),
        answered=len(answered),
        unanswered=len(judged) - len(answered),
        partly=len(unmarked.intersection(answered)),
    )


def write_judged(folder: Path, pool: Pool, marks: Marks) -> None:
    """Writes the queries and judgements of what was marked, in place of those of an earlier reading."""
    judged = judge_documents(pool, marks)
    qrels = folder / QRELS
    qrels.mkdir(parents=True, exist_ok=True)
    queries = [json.dumps({"_id": name, "text": pool.queries[name]}, ensure_ascii=False) for name in judged]
    write_text(folder / "queries.jsonl", "".join(f"{line}\n" for line in queries))
    rows = [(name, document, grade) for name, grades in judged.items() for document, grade in grades.items()]
    table, objects = (qrels / f"{DEFAULT_SPLIT}{ending}" for ending in (ENDINGS[0], OBJECT_ENDINGS[0]))
    if any(_PARTING.search(name + document) for name, document, _ in rows):
        lines = [json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) for row in rows]
        file, other = objects, table
    else:
        lines = ["\t".join(HEADER), *("\t".join(map(str, row)) for row in rows)]
        file, other = table, objects
    write_text(file, "".join(f"{line}\n" for line in lines))
    other.unlink(missing_ok=True)  # that of an earlier reading, which would be read in place of this one
