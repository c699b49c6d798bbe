"""A collection in the form of BEIR as every side of `benchmarks/evaluation.py` reads it, and what it is asked for.

In: a folder. Out: passages and judged queries; seconds, memory and scores in one form.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.retrieval.benchmark import Benchmark
    from eval.retrieval.corpus import Corpus

MAX_TOKENS = 256
"""The tokens that every side reads of a text."""
K = 100
"""The number of documents that every side ranks."""


def read_collection(collection: str) -> tuple[Corpus, Benchmark]:
    """Reads a collection whose passages are its documents.

    Ids of queries are written anew, none as a document's: packages differ in what they do with a document that has the
    id of the query.
    """
    from eval.retrieval.benchmark import load_benchmark
    from eval.retrieval.corpus import Corpus

    with (Path(collection) / "corpus.jsonl").open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    ids = [row["_id"] for row in rows]
    benchmark = load_benchmark(collection, "test")
    assert benchmark, f"{collection} holds no judgements of the split test"
    queries = {f"query-{name}": text for name, text in benchmark.queries.items()}
    qrels = {f"query-{name}": benchmark.qrels[name] for name in benchmark.queries}
    corpus = Corpus(ids, ids, [row.get("title", "") for row in rows], [row["text"] for row in rows])
    return corpus, replace(benchmark, queries=queries, qrels=qrels)


def renamed(corpus: Corpus) -> dict[str, str]:
    """New ids for documents, in the opposite order: ties are broken by the last id, and by the first one there."""
    from engine.search.order import id_ranks

    ranks = id_ranks(corpus.passage_ids).tolist()
    return {name: f"{rank:09d}" for name, rank in zip(corpus.passage_ids, ranks, strict=True)}


def peak_bytes() -> int:
    """The most memory of this process; what `getrusage` says includes its parent's before it began."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def figures_since(started: float, scores: Mapping[str, float]) -> dict[str, Any]:
    """What a side took since the clock began, and its scores."""
    return {"seconds": time.monotonic() - started, "peak_bytes": peak_bytes(), "scores": dict(scores)}
