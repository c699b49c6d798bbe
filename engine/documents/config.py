"""The settings of the documents step, and which of them change the passages.

In: the values of `documents.*`. Out: a checked config that finds its documents and says what they hold. It loads
no tokenizer, because every run reads the config, also one that has its passages already.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from omegaconf import II

from engine.documents.readers.source import TABLES, Reader, Source, find_source
from engine.documents.windows import MIN_WINDOW_TOKENS
from engine.errors import UserError, check_setting
from engine.models.tokenizer import tokenizer_file
from engine.runtime.identity import fields_of, origins
from engine.storage.digests import content_digest, file_digests, listing_digest


@dataclass(frozen=True)
class DocumentsConfig:
    """Which documents are read, and how they are cut into passages."""

    path: str = ""
    """A BEIR folder, a file, or a folder of files; empty for reader=python."""
    reader: Reader = Reader.auto
    """What the path holds; `auto` finds out."""
    id_field: str = ""
    """The field of a row's id. Empty stands for _id, id, doc_id, ... where there is one, else a hash of the content."""
    title_field: str = ""
    """The field of a row's title. Empty stands for title, headline or heading, where there is one."""
    text_field: str = ""
    """The field of a row's text. Empty stands for text, contents, content, body, ..."""
    keep_fields: list[str] = field(default_factory=list)
    """Further fields of rows, such as [date, source], that passages carry as columns with a type, for filters and
    boosts of a search."""
    max_tokens: int = 512
    """The tokens of the longest passage; a longer document becomes several passages."""
    overlap_tokens: int = 64
    """The tokens that a passage repeats from the passage before it."""
    min_tokens: int = 1
    """A document with fewer tokens, title included, is left out as too short."""
    limit: int = 0
    """Only so many documents are read, the first ones; 0 reads all."""
    tokenizer: str = II("model.base")
    """The model whose tokenizer counts the tokens."""
    origins: Mapping[str, str] = origins()
    """The key that a setting follows, by the name of the setting; see `engine.runtime.identity.origins`."""

    def __post_init__(self) -> None:
        """Refuses sizes that do not fit each other, and blank documents without a number."""
        fits, least = self.max_tokens >= MIN_WINDOW_TOKENS, f"{MIN_WINDOW_TOKENS} or more"
        check_setting(fits, "documents.max_tokens", self.max_tokens, least)
        half = self.max_tokens // 2
        for name in ("overlap_tokens", "min_tokens"):
            value = getattr(self, name)
            up_to_half = f"0 to {half}, half of documents.max_tokens"
            check_setting(0 <= value <= half, f"documents.{name}", value, up_to_half)
        check_setting(self.limit >= 0, "documents.limit", self.limit, "0 for all, or a number of documents")
        is_endless = self.reader is Reader.blank and not self.limit
        check_setting(not is_endless, "documents.limit", self.limit, "the number of blank documents to write from")
        names = self.keep_fields
        are_names = all(name.strip() for name in names) and len(set(names)) == len(names)
        listed = f"[{', '.join(names)}]"
        check_setting(are_names, "documents.keep_fields", listed, "names that differ", fault="is no list of fields")

    def one_blank(self) -> DocumentsConfig:
        """Returns the config of a single blank document, for samples that are about no document."""
        return DocumentsConfig(reader=Reader.blank, limit=1, tokenizer=self.tokenizer, origins=self.origins)

    def key(self, setting: str) -> str:
        """Returns the config key that the user wrote the value of a setting under, for messages."""
        return self.origins.get(setting, f"documents.{setting}")

    def source(self) -> Source:
        """Finds the documents that the config names, without reading them.

        Raises:
            UserError: there are none at `path`, or none that the reader reads.
        """
        return find_source(self.path, self.reader, key=self.key("path"))

    def identity(self) -> dict[str, object]:
        """Returns the fields that change the passages, with path and tokenizer replaced by what they hold.

        Raises:
            UserError: the path or the tokenizer does not exist, or fields are to be kept of what has none; a run asks
                this before it starts anything.
        """
        source = self.source()
        if self.keep_fields and source.reader not in {Reader.beir, *TABLES}:
            what = f"documents.reader={source.reader.value} reads documents without fields"
            where = f"documents.keep_fields=[{', '.join(self.keep_fields)}]"
            remedy = "leave it out, or name rows (JSONL, CSV, Parquet or BEIR) with documents.path"
            raise UserError(what, where=where, remedy=remedy)
        tokenizer = content_digest(tokenizer_file(self.tokenizer, key=self.key("tokenizer")))
        return {**fields_of(self), "reader": source.reader.value, "path": _content_of(source), "tokenizer": tokenizer}


def _content_of(source: Source) -> object:
    """Returns what a source holds, as JSON values that change with it; file names count only where they are ids."""
    if source.reader is Reader.python:
        return sys.version
    if source.reader is Reader.blank:
        return None
    if source.reader is Reader.tree:
        root = source.path.parent if source.path.is_file() else source.path
        return listing_digest(root, source.files)
    return file_digests(source.files)
