"""Cuts a text into windows of tokens: how long a passage is, and where a long text is cut.

In: a text, the characters at which its tokens start, sizes in tokens. Out: pairs of character offsets. A window ends
where a reader would pause: after a sentence, else at a space, else before a letter, so that no letter is parted from
its combining marks.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MIN_WINDOW_TOKENS = 16
"""The fewest tokens of a window: less text says little, and one character may take four tokens."""
CUT_ZONE = 5
"""A text is cut within the last fifth of the text that may stand before the cut."""

_SENTENCE_END = re.compile(
    "[.!?\u2026\u061f\u06d4]+[\"')\\]\u00bb\u201d\u2019]*(?=\\s)"  # with a space behind: 3.14 ends no sentence
    "|[\u3002\uff01\uff1f\uff61\u0964\u0965\u104b\u1362]+[\"')\\]\u201d\u2019\u300d\u300f\uff09]*"  # without a space
    "|\n\\s*\n"
)
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class ChunkSize:
    """The sizes of passages in tokens. Windows move on because overlap and minimum are at most half of the maximum."""

    max_tokens: int
    """The longest passage; at least `MIN_WINDOW_TOKENS`."""
    overlap_tokens: int = 0
    """Tokens that a passage repeats from the one before."""
    min_tokens: int = 1
    """The shortest passage of a document that gives several."""

    def __post_init__(self) -> None:
        """Asserts what `chunk_windows` relies on; `DocumentsConfig` has told the user before."""
        assert self.max_tokens >= MIN_WINDOW_TOKENS, f"windows of {self.max_tokens} tokens"
        for tokens in (self.overlap_tokens, self.min_tokens):
            assert 0 <= 2 * tokens <= self.max_tokens, f"{self} cannot move on"


def chunk_windows(text: str, starts: Sequence[int], size: ChunkSize) -> Iterator[tuple[int, int, int]]:
    """Cuts a tokenised text into windows that overlap.

    A window ends after the last sentence that ends in its last fifth, else at the last whitespace there, else between
    two tokens. The next starts `overlap_tokens` before that end, or up to half of the overlap later where a sentence or
    word starts. The last one starts early enough to hold `min_tokens`.

    Args:
        text: what was tokenised.
        starts: the character at which each token starts, never falling, (tokens,).
        size: the sizes of the windows.

    Yields:
        First character, end character and number of tokens of each window.
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


def last_space(text: str, begin: int, end: int) -> int:
    """Finds where to cut a text between two characters: behind the last space, else before a letter."""
    if text[end - 1].isspace() or text[end : end + 1].isspace():
        return end
    cut = end
    while cut > begin and not text[cut - 1].isspace():
        cut -= 1
    return cut if cut > begin else _letter_start(text, begin, end)


def _last_pause(text: str, begin: int, end: int) -> int:
    """Finds where to end a window between two characters: after the last sentence there, else as `last_space` says."""
    ends = [sentence.end() for sentence in _SENTENCE_END.finditer(text, begin, end + 1)]
    return min(ends[-1], end) if ends else last_space(text, begin, end)


def _letter_start(text: str, begin: int, end: int) -> int:
    """Returns `end`, or a character before it where `end` would part a letter from its combining marks."""
    cut = end
    while cut > begin + 1 and unicodedata.category(text[cut]).startswith("M"):
        cut -= 1
    return cut if cut > begin + 1 else end


def _first_pause(text: str, begin: int, end: int) -> int:
    """Finds where to start a window between two characters: at the first sentence there, else a word, else a letter."""
    pause = _SENTENCE_END.search(text, begin, end) or _SPACE.search(text, begin, end)
    return pause.end() if pause else begin
