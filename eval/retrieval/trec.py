"""Writes and reads files of TREC runs and of TREC judgements, which every evaluation tool reads.

In: a TREC run in memory. Out: lines `qid Q0 docid rank score tag`, sorted by query id, then rank. Scores are written as
the shortest text that reads back as the same float32, so that trec_eval on the file and our metrics on the TREC run in
memory rank alike. An id that holds white space would break the format: such ids, and only such, are percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

import numpy as np

from engine.errors import UserError
from eval.retrieval.metrics import Qrels, TrecRun, ranking

Number = TypeVar("Number", int, float)

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
"""A character as `escape_id` writes it; an id that holds one already has its percent signs encoded."""


def write_run(file: Path, trec_run: TrecRun, tag: str) -> None:
    """Writes one system's TREC run; `tag` names the system."""
    with file.open("w", encoding="utf-8", errors="surrogatepass") as stream:
        for query_id in sorted(trec_run):
            scores = trec_run[query_id]
            for rank, document in enumerate(ranking(scores), start=1):
                score = np.float32(scores[document])
                stream.write(f"{escape_id(query_id)} Q0 {escape_id(document)} {rank} {score!s} {escape_id(tag)}\n")


def read_run(file: Path) -> dict[str, dict[str, float]]:
    """Reads a TREC run.

    Raises:
        UserError: a line has not six fields, or its score is no number.
    """
    trec_run: dict[str, dict[str, float]] = {}
    for where, (query_id, _, document, _, score, _) in _fields(file, 6, "qid Q0 docid rank score tag"):
        trec_run.setdefault(query_id, {})[document] = _number(score, where, float)
    return trec_run


def write_qrels(file: Path, qrels: Qrels) -> None:
    """Writes judgements as trec_eval reads them: `qid 0 docid grade`."""
    with file.open("w", encoding="utf-8", errors="surrogatepass") as stream:
        for query_id, judged in sorted(qrels.items()):
            for document, grade in sorted(judged.items()):
                stream.write(f"{escape_id(query_id)} 0 {escape_id(document)} {grade}\n")


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Reads judgements in trec_eval's form.

    Raises:
        UserError: a line has not four fields, or its grade is no whole number.
    """
    qrels: dict[str, dict[str, int]] = {}
    for where, (query_id, _, document, grade) in _fields(file, 4, "qid 0 docid grade"):
        qrels.setdefault(query_id, {})[document] = _number(grade, where, int)
    return qrels


def escape_id(name: str) -> str:
    """Returns the id without white space; it is unchanged where it had none, and `unescape_id` gives it back.

    >>> escape_id("a b"), escape_id("50%"), escape_id("a%20b")
    ('a%20b', '50%', 'a%2520b')
    """
    assert name, "an empty id cannot stand in a TREC run"
    if name.isprintable() and " " not in name and not _ENCODED.search(name):
        return name
    return "".join(_encode(letter) if letter in "% " or not letter.isprintable() else letter for letter in name)


def unescape_id(name: str) -> str:
    """Returns the id that `escape_id` was given."""
    return unquote(name, errors="surrogatepass") if _ENCODED.search(name) else name


def _encode(letter: str) -> str:
    return quote(letter, safe="", errors="surrogatepass")


def _fields(file: Path, count: int, form: str) -> Iterator[tuple[str, list[str]]]:
    with file.open(encoding="utf-8", errors="surrogatepass") as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.split()
            if len(fields) != count:
                raise UserError(
                    f"{line.strip()[:80]!r} has {len(fields)} fields",
                    where=f"{file}:{number}",
                    remedy=f"write every line as `{form}`",
                )
            yield f"{file}:{number}", [unescape_id(field) for field in fields]


def _number(text: str, where: str, kind: type[Number]) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"{text!r} is no number", where=where, remedy="write a number there") from None
