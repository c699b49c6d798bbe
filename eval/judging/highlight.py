"""Where the words of a query stand in a passage, so that a person sees them at once.

In: a text and the terms of a query, as BM25's analyser makes them, so that `rotting` is found by `rot`. Out: the text
in pieces. The page only shows them: nothing about words, stems or scripts has to be known in a browser.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Collection, Sequence


def cut_at_words(text: str, wanted: Collection[str], terms_of: Callable[[str], Sequence[str]]) -> list[str]:
    """Cuts a text so that every second piece, from the second on, is a word whose term is wanted.

    Joined again, the pieces are the text. In scripts without spaces the terms are pairs of letters, and the letters of
    wanted pairs are cut out.

    Args:
        text: any text.
        wanted: terms of a query.
        terms_of: gives the terms of a text, such as `Analyser.terms`.
    """
    marked = bytearray(len(text))
    start = 0
    for is_word, letters in itertools.groupby(text, _is_of_word):
        word = "".join(letters)
        if is_word:
            for first, last in _wanted_spans(word, wanted, terms_of(word)):
                marked[start + first : start + last] = b"\1" * (last - first)
        start += len(word)
    pieces = [""]
    for letter, flag in zip(text, marked, strict=True):
        if flag == len(pieces) % 2:  # an odd number of pieces: the last one is plain
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _wanted_spans(word: str, wanted: Collection[str], terms: Sequence[str]) -> list[tuple[int, int]]:
    """Finds the parts of a word to show: all of it where its only term is wanted, else where wanted terms stand."""
    hits = {term for term in terms if term in wanted}
    if not hits or len(terms) == 1:
        return [(0, len(word))] if hits else []
    folded = word.casefold()
    starts = range(len(folded)) if len(folded) == len(word) else ()
    return [(start, start + len(term)) for term in hits for start in starts if folded.startswith(term, start)]


def _is_of_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_" or unicodedata.category(letter).startswith("M")
