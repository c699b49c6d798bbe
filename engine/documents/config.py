"""What can be set for the documents step, and which of it changes the passages.

In: the values of `documents.*`. Out: a checked config that finds its documents and says what they hold. It loads
no tokenizer, because every run reads the config, also one that has its passages already.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import II

from engine.documents.readers.source import Reader, Source, find_source
from engine.documents.windows import MIN_WINDOW_TOKENS
from engine.errors import check_setting
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
    """Field of a row's id; empty: _id, id, doc_id, ... where there is one, else a hash of the content."""
    title_field: str = ""
    """Field of a row's title; empty: title, headline or heading where there is one."""
    text_field: str = ""
    """Field of a row's text; empty: text, contents, content, body, ..."""
    max_tokens: int = 512
    """Longest passage; a longer document becomes several."""
    overlap_tokens: int = 64
    """Tokens that a passage repeats from the one before."""
    min_tokens: int = 1
    """A document with fewer, title included, is left out as too short."""
    limit: int = 0
    """Read only the first so many documents; 0 reads all."""
    tokenizer: str = II("model.base")
    """The model whose tokenizer counts."""
    origins: Mapping[str, str] = origins()
    """Setting -> the key that it follows; see `engine.runtime.identity.origins`."""

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

    def one_blank(self) -> DocumentsConfig:
        """The config of a single blank document, for samples that are about no document."""
        return DocumentsConfig(reader=Reader.blank, limit=1, tokenizer=self.tokenizer, origins=self.origins)

    def key(self, setting: str) -> str:
        """The config key that the user wrote the value of a setting under, for messages."""
        return self.origins.get(setting, f"documents.{setting}")

    def source(self) -> Source:
        """The documents that the config names, found but not read.

        Raises:
            UserError: there are none at `path`, or none that the reader reads.
        """
        return find_source(self.path, self.reader, key=self.key("path"))

    def identity(self) -> dict[str, object]:
        """The fields that change the passages, path and tokenizer replaced by what they hold.

        Raises:
            UserError: the path or the tokenizer does not exist; a run asks this before it starts anything.
        """
        source = self.source()
        tokenizer = content_digest(tokenizer_file(self.tokenizer, key=self.key("tokenizer")))
        return {**fields_of(self), "reader": source.reader.value, "path": _content_of(source), "tokenizer": tokenizer}


def _content_of(source: Source) -> object:
    """What a source holds, as JSON values that change with it; file names count only where they are ids."""
    if source.reader is Reader.python:
        return sys.version
    if source.reader is Reader.blank:
        return None
    if source.reader is Reader.tree:
        root = source.path.parent if source.path.is_file() else source.path
        return listing_digest(root, source.files)
    return file_digests(source.files)
