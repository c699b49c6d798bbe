"""What several models are measured on: questions and graded pairs, held out and trained on.

In: an examples folder. Out: queries with the passages that answer them, and one collection of passages that all of them
are searched in, those of both sides together: what is measured on training questions is then as hard as on held-out
ones, and the two can stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import PASSAGE, QUERY, SCORE
from eval.given.pairs import read_pairs
from eval.given.rows import HELD_OUT_SPLIT, TRAIN_SPLIT, draw_examples
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import Floats
from eval.similarity.figures import shared_text_clusters

SPLITS = (HELD_OUT_SPLIT, TRAIN_SPLIT)
"""Both sides, the held-out one first."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Queries, and what they are searched in.

    Attributes:
        corpus: the passages of both sides, each a document of its own.
        benchmarks: the queries of each split that has any.
        documents: query id -> document that the query is about, by split.
    """

    corpus: Corpus
    benchmarks: Mapping[str, Benchmark]
    documents: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, eq=False)
class GradedPairs:
    """Graded pairs of one split, n of them.

    Attributes:
        ids: the numbers of their rows.
        firsts: the first texts.
        seconds: the second texts.
        grades: how much each pair means the same, (n,).
        clusters: the group of each pair; see `shared_text_clusters`.
    """

    ids: list[int]
    firsts: list[str]
    seconds: list[str]
    grades: Floats
    clusters: list[str]


def read_questions(folder: ExamplesFolder, limit: int) -> Questions:
    """Reads the queries of both sides and the passages of all.

    Args:
        folder: examples that are pairs or triplets.
        limit: most held-out rows that queries are taken from, 0: all; as many are taken of the other side.
    """
    held_out = read_pairs(folder, limit, HELD_OUT_SPLIT)
    trained = read_pairs(folder, len(held_out.documents) or limit, TRAIN_SPLIT)
    sides = dict(zip(SPLITS, (held_out, trained), strict=True))
    texts = {
        name: text
        for side in sides.values()
        for name, text in zip(side.corpus.passage_ids, side.corpus.texts, strict=True)
    }
    corpus = Corpus(list(texts), list(texts), [""] * len(texts), list(texts.values()))
    asked = {split: side for split, side in sides.items() if side.benchmark.queries}
    return Questions(
        corpus,
        {split: side.benchmark for split, side in asked.items()},
        {split: side.documents for split, side in asked.items()},
    )


def read_graded(folder: ExamplesFolder, limit: int) -> dict[str, GradedPairs]:
    """Reads the graded pairs of each split that has any; see `read_questions`."""
    sides: dict[str, GradedPairs] = {}
    for split in SPLITS:
        most = len(sides[HELD_OUT_SPLIT].ids) if HELD_OUT_SPLIT in sides else limit
        table, _ = draw_examples(folder, [QUERY, PASSAGE, SCORE], split, most)
        if len(table):
            firsts, seconds = table[QUERY].to_pylist(), table[PASSAGE].to_pylist()
            grades = table[SCORE].to_numpy().astype(np.float64)
            clusters = shared_text_clusters(firsts, seconds)
            sides[split] = GradedPairs(table["sample_id"].to_pylist(), firsts, seconds, grades, clusters)
    return sides
