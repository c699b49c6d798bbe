"""Cuts documents into passages: each document is cleaned, tokenised and cut into windows.

In: `SourceDocument`s, a Hugging Face tokenizer, sizes in tokens. Out: for each document its passages, or the
reason why it gives none. Texts are slices of the (cleaned) original by character offsets, never detokenised, so
nothing is lower-cased or respaced, and a language without spaces loses nothing. The same documents give the
same passages whatever the number of threads.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.documents.readers.document import SourceDocument
from engine.documents.windows import CUT_ZONE, ChunkSize, chunk_windows, last_space

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EMPTY, CONTROL_CHARACTERS, TOO_SHORT = "empty", "control characters", "too short"
"""Why a document gives no passage."""
MAX_CONTROL_SHARE = 0.1
"""A text with a larger share of control characters is not text (a binary file, a damaged export)."""
BATCH_DOCUMENTS = 256
"""The number of documents that one thread takes at a time."""
BATCH_CHARACTERS = 1 << 20
"""The characters at which a batch ends before it has so many documents; this bounds the memory of token offsets."""
SEGMENT_CHARACTERS = 1 << 16
"""A longer text is tokenised in pieces, cut at whitespace: tokenizers need about 100 bytes per token."""
GROUP_SEGMENTS = 32
"""Pieces that are tokenised at once."""

_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85]")


@dataclass(frozen=True, slots=True)
class Passage:
    """A row of passages.parquet (`columns.PASSAGES`)."""

    passage_id: str
    document_id: str
    title: str
    text: str
    position: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """What became of one document: its passages, or the reason why there are none."""

    document_id: str
    passages: tuple[Passage, ...]
    reason: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    """The kept fields of the document, which all its passages have."""


@dataclass(frozen=True, slots=True)
class CleanDocument:
    """A document whose id, title and text any file can hold, and the share of characters that none could."""

    id: str
    title: str
    text: str
    control_share: float
    reason: str = ""
    """The reason why it gives no passage, where the reader knew one."""
    fields: Mapping[str, object] = field(default_factory=dict)


def chunk_documents(
    documents: Iterable[SourceDocument], tokenizer: Tokenizer, size: ChunkSize, num_threads: int = 1
) -> Iterator[ChunkedDocument]:
    """Gives one result per document, in order; documents are tokenised in batches, on `num_threads` threads."""
    with ThreadPoolExecutor(num_threads) as pool:
        for batch in _batches(map(clean_document, documents), num_threads):
            shares = [batch[start::num_threads] for start in range(num_threads)]
            chunked = list(pool.map(lambda share: _chunk_batch(share, tokenizer, size), shares))
            yield from (chunked[index % num_threads][index // num_threads] for index in range(len(batch)))


def clean_document(document: SourceDocument) -> CleanDocument:
    """Cleans a document: control characters and lone surrogates become spaces, and every end of a line a newline."""
    title, in_title = _clean(document.title)
    text, in_text = _clean(document.text)
    share = (in_title + in_text) / max(1, len(document.title) + len(document.text))
    name = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", document.id)
    return CleanDocument(name, " ".join(title.split()), text, share, document.reason, document.fields)


def failure_of(document: CleanDocument) -> str:
    """Returns the reason why a document gives no passage, as far as that is known without its tokens; or ""."""
    if document.reason:
        return document.reason
    if document.control_share > MAX_CONTROL_SHARE:
        return CONTROL_CHARACTERS
    return EMPTY if not document.text and not document.title else ""


def token_starts(texts: Sequence[str], tokenizer: Tokenizer) -> list[array[int]]:
    """Returns for each text the characters at which its tokens start, in an order that never falls."""
    pieces = [(index, begin, text[begin:end]) for index, text in enumerate(texts) for begin, end in _segments(text)]
    starts = [array("q") for _ in texts]
    for group in (pieces[at : at + GROUP_SEGMENTS] for at in range(0, len(pieces), GROUP_SEGMENTS)):
        encodings = tokenizer.encode_batch([piece for _, _, piece in group], add_special_tokens=False)
        for (index, begin, _), encoding in zip(group, encodings, strict=True):
            starts[index].extend(itertools.accumulate((begin + start for start, _ in encoding.offsets), max))
    return starts


def _chunk_batch(documents: Sequence[CleanDocument], tokenizer: Tokenizer, size: ChunkSize) -> list[ChunkedDocument]:
    all_starts = token_starts([document.text for document in documents], tokenizer)
    return [_chunk(document, starts, tokenizer, size) for document, starts in zip(documents, all_starts, strict=True)]


def _chunk(document: CleanDocument, starts: Sequence[int], tokenizer: Tokenizer, size: ChunkSize) -> ChunkedDocument:
    """Cuts one document into passages; the first has the document's id, later ones that id with their number."""
    reason = _failure(document, len(starts), tokenizer, size)
    if reason:
        return ChunkedDocument(document.id, (), reason)
    windows = chunk_windows(document.text, starts, size)
    passages = (
        Passage(
            passage_id=document.id if position == 0 else f"{document.id}#{position + 1}",
            document_id=document.id,
            title=document.title,
            text=document.text[begin:end].strip(),
            position=position,
            num_tokens=tokens,
        )
        for position, (begin, end, tokens) in enumerate(windows)
    )
    return ChunkedDocument(document.id, tuple(passages), fields=document.fields)


def _failure(document: CleanDocument, text_tokens: int, tokenizer: Tokenizer, size: ChunkSize) -> str:
    """Returns the reason why a document gives no passage, or ""; a title counts as words of the document."""
    if reason := failure_of(document):
        return reason
    if text_tokens >= max(1, size.min_tokens):
        return ""
    tokens = text_tokens + len(tokenizer.encode(document.title, add_special_tokens=False))
    return "" if tokens >= max(1, size.min_tokens) else TOO_SHORT


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """Returns the first and the end character of each piece of a text, cut at whitespace; most texts are one piece."""
    begin = 0
    while len(text) - begin > SEGMENT_CHARACTERS:
        limit = begin + SEGMENT_CHARACTERS
        end = last_space(text, limit - SEGMENT_CHARACTERS // CUT_ZONE, limit)
        yield begin, end
        begin = end
    yield begin, len(text)


def _clean(text: str) -> tuple[str, int]:
    """Returns a text that any file can hold, and how many characters of the original no file could."""
    text, count = _CONTROL.subn(" ", text)
    return _LINE_END.sub("\n", text).strip(), count


def _batches(documents: Iterable[CleanDocument], num_threads: int) -> Iterator[list[CleanDocument]]:
    """Gives documents in order, as many at a time as all threads take at once."""
    batch: list[CleanDocument] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) >= BATCH_DOCUMENTS * num_threads or characters >= BATCH_CHARACTERS * num_threads:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
