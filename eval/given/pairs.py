"""Held-out pairs as a benchmark: a query has to find its own passage among all passages of held-out documents.

In: an examples folder of the form `pairs` or `triplets`. Out: queries with the passages that answer them, and the
passages that are searched. Equal queries are one, and equal passages, so that no other answer counts as wrong. What
answers nothing, such as the negatives of triplets, is searched with the rest. Queries of one document are not
independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.artifacts.documents import equality_text
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import NEGATIVE, PASSAGE, QUERY, Form
from engine.text.hashes import query_key, text_hash
from eval.given.rows import HELD_OUT_SPLIT, draw_examples
from eval.report import HELD_OUT
from eval.retrieval.benchmark import Benchmark, make_benchmark
from eval.retrieval.corpus import Corpus

MOST_PASSAGES = 50_000
"""The most passages that are searched; there are as many vectors in memory."""


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """What is searched, and for what.

    Attributes:
        benchmark: the queries; `left_out` says how many others there are, of which no row was drawn.
        corpus: the passages, each a document of its own.
        documents: query id -> document that the query is about.
        all_passages: the number of passages that there were.
    """

    benchmark: Benchmark
    corpus: Corpus
    documents: dict[str, str]
    all_passages: int


def read_pairs(folder: ExamplesFolder, limit: int, split: str = HELD_OUT_SPLIT) -> HeldOutPairs:
    """Reads the pairs of held-out documents, or those of the other side.

    Args:
        folder: the finished folder.
        limit: most pairs to take queries from; 0 takes all.
        split: the side, one of the splits of an examples folder.
    """
    table, _ = draw_examples(folder, [QUERY, PASSAGE], split, limit)
    query_ids: dict[str, str] = {}
    queries: dict[str, str] = {}
    texts: dict[str, str] = {}
    documents: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for row in table.to_pylist():
        query_id = query_ids.setdefault(query_key(row[QUERY]), f"sample-{row['sample_id']}")
        queries.setdefault(query_id, " ".join(row[QUERY].split()))
        passage = passage_id(row[PASSAGE])
        texts[passage] = row[PASSAGE]
        documents.setdefault(query_id, row["document_id"])
        qrels.setdefault(query_id, {})[passage] = 1
    every = set(texts)
    not_drawn: set[int] = set()
    for query, text in _passages(folder, split):
        name, same = passage_id(text), query_key(query)
        every.add(name)
        drawn = query_ids.get(same)
        if same and not drawn:
            not_drawn.add(text_hash(same))
        if drawn:  # a row that was not drawn may hold another answer of a query that was
            qrels[drawn][name] = 1
        if drawn or len(texts) < MOST_PASSAGES:
            texts[name] = text
    name = HELD_OUT if split == HELD_OUT_SPLIT else split
    benchmark = make_benchmark(name, queries, qrels)
    left_out = {"max_held_out": len(not_drawn)} if not_drawn else {}
    names = list(texts)
    corpus = Corpus(names, names, [""] * len(names), list(texts.values()))
    return HeldOutPairs(replace(benchmark, left_out=left_out), corpus, documents, len(every))


def passage_id(text: str) -> str:
    """Returns the name of a passage by its text, whatever its white space: 16 hex digits."""
    return f"{text_hash(equality_text('', text)):016x}"


def _passages(folder: ExamplesFolder, split: str) -> Iterator[tuple[str, str]]:
    """Gives the passages of one side in the order of their rows, repeated ones again.

    Yields:
        The query that the passage answers, and the passage; the query of a negative is empty.
    """
    columns = [QUERY, PASSAGE, *([NEGATIVE] if folder.form() is Form.triplets else [])]
    for batch in folder.kept_batches(columns, split):
        yield from zip(batch[QUERY].to_pylist(), batch[PASSAGE].to_pylist(), strict=True)
        for column in columns[2:]:
            yield from (("", text) for text in batch[column].to_pylist())
