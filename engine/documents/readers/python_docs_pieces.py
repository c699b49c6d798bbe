"""Cuts the texts of Python's documentation into passages: at headings and paragraphs, and between the rows of tables.

In: a text as it stands in a docstring or a topic. Out: the text itself, or numbered passages of `PASSAGE_WORDS`. It
imports the standard library and `SourceDocument` only, as `python_docs` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.documents.readers.document import SourceDocument

PASSAGE_WORDS = (100, 220)
"""The fewest and the most words of a piece of a text that is split."""

HEADED = re.compile(r"(.*)\n([*=\-~])\2+(?=\n|$)")
"""A heading with the line of punctuation under it."""
TABLE_RULE = re.compile(r"^ *[+|][-=+|]+$", re.MULTILINE)
TABLE_ROW = re.compile(r"^( *)\| *(.*?) *\|$", re.MULTILINE)


def without_tables(text: str) -> str:
    """Writes drawn tables as one paragraph per row, so that a long table can be split between rows."""
    bare = TABLE_RULE.sub("", text)
    return TABLE_ROW.sub(lambda row: row[1] + re.sub(" {2,}", " ", row[2]), bare)


def without_rule(text: str) -> str:
    """Returns the text without the line of punctuation under its headings."""
    return HEADED.sub(r"\1", text)


def split(name: str, text: str, above: int) -> Iterator[SourceDocument]:
    """Gives a text as one document, or as numbered ones where it has more than `above` words."""
    pieces = [text.strip()] if num_words(text) <= above else passages(text)
    for number, piece in enumerate(pieces, start=1):
        document_id = name if len(pieces) == 1 else f"{name}.{number}"
        yield SourceDocument(id=document_id, title=name, text=piece)


def passages(text: str) -> list[str]:
    """Fills passages with units up to the upper size; past the lower size a heading starts the next."""
    least, most = PASSAGE_WORDS
    pieces: list[str] = []
    for unit in units(text):
        size = num_words(pieces[-1]) if pieces else most
        is_full = size + num_words(unit) > most or (size >= least and HEADED.match(unit) is not None)
        if pieces and (not is_full or size < least // 2):
            pieces[-1] += "\n\n" + unit
        else:
            pieces.append(unit)
    if len(pieces) > 1 and num_words(pieces[-1]) < least // 2:
        pieces[-2:] = ["\n\n".join(pieces[-2:])]
    return pieces


def units(text: str) -> list[str]:
    """Lists paragraphs that stand alone: a heading keeps its first paragraph, a colon its indented block."""
    parts: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        before = parts[-1] if parts else ""
        is_announced = before.endswith(":") and block.startswith(" ")
        is_first = HEADED.fullmatch(before) is not None
        if is_first or (is_announced and num_words(before) + num_words(block) <= PASSAGE_WORDS[1]):
            parts[-1] = f"{before}\n\n{block}"
        else:
            parts.append(block)
    return parts


def normalised(text: str) -> str:
    """Returns a text with one space between its words; texts count as the same when these are the same."""
    return " ".join(text.split())


def num_words(text: str) -> int:
    """Counts words between white space; they decide sizes of passages only, so `engine.text.words` is not needed."""
    return len(text.split())
