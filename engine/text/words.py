"""The text of generated queries: what of a model's output is the query, its words, and counts over them.

In: strings. Out: strings and shares. Everything is a pure function; thresholds live with the filters.
"""

from __future__ import annotations

import functools
import operator
import re
import unicodedata
from collections.abc import Sequence

# Thai to Lao, Burmese, Khmer, kana, Han: scripts written without spaces between words.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"


_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")


_WORD_CHARACTER = re.compile(r"\w")


_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


_BULLET = re.compile(r"^(?:[-*>#\u2022\u2013]+\s+|\(?\d{1,2}[.)]\s+)")


_LABEL = re.compile(
    r"^[*_]*(?:(?:search|generated|user|example)\s+)?(?:query|question|q)\s*\d*\s*[*_]*[:\uff1a]\s*[*_]*", re.IGNORECASE
)


_PREAMBLE = re.compile(r"^(?:sure|certainly|of course|okay|here(?:'s| is| are))\b.*[:\uff1a]$", re.IGNORECASE)


_QUOTES = dict(
    zip("\"'`*\u2018\u201c\u201d\u201e\xab\u300c\u300e", "\"'`*\u2019\u201d\u201d\u201c\xbb\u300d\u300f", strict=True)
)


def clean_query(raw: str) -> str:
    """The query in what a model wrote: its first line that says something, without label, bullet or quotes.

    Whitespace is folded to single spaces. What is left may still be no query; that is for the filters to say.
    """
    for line in raw.split("\n"):
        text = _peel(" ".join(line.split()))
        if text and not _PREAMBLE.match(text):
            return text
    return ""


def _peel(text: str) -> str:
    while True:
        peeled = _LABEL.sub("", _BULLET.sub("", text))
        if len(peeled) > 1 and _QUOTES.get(peeled[0]) == peeled[-1] and peeled[0] not in peeled[1:-1]:
            peeled = peeled[1:-1]
        peeled = peeled.strip()
        if peeled == text:
            return text
        text = peeled


def tokenize(text: str) -> list[str]:
    """Lower-cased words; every character is one in scripts that do not put spaces between words."""
    return _TOKEN.findall(text.lower())


def is_unspaced(text: str) -> bool:
    """Whether most of the text is in a script without spaces between words."""
    return 2 * len(_UNSPACED_CHARACTER.findall(text)) > len(_WORD_CHARACTER.findall(text))


@functools.lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Joins the tokens with spaces, one at each end too, so that `in` between two such texts finds whole words."""
    return join_tokens(tokenize(text))


def join_tokens(tokens: Sequence[str]) -> str:
    """Folded text of tokens."""
    return f" {' '.join(tokens)} "


def looping_span(tokens: Sequence[str], shortest: int = 1, longest: int = 8) -> int:
    """Length of the shortest span that stands three times in a row; 0 when none does."""
    for length in range(shortest, min(longest, len(tokens) // 3) + 1):
        if sum(map(operator.eq, tokens, tokens[length:])) < 2 * length:
            continue  # too few equal pairs in all, so certainly in a row: most queries end here
        equal = 0
        for position in range(length, len(tokens)):
            equal = equal + 1 if tokens[position] == tokens[position - length] else 0
            if equal == 2 * length:
                return length
    return 0


def repeated_share(tokens: Sequence[str], length: int = 3) -> float:
    """Share of n-grams that occurred before in the same text; 0 for texts shorter than one n-gram."""
    grams = list(zip(*(tokens[start:] for start in range(length)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def copied_share(tokens: Sequence[str], folded: str, span: int) -> float:
    """Share of `tokens` that lie in a run of at least `span` which `folded` (see `fold`) holds verbatim."""
    covered = bytearray(len(tokens))
    for start in range(len(tokens) - span + 1):
        if join_tokens(tokens[start : start + span]) in folded:
            covered[start : start + span] = b"\1" * span
    return sum(covered) / max(len(tokens), 1)


def words(text: str) -> list[str]:
    """The words of a text: runs of letters, digits, marks and `_`, in lower case, compatibility forms folded.

    Scripts that write no spaces (Chinese, Japanese, Thai, Khmer...) give one word per character.
    """
    return _word_pattern().findall(unicodedata.normalize("NFKC", text).casefold())


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    # Python's \w leaves combining marks out, which would cut Hindi or Arabic words at every vowel sign.
    every = (chr(code) for code in range(0x20000))
    marks = "".join(mark for mark in every if unicodedata.category(mark).startswith("M"))
    unspaced = (
        "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    )
    unspaced += "\U00020000-\U0003ffff"
    return re.compile(rf"(?=[\w{marks}])[{unspaced}]|(?:(?![{unspaced}])[\w{marks}])+")
