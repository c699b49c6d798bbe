"""Reads JSON files that are one value: SQuAD's, and arrays of objects as those of KLUE.

In: a file. Out: records with their places. A file is parsed at once, so it has to fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import UserError
from engine.storage.lines import read_json

QUESTION, CONTEXT, TITLE, UNANSWERABLE = "question", "context", "title", "is_impossible"
"""The names that SQuAD has for a question, its paragraph, the article of that, and a question that it cannot answer."""

_FORMS = 'an array of objects, {"data": [...]} with one, or SQuAD: {"data": [{"title", "paragraphs": [...]}]}'


def read_json_records(file: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Gives the objects of an array, or a record for each question of a file of SQuAD's form (Rajpurkar et al. 2016).

    Raises:
        UserError: malformed JSON with file and line, or JSON of another form.
    """
    content = read_json(file, "repair the file; objects one per line end in .jsonl")
    entries = content.get("data") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("has a form that is not known", where=str(file), remedy=f"known are {_FORMS}")
    if any("paragraphs" in entry for entry in entries):
        yield from _questions(entries, file)
        return
    for number, entry in enumerate(entries, 1):
        yield f"{file}: object {number}", entry


def _questions(articles: Sequence[Mapping[str, object]], file: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    number = 0
    for index, article in enumerate(articles, 1):
        title = str(article.get("title") or f"article {index} of {file.name}")
        for paragraph in _list(article, "paragraphs", f"{file}: article {index}"):
            for question in _list(paragraph, "qas", f"{file}: article {index}"):
                number += 1
                yield (
                    f"{file}: question {number}",
                    {
                        QUESTION: question.get("question"),
                        CONTEXT: paragraph.get("context"),
                        TITLE: title,
                        UNANSWERABLE: question.get(UNANSWERABLE) is True,
                    },
                )


def _list(holder: Mapping[str, object], name: str, where: str) -> list[Mapping[str, object]]:
    values = holder.get(name)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UserError(f"has no list of objects {name!r}", where=where, remedy=f"write {_FORMS}")
    return values
