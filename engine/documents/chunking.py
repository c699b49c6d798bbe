"""Documents to passages: windows of tokens that overlap, cut where a reader would pause.

In: `SourceDocument`s, a Hugging Face tokenizer, sizes in tokens. Out: for each document its passages, or the
reason why it gives none. Texts are slices of the (cleaned) original by character offsets, never detokenised, so
nothing is lower-cased or respaced, and a language without spaces loses nothing. The same documents give the
same passages whatever the number of threads.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from engine.documents.readers.document import SourceDocument
from engine.errors import UserError

EMPTY, CONTROL_CHARACTERS, TOO_SHORT = "empty", "control characters", "too short"
"""Why a document gives no passage."""


MAX_CONTROL_SHARE = 0.1
"""A text with a larger share of control characters is not text (a binary file, a damaged export)."""


MIN_WINDOW_TOKENS = 16


CUT_ZONE = 5
"""A window is cut within its last 1/5."""


BATCH_DOCUMENTS = 256


BATCH_CHARACTERS = 1 << 20
"""A batch is closed by whichever comes first, which bounds the memory that token offsets take."""


SEGMENT_CHARACTERS = 1 << 16
"""A longer text is tokenised in pieces, cut at whitespace: tokenizers need about 100 bytes per token."""


GROUP_SEGMENTS = 32
"""So many are tokenised at once."""


_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85]")


_SENTENCE_END = re.compile(
    "[.!?\u2026\u061f\u06d4]+[\"')\\]\u00bb\u201d\u2019]*(?=\\s)"  # needs a space behind: 3.14 ends no sentence
    "|[\u3002\uff01\uff1f\uff61\u0964\u0965\u104b\u1362]+[\"')\\]\u201d\u2019\u300d\u300f\uff09]*"  # needs none
    "|\n\\s*\n"
)


_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class ChunkSize:
    """Sizes in tokens. Windows move on only if overlap and minimum are at most half of `max_tokens`, itself >= 16."""

    max_tokens: int
    overlap_tokens: int = 0
    min_tokens: int = 1

    def __post_init__(self) -> None:
        """Holds what `chunk_windows` relies on; `DocumentsConfig` says it to the user first."""
        assert self.max_tokens >= MIN_WINDOW_TOKENS, f"windows of {self.max_tokens} tokens"
        assert 0 <= 2 * max(self.overlap_tokens, self.min_tokens) <= self.max_tokens, f"{self} cannot move on"


@dataclass(frozen=True, slots=True)
class Passage:
    """A row of passages.parquet (`records.PASSAGES`)."""

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


def load_tokenizer(file: Path, *, key: str) -> Tokenizer:
    """A fast tokenizer from its tokenizer.json, with truncation and padding off.

    Raises:
        UserError: the file is damaged; `key` is the config key that named it.
    """
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the Rust library raises bare Exception
        remedy = f"set {key} to another model, for example bundled:all-minilm-l6-v2"
        raise UserError(f"is no tokenizer ({error})", where=f"{key}: {file}", remedy=remedy) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def chunk_documents(
    documents: Iterable[SourceDocument], tokenizer: Tokenizer, size: ChunkSize, num_threads: int = 1
) -> Iterator[ChunkedDocument]:
    """One result per document, in order; documents are tokenised in batches, on `num_threads` threads."""
    with ThreadPoolExecutor(num_threads) as pool:
        for batch in _batches(map(clean_document, documents), num_threads):
            shares = [batch[start::num_threads] for start in range(num_threads)]
            done = list(pool.map(lambda share: _chunk_batch(share, tokenizer, size), shares))
            yield from (done[index % num_threads][index // num_threads] for index in range(len(batch)))


@dataclass(frozen=True, slots=True)
class CleanDocument:
    """A document whose id, title and text any file can hold, and the share of characters that none could."""

    id: str
    title: str
    text: str
    control_share: float
    reason: str = ""
    """Why it gives no passage, where the reader knew."""


def clean_document(document: SourceDocument) -> CleanDocument:
    """Control characters and lone surrogates become spaces, line ends become newlines, the rim is stripped."""
    title, in_title = _clean(document.title)
    text, in_text = _clean(document.text)
    share = (in_title + in_text) / max(1, len(document.title) + len(document.text))
    name = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", document.id)
    return CleanDocument(name, " ".join(title.split()), text, share, document.reason)


def chunk_windows(text: str, starts: Sequence[int], size: ChunkSize) -> Iterator[tuple[int, int, int]]:
    """Windows over a tokenised text as (first character, end character, tokens).

    `starts[i]` is the character at which token i starts, never falling. A window ends after the last sentence
    that ends in its last fifth, else at the last whitespace there, else between two tokens. The next starts
    `overlap_tokens` before that end, or up to half of the overlap later where a sentence or word starts. The last
    one starts early enough to hold `min_tokens`.
    """
    if len(starts) > size.max_tokens:  # some tokenizers count the space before a word to it
        starts = [start + text[start : start + 1].isspace() for start in starts]
    first, begin = 0, 0
    while len(starts) - first > size.max_tokens:
        limit = first + size.max_tokens
        end = _last_pause(text, starts[limit - size.max_tokens // CUT_ZONE], starts[limit])
        stop = bisect_left(starts, end)
        assert stop > first, f"a window of {size} over {text[begin:end]!r} holds no token"
        yield begin, end, stop - first
        latest = len(starts) - size.min_tokens
        back = min(stop - size.overlap_tokens, latest)
        begin = _first_pause(text, starts[back], starts[min(stop - size.overlap_tokens // 2, latest)])
        first = bisect_left(starts, begin)
    yield begin, len(text), len(starts) - first


def _chunk_batch(documents: Sequence[CleanDocument], tokenizer: Tokenizer, size: ChunkSize) -> list[ChunkedDocument]:
    starts = token_starts([document.text for document in documents], tokenizer)
    return [_chunk(document, found, tokenizer, size) for document, found in zip(documents, starts, strict=True)]


def _chunk(document: CleanDocument, starts: Sequence[int], tokenizer: Tokenizer, size: ChunkSize) -> ChunkedDocument:
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
    return ChunkedDocument(document.id, tuple(passages))


def _failure(document: CleanDocument, text_tokens: int, tokenizer: Tokenizer, size: ChunkSize) -> str:
    """The reason why a document gives no passage, or ""; a title counts as words of the document."""
    if document.reason:
        return document.reason
    if document.control_share > MAX_CONTROL_SHARE:
        return CONTROL_CHARACTERS
    if not document.text and not document.title:
        return EMPTY
    if text_tokens >= max(1, size.min_tokens):
        return ""
    tokens = text_tokens + len(tokenizer.encode(document.title, add_special_tokens=False))
    return "" if tokens >= max(1, size.min_tokens) else TOO_SHORT


def token_starts(texts: Sequence[str], tokenizer: Tokenizer) -> list[array[int]]:
    """For each text the character at which each of its tokens starts, never falling."""
    pieces = [(index, begin, text[begin:end]) for index, text in enumerate(texts) for begin, end in _segments(text)]
    starts = [array("q") for _ in texts]
    for group in (pieces[at : at + GROUP_SEGMENTS] for at in range(0, len(pieces), GROUP_SEGMENTS)):
        encodings = tokenizer.encode_batch([piece for _, _, piece in group], add_special_tokens=False)
        for (index, begin, _), encoding in zip(group, encodings, strict=True):
            starts[index].extend(itertools.accumulate((begin + start for start, _ in encoding.offsets), max))
    return starts


def _segments(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while len(text) - begin > SEGMENT_CHARACTERS:
        limit = begin + SEGMENT_CHARACTERS
        end = _last_space(text, limit - SEGMENT_CHARACTERS // CUT_ZONE, limit)
        yield begin, end
        begin = end
    yield begin, len(text)


def _last_pause(text: str, begin: int, end: int) -> int:
    """Where to end a text between two characters: after a sentence, else a word, else before a letter."""
    ends = [sentence.end() for sentence in _SENTENCE_END.finditer(text, begin, end + 1)]
    return min(ends[-1], end) if ends else _last_space(text, begin, end)


def _last_space(text: str, begin: int, end: int) -> int:
    if text[end - 1].isspace() or text[end : end + 1].isspace():
        return end
    found = end
    while found > begin and not text[found - 1].isspace():
        found -= 1
    return found if found > begin else _letter_start(text, begin, end)


def _letter_start(text: str, begin: int, end: int) -> int:
    """`end`, or before it where it would part a letter from its combining marks."""
    found = end
    while found > begin + 1 and unicodedata.category(text[found]).startswith("M"):
        found -= 1
    return found if found > begin + 1 else end


def _first_pause(text: str, begin: int, end: int) -> int:
    """Where to start a text between two characters: at a sentence, else a word, else a letter."""
    found = _SENTENCE_END.search(text, begin, end) or _SPACE.search(text, begin, end)
    return found.end() if found else begin


def _clean(text: str) -> tuple[str, int]:
    text, count = _CONTROL.subn(" ", text)
    return _LINE_END.sub("\n", text).strip(), count


def _batches(documents: Iterable[CleanDocument], num_threads: int) -> Iterator[list[CleanDocument]]:
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
