"""Judgements of a collection: which files hold them, and what is in the files.

    FOLDER/qrels/SPLIT.tsv      query-id, corpus-id, score below a header; or none; or TREC's four columns
    FOLDER/qrels/SPLIT.jsonl    {"query-id", "corpus-id", "score"} per line
    FOLDER/qrels.tsv            the split `test`, where the folder qrels/ has none of that name

Each may be compressed (`.gz`). In: a folder. Out: graded judgements by query and document id, in file order. Whatever
cannot be meant is refused with file and line, since a judgement that is silently left out changes every score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError, suggest
from engine.storage.lines import JsonObject, read_lines, read_objects
from engine.text.surrogates import check_whole

QRELS = "qrels"
"""The name of the folder, or of a single file up to its ending."""
DEFAULT_SPLIT = "test"
"""The split that a file beside the folder holds."""
OBJECT_ENDINGS = (".jsonl", ".jsonl.gz")
"""The endings of files with an object per line."""
ENDINGS = (".tsv", ".tsv.gz", *OBJECT_ENDINGS)
"""What a file of judgements may end in; an earlier one is preferred."""
HEADER = ("query-id", "corpus-id", "score")
"""The columns of a file of judgements."""

_KEYS = (
    ("query-id", "query_id", "qid"),
    ("corpus-id", "corpus_id", "doc-id", "doc_id", "docid", "document_id"),
    ("score", "relevance", "rel", "label", "grade"),
)
"""The names by which a JSON object has query, document and grade; an earlier one is preferred."""

Qrels = dict[str, dict[str, int]]
"""Query id -> document id -> grade; above 0 is relevant."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line of a file of judgements."""

    line: int
    query: str
    document: str
    grade: int


def plain_id(name: object) -> str:
    """An id as documents, queries and judgements all write it: a whole number without the `.0` of a data frame."""
    if isinstance(name, float) and name.is_integer():
        return str(int(name))
    text = str(name)
    return text.partition(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def split_files(folder: Path) -> dict[str, Path]:
    """The file of each split that a collection has judgements of, by the name of the split, sorted."""
    files: dict[str, Path] = {}
    for ending in ENDINGS:
        for file in sorted((folder / QRELS).glob(f"*{ending}")):
            if not file.name.startswith(".") and not file.is_dir():
                files.setdefault(file.name.removesuffix(ending), file)
    for ending in ENDINGS:
        if (folder / f"{QRELS}{ending}").is_file():
            files.setdefault(DEFAULT_SPLIT, folder / f"{QRELS}{ending}")
    return dict(sorted(files.items()))


def list_splits(folder: Path) -> list[str]:
    """Names of the splits, sorted: `dev`, `test`, `train` for qrels/dev.tsv, ..."""
    return list(split_files(folder))


def qrels_file(folder: Path, split: str) -> Path:
    """Where the judgements of a split lie.

    Raises:
        UserError: there is no such split.
    """
    files = split_files(folder)
    if split not in files:
        remedy = suggest(split, files) if files else f"add {folder / QRELS / split}.tsv with {', '.join(HEADER)}"
        what = f"there are no judgements for split {split!r}: {whereabouts(folder, split)}"
        raise UserError(what, where=f"collection={folder}", remedy=remedy)
    return files[split]


def whereabouts(folder: Path, split: str) -> str:
    """Says in half a sentence which files of judgements were looked for, and which files are there."""
    there = [file for file in sorted(folder.glob(f"{QRELS}*")) if not file.is_dir()]
    there += [file for file in sorted((folder / QRELS).glob("*")) if not file.name.startswith(".")]
    names = ", ".join(file.relative_to(folder).as_posix() for file in there) or "no file of that kind"
    single = f", {QRELS}{ENDINGS[0]}" if split == DEFAULT_SPLIT else ""
    looked_for = f"{QRELS}/{split}{ENDINGS[0]}{single} (or {', '.join(ENDINGS[1:])})"
    return f"looked for {looked_for}; there {'is' if len(there) < 2 else 'are'} {names}"


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
    """The lines of a file of judgements, whichever form it has.

    Raises:
        UserError: a line of another form, or a grade that is no integer, with file and line.
    """
    if file.name.endswith(OBJECT_ENDINGS):
        return (_from_object(item, f"{file}:{item.line}") for item in read_objects(file))
    return _from_columns(file)


def _from_columns(file: Path) -> Iterator[Judgement]:
    """Lines of columns, parted by tabs where a line has one, so that ids may hold spaces, else by any white space."""
    for number, line in enumerate(read_lines(file), 1):
        columns = [part.strip() for part in line.split("\t")] if "\t" in line else line.split()
        if not any(columns) or (number == 1 and columns[-1].lower() in _KEYS[2]):
            continue
        if len(columns) not in {3, 4} or not all(columns):
            raise UserError(
                f"{len(columns)} columns in {line.strip()!r}",
                where=f"{file}:{number}",
                remedy=f"write {', '.join(HEADER)} parted by tabs, or TREC's four columns",
            )
        grade = _grade(columns[-1], f"{file}:{number}")
        yield Judgement(number, plain_id(columns[0]), plain_id(columns[-2]), grade)


def _from_object(item: JsonObject, where: str) -> Judgement:
    query, document, grade = (_value(item, keys, where) for keys in _KEYS)
    return Judgement(item.line, plain_id(query), plain_id(document), _grade(str(grade), where))


def _value(item: JsonObject, keys: tuple[str, ...], where: str) -> str | int | float:
    """What an object has by the first of the keys that it has."""
    value = next((item.values[key] for key in keys if key in item.values), None)
    if not isinstance(value, str | int | float) or not str(value).strip():
        remedy = 'write {"query-id": "1", "corpus-id": "d1", "score": 1}'
        raise UserError(f"the judgement has no {keys[0]}", where=where, remedy=remedy)
    check_whole(str(value), f"the {keys[0]} {value!r}", where)
    return value.strip() if isinstance(value, str) else value


def _grade(text: str, where: str) -> int:
    """An integer, also when written as 1.0."""
    number = re.fullmatch(r"([+-]?\d+)(?:\.0*)?", text)
    if number is None:
        remedy = "write an integer: 0 for not relevant, 1 and more for relevant"
        raise UserError(f"the score {text!r} is not an integer", where=where, remedy=remedy)
    return int(number[1])
