"""The one definition of a word, in any script: filters, BM25 and the report's figures all count these.

In: a text. Out: its words. Characters are folded first, as Unicode's NFKC_Casefold does it, so that texts which differ
only in case, in composed or decomposed accents (NFC, NFD), in full or half width, or in invisible characters have the
same words. A word is then a run of letters, digits and `_` with the combining marks on them, as in Unicode's UAX #29:
Python's own word characters leave marks out, which would cut Hindi, Tamil or Arabic at every vowel sign. Everything
else parts words, apostrophes and hyphens too.

In a script that puts no spaces between words, every letter with its marks is a word. That needs no dictionary and
means the same on every machine. `runs` also tells which of these letters touch, and `pieces` pairs those that do, for
search by words (`engine/search/analyser.py`).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

_UNSPACED = (
    r"\u0e00-\u0eff"  # Thai, Lao
    r"\u1000-\u109f"  # Myanmar
    r"\u1780-\u17ff"  # Khmer
    r"\u1950-\u19df"  # Tai Le, New Tai Lue
    r"\u1a20-\u1aaf"  # Tai Tham
    r"\u3005-\u3007"  # Han: iteration mark, closing mark, zero
    r"\u3040-\u30ff"  # Hiragana, Katakana
    r"\u31f0-\u31ff"  # Katakana, extensions
    r"\u3400-\u4dbf"  # Han, extension A
    r"\u4e00-\u9fff"  # Han
    r"\ua9e0-\ua9ff"  # Myanmar, extension B
    r"\uaa60-\uaadf"  # Myanmar, extension A; Tai Viet
    r"\uf900-\ufaff"  # Han, compatibility forms
    r"\U0001b000-\U0001b16f"  # Kana, supplements
    r"\U00020000-\U0003ffff"  # Han, later extensions
)
"""Blocks whose scripts are written without spaces between words, as the inside of a regular expression's `[...]`."""
_HANGUL = r"\uac00-\ud7a3"
"""The block of Korean syllables, in the same form."""
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
"""Default-ignorable characters: soft hyphens, joiners, marks of direction, variation selectors. (U+200B is a space.)"""
_NUM_POINTS = 0x20000
"""Planes 0 and 1 of Unicode: all combining marks but invisible ones are in them."""

_ASCII_WORD = re.compile(r"\w+", re.ASCII)
_LETTER = re.compile(r"\w")
_UNSPACED_LETTER = re.compile(rf"(?=\w)[{_UNSPACED}]")


def words(text: str) -> list[str]:
    """The words of a text in order and folded: `"Don't re-read São_1"` gives `don`, `t`, `re`, `read` and `são_1`."""
    if text.isascii():  # case is all there is to fold, and there are no marks: six times as fast
        return _ASCII_WORD.findall(text.lower())
    return _word_pattern().findall(_folded(text))


def runs(text: str) -> list[list[str]]:
    """Returns the same words, together where nothing parts them: `"GPU で動く"` gives `[["gpu"], ["で", "動", "く"]]`.

    In scripts without spaces between words a run holds all letters up to the next space or mark; any other word is a
    run of its own.
    """
    if text.isascii():
        return [[word] for word in words(text)]
    letters = _word_pattern()
    return [
        letters.findall(run) if _UNSPACED_LETTER.match(run) else [run] for run in _run_pattern().findall(_folded(text))
    ]


def pieces(text: str) -> list[str]:
    """Returns what search by words counts, in order: words, and pairs of letters where no dictionary parts words.

    Pairs of neighbouring letters stand for the words of scripts without spaces between words, and for Korean ones,
    whose endings hang on their stems: `"GPU로 학습 京都人"` gives gpu, 로, 학습, 京都 and 都人. A single letter stays
    as it is.
    """
    if text.isascii():
        return words(text)
    return list(map("".join, _piece_pattern().findall(_folded(text))))


def patterns() -> dict[str, str]:
    """Returns the regular expressions behind `pieces`, for a program that has to find the same without this one.

    `invisible` is deleted before a text is folded. `term` matches in the folded text; one of its groups is not empty,
    and that is the piece.
    """
    return {"invisible": _INVISIBLE.pattern, "term": _piece_pattern().pattern}


def is_unspaced(text: str) -> bool:
    """Whether more than half of a text's letters and digits are of scripts without spaces between words."""
    if text.isascii():
        return False
    folded = _folded(text)
    return 2 * len(_UNSPACED_LETTER.findall(folded)) > len(_LETTER.findall(folded))


def _folded(text: str) -> str:
    """The text with compatibility forms, case and invisible characters folded, and accents composed."""
    shown = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    # Case folding takes a few composed letters apart. To compose them again costs little where there are none.
    return unicodedata.normalize("NFKC", shown.casefold())


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    """Matches one word of a folded text."""
    return re.compile("|".join(_word_kinds()))


@functools.cache
def _run_pattern() -> re.Pattern[str]:
    """Matches one run of a folded text."""
    spaced, unspaced = _word_kinds()
    return re.compile(rf"{spaced}|(?:{unspaced})+")


@functools.cache
def _piece_pattern() -> re.Pattern[str]:
    """Matches the pieces of a folded text, one in each match, in one of three groups.

    A pair is looked at and only its first letter taken, so that the next pair begins with the second. That one is taken
    too where the run of letters ends with it.
    """
    marks, letter = _marks(), _UNSPACED_LETTER.pattern
    other, syllable, unspaced = rf"[^\W{_UNSPACED}{_HANGUL}]", f"[{_HANGUL}]", rf"{letter}[{marks}]*"
    word = rf"({other}+(?:[{marks}]+{other}*)*)"
    korean = rf"(?=({syllable}{syllable}?)){syllable}(?:{syllable}(?!{syllable}))?"
    pair = rf"(?=({unspaced}(?:{unspaced})?)){unspaced}(?:{unspaced}(?!{letter}|[{marks}]))?"
    return re.compile(f"{word}|{korean}|{pair}")


@functools.cache
def _word_kinds() -> tuple[str, str]:
    """Makes the patterns of a word in scripts with and without spaces. They take 0.05 s."""
    marks, spaced_letter = _marks(), rf"[^\W{_UNSPACED}]"
    return rf"{spaced_letter}+(?:[{marks}]+{spaced_letter}*)*", rf"{_UNSPACED_LETTER.pattern}[{marks}]*"


@functools.cache
def _marks() -> str:
    """Lists all combining marks, as the inside of a regular expression's `[...]`."""
    return "".join(f"{_escape(first)}-{_escape(last)}" for first, last in _mark_ranges())


def _escape(point: int) -> str:
    """Writes a code point as a regular expression does."""
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _mark_ranges() -> Iterator[tuple[int, int]]:
    """First and last code point of every run of combining marks (categories Mn, Mc and Me)."""
    first = None
    for point in range(_NUM_POINTS):
        is_mark = unicodedata.category(chr(point))[0] == "M"
        if is_mark and first is None:
            first = point
        elif not is_mark and first is not None:
            yield first, point - 1
            first = None
