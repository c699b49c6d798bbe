"""The benchmark side of a BEIR folder: queries and judgements, read and checked.

    FOLDER/queries.jsonl          {"_id", "text"} per line
    FOLDER/qrels/SPLIT.tsv        query-id, corpus-id, score below a header; or none; or TREC's four columns

In: a folder. Out: texts by query id, graded judgements by query and document id, in file order. Whatever cannot
be meant is refused with file and line, since a judgement that is silently left out changes every score. (The
form is that of BEIR, Thakur et al. 2021.)
"""

from __future__ import annotations

import re
from collections.abc import Collection as Container
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError, suggest
from engine.storage.lines import read_lines, read_objects

QUERY_NAMES = ("queries.jsonl", "queries.jsonl.gz")


QRELS_FOLDER = "qrels"


HEADER = ("query-id", "corpus-id", "score")


Qrels = dict[str, dict[str, int]]
"""Query id -> document id -> grade; above 0 is relevant."""


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

    def check_documents(self, document_ids: Container[str]) -> None:
        """Holds the judgements against the documents; see `check_judgements`."""
        check_judgements(self.qrels, self.queries, document_ids, qrels_file(self.path, self.split))


def check_against_documents(folder: Path, split: str, documents: Path) -> None:
    """Refuses judgements of a collection that name documents which a finished documents folder does not know.

    Args:
        folder: the collection; one without queries or judgements passes.
        split: which judgements.
        documents: its documents; those that gave no passage count as known.
    """
    import pyarrow.parquet as pq

    if not has_benchmark(folder):
        return
    known: set[str] = set()
    for name in ("passages.parquet", "failed.parquet"):
        known.update(pq.read_table(documents / name, columns=["document_id"])["document_id"].unique().to_pylist())
    load_collection(folder, split).check_documents(known)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line of a qrels file."""

    line: int
    query: str
    document: str
    grade: int


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
    return _queries_file(folder) is not None and bool(list_splits(folder))


def list_splits(folder: Path) -> list[str]:
    """Names of the splits, sorted: `dev`, `test`, `train` for qrels/dev.tsv, ..."""
    return sorted(file.stem for file in (folder / QRELS_FOLDER).glob("*.tsv"))


def qrels_file(folder: Path, split: str) -> Path:
    """Where the judgements of a split lie.

    Raises:
        UserError: there is no such split.
    """
    file = folder / QRELS_FOLDER / f"{split}.tsv"
    if not file.is_file():
        splits = list_splits(folder)
        remedy = suggest(split, splits) if splits else f"add {file} with the columns {', '.join(HEADER)}"
        raise UserError(f"there are no judgements for split {split!r}", where=f"collection={folder}", remedy=remedy)
    return file


def read_queries(folder: Path) -> dict[str, str]:
    """Text by query id, in file order.

    Raises:
        UserError: no queries.jsonl, or with file and line: malformed JSON, no id, no text, a duplicate id.
    """
    file = _queries_file(folder)
    if file is None:
        remedy = 'add it with one {"_id": ..., "text": ...} per line, or name a folder that has it'
        raise UserError("holds no queries.jsonl", where=f"collection={folder}", remedy=remedy)
    queries: dict[str, str] = {}
    for item in read_objects(file):
        where = f"{file}:{item.line}"
        name, text = item.values.get("_id", item.values.get("id")), item.values.get("text")
        if not isinstance(name, str | int) or not str(name).strip():
            raise UserError("the query has no _id", where=where, remedy='write {"_id": "1", "text": "..."}')
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"query {str(name)!r} has no text", where=where, remedy="give it a text or remove the line")
        if str(name) in queries:
            raise UserError(f"duplicate query id {str(name)!r}", where=where, remedy="give every query its own _id")
        queries[str(name)] = text.strip()
    if not queries:
        raise UserError("holds no queries", where=str(file), remedy='write one {"_id", "text"} object per line')
    return queries


def read_qrels(folder: Path, split: str) -> Qrels:
    """Grades by query and document id, in file order.

    Raises:
        UserError: no such split, a malformed line, or two grades for one pair, with file and line.
    """
    file = qrels_file(folder, split)
    qrels: Qrels = {}
    for judgement in read_judgements(file):
        grades = qrels.setdefault(judgement.query, {})
        if grades.setdefault(judgement.document, judgement.grade) != judgement.grade:
            raise UserError(
                f"query {judgement.query!r} and document {judgement.document!r} have two grades, "
                f"{grades[judgement.document]} and {judgement.grade}",
                where=f"{file}:{judgement.line}",
                remedy="keep one of the two lines",
            )
    if not qrels:
        raise UserError("holds no judgements", where=str(file), remedy=f"write lines of {', '.join(HEADER)}")
    return qrels


def read_judgements(file: Path) -> Iterator[Judgement]:
    """The lines of a qrels file, whichever of the three forms it has.

    Columns are parted by tabs where a line has one, so that ids may hold spaces, else by any white space.

    Raises:
        UserError: a line of another form, or a grade that is no integer, with file and line.
    """
    for number, line in enumerate(read_lines(file), 1):
        columns = [part.strip() for part in line.split("\t")] if "\t" in line else line.split()
        if not any(columns) or (number == 1 and columns[-1].lower() in {"score", "rel", "relevance", "label"}):
            continue
        if len(columns) not in {3, 4} or not all(columns):
            raise UserError(
                f"{len(columns)} columns in {line.strip()!r}",
                where=f"{file}:{number}",
                remedy=f"write {', '.join(HEADER)} parted by tabs, or TREC's four columns",
            )
        yield Judgement(number, columns[0], columns[-2], _grade(columns[-1], f"{file}:{number}"))


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


def _unknown(kind: str, name: str, file: Path, remedy: str) -> UserError:
    lines = (
        found.line for found in read_judgements(file) if name == (found.query if kind == "query" else found.document)
    )
    return UserError(f"judges the unknown {kind} {name!r}", where=f"{file}:{next(lines, '?')}", remedy=remedy)


def _grade(text: str, where: str) -> int:
    """An integer, also when written as 1.0."""
    found = re.fullmatch(r"([+-]?\d+)(?:\.0*)?", text)
    if found is None:
        remedy = "write an integer: 0 for not relevant, 1 and more for relevant"
        raise UserError(f"the score {text!r} is not an integer", where=where, remedy=remedy)
    return int(found[1])


def _queries_file(folder: Path) -> Path | None:
    return next((folder / name for name in QUERY_NAMES if (folder / name).is_file()), None)
