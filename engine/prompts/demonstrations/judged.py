"""Takes judged queries of a collection as demonstrations, each with the best of its relevant documents.

In: a collection, and texts of documents. Out: demonstrations, drawn by a hash of the seed, so that more of them begin
with fewer. What is shown is not measured: where none is left to measure with, that is said before a run begins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from engine.artifacts.collection import has_benchmark, read_queries
from engine.artifacts.judgements import list_splits, qrels_file, read_qrels
from engine.errors import UserError
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.storage.digests import digest
from engine.task.render import Demonstration


class Titled(NamedTuple):
    """A document as demonstrations show it."""

    title: str
    text: str
    """The text behind the title, or the text alone where it begins with the title."""


def judged_demonstrations(config: DemonstrationsConfig, documents: Mapping[str, Titled]) -> list[Demonstration]:
    """Returns `demonstrations.from_qrels` judged queries, each with the best document that it has.

    Args:
        config: how many, of which collection.
        documents: document id -> title and text.

    Raises:
        UserError: there is no collection with judgements, or too few queries have a relevant document.
    """
    folder = _folder(config)
    queries = read_queries(folder)
    best = _best_documents(folder, queries, documents)
    return [
        Demonstration(document.text, queries[query_id], query_id=query_id, title=document.title)
        for query_id in _drawn(best, config)
        for document in [documents[best[query_id]]]
    ]


def look_at_judged(config: DemonstrationsConfig, split: str) -> str:
    """Looks at judged queries before a run begins: whether there are enough, and whether any is left to measure with.

    Args:
        config: how many are shown, of which collection; its documents are taken to be those that are judged.
        split: the judgements that the run measures with.

    Returns:
        What to tell where all of them are shown; empty where some are left, or the collection has no such split.

    Raises:
        UserError: there is no collection with judgements, or too few queries have a relevant document.
    """
    folder = _folder(config)
    shown = _drawn(_best_documents(folder, read_queries(folder), None), config)
    if split not in list_splits(folder):
        return ""
    measured = {query_id for query_id, grades in read_qrels(folder, split).items() if max(grades.values()) > 0}
    if not measured or not measured.issubset(shown):
        return ""
    many = f"all {len(measured)} judged queries" if len(measured) > 1 else "the only judged query"
    of_split = f"{many} of {qrels_file(folder, split)}"
    before = max(map(shown.index, measured))  # so many are shown before the last of them
    remedy = f"set it to {before} or fewer" if before else "set it to 0"
    return f"demonstrations.from_qrels={config.from_qrels} shows {of_split}, and none is left to measure with; {remedy}"


def _folder(config: DemonstrationsConfig) -> Path:
    folder = Path(config.collection).expanduser()
    if not config.collection or not has_benchmark(folder):
        raise UserError(
            f"{config.from_qrels} judged queries wanted, but there is no collection with queries and judgements",
            where="demonstrations.from_qrels",
            remedy="set collection to a folder with queries.jsonl and qrels/test.tsv (both may be .gz), or set "
            "demonstrations.from_qrels=0",
        )
    return folder


def _drawn(best: Collection[str], config: DemonstrationsConfig) -> list[str]:
    """Draws as many queries as are shown.

    Raises:
        UserError: there are fewer.
    """
    if len(best) < config.from_qrels:
        raise UserError(
            f"only {len(best)} judged queries have a relevant document",
            where=f"demonstrations.from_qrels={config.from_qrels}",
            remedy=f"set it to {len(best)} or fewer; queries that are shown are not measured",
        )
    return sorted(best, key=lambda query_id: digest([config.seed, query_id]))[: config.from_qrels]


def _best_documents(folder: Path, queries: Collection[str], documents: Collection[str] | None) -> dict[str, str]:
    """Maps each query that has a relevant document, in any split of the collection, to the best of them.

    Args:
        folder: the collection.
        queries: ids of all queries.
        documents: ids of the documents that there are; None: of all that are judged.
    """
    judgements: dict[str, dict[str, int]] = {}
    for split in list_splits(folder):
        judgements |= read_qrels(folder, split)
    best = {query_id: _best_document(grades, documents) for query_id, grades in judgements.items()}
    return {query_id: document_id for query_id, document_id in best.items() if document_id and query_id in queries}


def _best_document(judged: Mapping[str, int], documents: Collection[str] | None) -> str:
    """Finds the best judged document that exists, with the lowest id among equals; "" where none is relevant."""
    relevant = [
        (-grade, document)
        for document, grade in judged.items()
        if grade > 0 and (documents is None or document in documents)
    ]
    return min(relevant)[1] if relevant else ""
