"""The benchmark side of a BEIR folder: queries and judgements, read, checked, and held against the documents.

    FOLDER/queries.jsonl          {"_id", "text"} per line; or queries.jsonl.gz
    FOLDER/qrels/SPLIT.tsv        and the other forms of `judgements`

In: a folder. Out: texts by query id and graded judgements, and sentences on what is there and will not be used. (The
form is that of BEIR, Thakur et al. 2021.)
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.judgements import (
    Qrels,
    list_splits,
    plain_id,
    qrels_file,
    read_judgements,
    read_qrels,
    split_files,
    whereabouts,
)
from engine.errors import UserError
from engine.storage.lines import read_lines, read_objects
from engine.text.surrogates import check_whole, without_halves

QUERY_NAMES = ("queries.jsonl", "queries.jsonl.gz")
"""The file of a collection that has its queries; an earlier name is preferred."""


@dataclass(frozen=True)
class Collection:
    """Queries and the judgements of one split.

    Attributes:
        path: the folder.
        split: name of the judgements, as in qrels/SPLIT.tsv.
        queries: text by id, of every query in the folder, judged or not.
        qrels: grades of the split; every query id in it is among `queries`.
    """

    path: Path
    split: str
    queries: dict[str, str]
    qrels: Qrels

    @property
    def judged(self) -> dict[str, str]:
        """The queries that this split judges, in the order of its judgements."""
        return {query: self.queries[query] for query in self.qrels}

    @property
    def judged_documents(self) -> set[str]:
        """Ids of the documents that this split judges, relevant or not."""
        return {document for grades in self.qrels.values() for document in grades}

    def check_documents(self, document_ids: Container[str]) -> None:
        """Refuses judgements of documents that do not exist, as `check_judgements` does.

        Args:
            document_ids: the ids of documents that exist, at least those that are judged.
        """
        check_judgements(self.qrels, self.queries, document_ids, qrels_file(self.path, self.split))


def check_against_documents(folder: Path, split: str, documents: Path | None, limit: int = 0) -> Iterator[str]:
    """Compares a collection's queries and judgements with each other and with the documents of a run.

    Args:
        folder: the collection; one without queries and judgements passes.
        split: which judgements.
        documents: the finished folder of its documents, those that gave no passage included; None where the run reads
            other documents.
        limit: how many documents were read at most; 0 for all of them.

    Yields:
        Sentences on what the report will not measure, and why.

    Raises:
        UserError: a file is missing or malformed, or a judgement names a query or document that does not exist.
    """
    if not has_benchmark(folder):
        yield from _lacks(folder, split)
        return
    if split not in list_splits(folder):
        yield (
            f"{folder} has no judgements for split {split!r}, so none of its queries is measured: "
            f"{whereabouts(folder, split)}; name another one with report.split"
        )
        return
    collection = load_collection(folder, split)
    if unjudged := len(collection.queries) - len(collection.judged):
        others = ", ".join(name for name in list_splits(folder) if name != split)
        elsewhere = f" (other splits: {others})" if others else ""
        yield (
            f"{unjudged:,} of {len(collection.queries):,} queries have no judgements in "
            f"{qrels_file(folder, split).relative_to(folder)}{elsewhere}, so they are not measured"
        )
    if documents is None:
        return
    existing = DocumentsFolder(documents).existing_documents(collection.judged_documents)
    if not limit:
        collection.check_documents(existing)
    elif cut := len(collection.judged_documents - existing):
        yield (
            f"documents.limit={limit} leaves out {cut:,} of {len(collection.judged_documents):,} judged documents; "
            "the report counts them as not found"
        )


def load_collection(folder: Path, split: str) -> Collection:
    """Queries and judgements of a folder, checked against each other.

    Raises:
        UserError: a file is missing or malformed, or a judgement names a query that does not exist.
    """
    collection = Collection(folder, split, read_queries(folder), read_qrels(folder, split))
    check_judgements(collection.qrels, collection.queries, None, qrels_file(folder, split))
    return collection


def has_benchmark(folder: Path) -> bool:
    """Whether a folder has queries and at least one split of judgements."""
    return queries_file(folder) is not None and bool(list_splits(folder))


def queries_file(folder: Path) -> Path | None:
    """The file that a collection has its queries in; None where it has none."""
    return next((folder / name for name in QUERY_NAMES if (folder / name).is_file()), None)


def collection_files(folder: Path) -> list[Path]:
    """The files that the queries and judgements of all splits are read from, in the order of reading."""
    queries = queries_file(folder)
    return [*([queries] if queries else []), *split_files(folder).values()]


def read_queries(folder: Path) -> dict[str, str]:
    """Text by query id, in file order; a space stands for half of a surrogate pair, as in documents.

    Raises:
        UserError: no queries.jsonl, or with file and line: malformed JSON, no id or half a character in it, no text, a
            duplicate id.
    """
    file = queries_file(folder)
    if file is None:
        remedy = 'add it with one {"_id": ..., "text": ...} per line, or name a folder that has it'
        raise UserError("holds no queries.jsonl", where=f"collection={folder}", remedy=remedy)
    queries: dict[str, str] = {}
    for item in read_objects(file):
        where = f"{file}:{item.line}"
        value, text = item.values.get("_id", item.values.get("id")), item.values.get("text")
        if not isinstance(value, str | int | float) or not str(value).strip():
            raise UserError("the query has no _id", where=where, remedy='write {"_id": "1", "text": "..."}')
        name = plain_id(value)
        check_whole(name, f"the _id {name!r}", where)
        text = without_halves(text) if isinstance(text, str) else text
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"query {name!r} has no text", where=where, remedy="give it a text or remove the line")
        if name in queries:
            raise UserError(f"duplicate query id {name!r}", where=where, remedy="give every query its own _id")
        queries[name] = text.strip()
    if not queries:
        raise UserError("holds no queries", where=str(file), remedy='write one {"_id", "text"} object per line')
    return queries


def check_judgements(
    qrels: Mapping[str, Mapping[str, int]],
    query_ids: Container[str],
    document_ids: Container[str] | None,
    where: Path,
) -> None:
    """Refuses judgements that name a query or a document that does not exist.

    Args:
        qrels: as `read_qrels` returns them.
        query_ids: a set or mapping of all queries.
        document_ids: a set or mapping of all documents, those that gave no passage included; None skips them.
        where: the file that `qrels` was read from; it is read again to name the line.

    Raises:
        UserError: the first unknown id, with its file and line.
    """
    for query, grades in qrels.items():
        if query not in query_ids:
            raise _unknown("query", query, where, "add it to queries.jsonl, or remove its judgements")
        for document in grades if document_ids is not None else ():
            if document_ids is not None and document not in document_ids:
                remedy = "add it to the documents (documents.limit=0 reads all), or remove its judgements"
                raise _unknown("document", document, where, remedy)


def _lacks(folder: Path, split: str) -> Iterator[str]:
    """Says what a collection lacks that has one of queries and judgements."""
    file = queries_file(folder)
    if file is not None:
        yield (
            f"{folder} has {sum(bool(line.strip()) for line in read_lines(file)):,} queries and no judgements, "
            f"so they are not measured: {whereabouts(folder, split)}"
        )
    elif files := split_files(folder):
        names = ", ".join(file.relative_to(folder).as_posix() for file in files.values())
        there = ", ".join(sorted(file.name for file in folder.glob("quer*"))) or "no file of that kind"
        yield (
            f"{folder} has judgements ({names}) and no queries, so nothing is measured on them: "
            f"looked for {' and '.join(QUERY_NAMES)}; there is {there}"
        )


def _unknown(kind: str, name: str, file: Path, remedy: str) -> UserError:
    judgements = read_judgements(file)
    lines = (line.line for line in judgements if name == (line.query if kind == "query" else line.document))
    return UserError(f"judges the unknown {kind} {name!r}", where=f"{file}:{next(lines, '?')}", remedy=remedy)
