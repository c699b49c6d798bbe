"""Refuses documents that give no passage at all: before a run begins where that is soon seen, else when all are read.

In: how many documents were read, and why they gave nothing. Out: a UserError that names the key, or nothing. It is said
in one place, so that a person reads the same words early and late.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.documents.chunking import TOO_SHORT
from engine.documents.config import DocumentsConfig
from engine.documents.readers.source import TABLES, Reader, Source
from engine.errors import UserError


def refuse_nothing(documents: int, passages: int, failed: Mapping[str, int], config: DocumentsConfig) -> None:
    """Refuses a collection without documents, or whose documents give no passage.

    Args:
        documents: the number of documents that it has.
        passages: the number of passages that they give.
        failed: the number of documents that give none, by reason.
        config: names the collection.

    Raises:
        UserError: there is no document, or no passage.
    """
    source = config.source()
    where = f"{config.key('path')}={config.path}" if config.path else f"documents.reader={config.reader.value}"
    if documents == 0:
        files = str(source.files[0]) if len(source.files) == 1 else f"{len(source.files)} files"
        remedy = f"name a file or folder with at least one document ({files} was read)"
        raise UserError("holds no documents", where=where, remedy=remedy)
    if passages == 0:
        many = f"none of {documents:,} documents gives a passage"
        what = many if documents > 1 else "its only document gives no passage"
        raise UserError(f"{what}: {list_reasons(failed)}", where=where, remedy=_remedy(failed, config, source))


def list_reasons(failed: Mapping[str, int]) -> str:
    """Lists reasons with their numbers, as in `3 empty, 12 too short`."""
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(failed.items()))


def _remedy(failed: Mapping[str, int], config: DocumentsConfig, source: Source) -> str:
    """Says what to do about documents none of which gives a passage: only rows have fields."""
    has_fields = source.reader in {Reader.beir, *TABLES}
    text = "set documents.text_field to the field with the text" if has_fields else "name files with text in them"
    lower = f"lower documents.min_tokens={config.min_tokens}, or " if TOO_SHORT in failed else ""
    return f"{lower}{text}"
