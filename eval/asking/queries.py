"""The queries that a model is asked about.

In: the folders of a run, and which queries its report measures on. Out: their texts, each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.pairs import one_line
from engine.artifacts.prompts import PromptsFolder
from eval.asking.config import AskedQueries
from eval.retrieval.benchmark import load_benchmark
from eval.synthetic import held_out_queries


def read_queries(config: AskedQueries, inputs: Mapping[str, Path]) -> list[str]:
    """Reads the queries that the report measures such systems on, white space folded, each text once.

    These are the judged queries; where there are none about these documents, those of held-out documents.

    Args:
        config: which queries.
        inputs: the finished folders `documents`, `prompts` (whose demonstrations are left out) and `examples`.
    """
    shown = {each.query_id for each in PromptsFolder(inputs["prompts"]).pool() if each.query_id}
    benchmark = load_benchmark(config.benchmark, config.split, exclude=shown, key=config.key)
    there = DocumentsFolder(inputs["documents"]).passages(["document_id"])["document_id"].unique().to_pylist()
    if benchmark is None or benchmark.relevant_documents().isdisjoint(there):
        benchmark = held_out_queries(inputs["examples"], config.held_out)
    texts = benchmark.queries.values()
    return [text for text in dict.fromkeys(map(one_line, texts)) if text]
