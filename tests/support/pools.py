"""A small pool, made by three rankers without a model, and tables of it as people mark them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from eval.judging.pool import Pool, make_pool
from eval.judging.sheet import write_sheet
from eval.retrieval.corpus import Corpus
from tests.support.small_run import small_systems

TEXTS = {
    "bread": "Bread keeps in a cloth. </script><script>alert(1)</script> & \u2028 more",
    "cheese": "=SUM(A1) cheese keeps in paper, and bread beside it",
    "milk": "Milk keeps in the cold,\nfor three days",
    "salt": "Salt keeps for ever",
}
QUERIES = {"q1": "how long bread keeps", "q2": "milk <b>cold</b>", "q3": "salt"}


def small_corpus() -> Corpus:
    """Four documents; the first has two passages."""
    names = ["bread#1", "bread#2", *list(TEXTS)[1:]]
    documents = [name.partition("#")[0] for name in names]
    return Corpus(names, documents, [name.capitalize() for name in documents], [TEXTS[name] for name in documents])


def small_pool(depth: int = 2, seed: int = 0) -> Pool:
    """Three queries, and what three rankers find for them."""
    corpus = small_corpus()
    return make_pool(small_systems(corpus), corpus, QUERIES, depth, seed)


def write_marks(file: Path, pool: Pool, marks: Mapping[tuple[str, str], object]) -> Path:
    """The table of a pool with some grades filled in."""
    write_sheet(file, pool)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(row | {"grade": marks.get((row["query_id"], row["passage_id"]), "")} for row in rows)
    return file
