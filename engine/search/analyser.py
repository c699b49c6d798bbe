"""What BM25 counts of a text: its words without those that say nothing, each cut to its stem.

In: a language, or texts to tell it from. Out: an Analyser, with a name that people read. It is built on the one
definition of a word (`engine.text.words`) in three steps:

1. Words of scripts without spaces between words, and Korean ones, become pairs of neighbouring characters (`pieces`),
   as Lucene's CJKAnalyzer makes them. That needs no dictionary. It holds in every language, so that a foreign name is
   found too.
2. Stop words are left out: the lists that bm25s ships, in the languages for which it has one.
3. What is left is stemmed by the Snowball stemmer of the language (Porter 2001), in the form of PyStemmer.

The round trip and the report make their analysers here, of the same texts, so that a query is read alike by both.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from engine.errors import UserError
from engine.search.languages import MIXED, UNKNOWN, detect_language
from engine.text.words import patterns, pieces, words

AUTO, NONE = "auto", "none"
"""The words that a config may have in place of a language: find it out, and treat none in a special way."""

_STOP_WORDS = {
    "danish": "DANISH",
    "dutch": "DUTCH",
    "english": "EN_PLUS",
    "french": "FRENCH",
    "german": "GERMAN",
    "italian": "ITALIAN",
    "norwegian": "NORWEGIAN",
    "portuguese": "PORTUGUESE",
    "russian": "RUSSIAN",
    "spanish": "SPANISH",
    "swedish": "SWEDISH",
    "turkish": "TURKISH",
}
"""The names that bm25s has for its lists, behind `STOPWORDS_`, by language."""
_STEMMED = (
    *_STOP_WORDS,
    *("arabic", "armenian", "basque", "catalan", "czech", "estonian", "finnish", "greek", "hindi", "hungarian"),
    *("indonesian", "irish", "lithuanian", "nepali", "persian", "polish", "romanian", "serbian", "tamil"),
)
"""The languages with a Snowball stemmer, by its name."""
PAIRED = ("chinese", "japanese", "korean", "thai")
"""The languages of which pairs of characters are counted, and no stems."""
LANGUAGES = tuple(sorted((*_STEMMED, *PAIRED)))
"""The languages that may be set in place of `auto`."""
_MISSPELT = 0.75
"""How like a name must be to that of a language, from 0 to 1, to be taken for a misspelling of it."""
_UNDECIDED = {
    NONE: "no stemmer",
    MIXED: "several languages: no stemmer",
    UNKNOWN: "language not clear: no stemmer",
}


class Analyser:
    """Reads the texts of one language as terms.

    Args:
        language: one of `LANGUAGES`, or another name, for which nothing is stemmed.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._stop_words = _stop_words(language)
        self._stemmer = _stemmer(language)

    @property
    def is_decided(self) -> bool:
        """Tells whether it reads one language."""
        return self.language not in _UNDECIDED

    @property
    def warning(self) -> str:
        """Returns what a person is told where `auto` did not find one language; empty where it did."""
        return "" if self.is_decided else f"BM25 reads the documents with {self.name}; language=NAME names one"

    @property
    def name(self) -> str:
        """Returns what people read, such as `English: Snowball stemmer, stop words`."""
        if self.language in PAIRED:
            return f"{self.language.capitalize()}: character bigrams"
        if self.language not in _STEMMED:
            return _UNDECIDED.get(self.language, f"{self.language.capitalize()}: no stemmer")
        return f"{self.language.capitalize()}: Snowball stemmer{', stop words' if self._stop_words else ''}"

    def rules(self) -> dict[str, Any]:
        """Returns all that `terms` goes by as plain JSON values: a program without this one can read texts alike."""
        stemmer = None if self._stemmer is None else self.language
        rules = {"name": self.name, "language": self.language, **patterns(), "stemmer": stemmer}
        return rules | {"stop_words": sorted(self._stop_words)}

    def terms(self, text: str) -> list[str]:
        """Returns what counts of a text, in order: stems, and pairs of characters where they stand for words."""
        counted = [piece for piece in pieces(text) if piece not in self._stop_words]
        if self._stemmer is None:
            return counted
        # A word that is all ending, as its stemmer sees it, stays.
        return [stem or word for stem, word in zip(self._stemmer.stemWords(counted), counted, strict=True)]


def make_analyser(language: str, texts: Sequence[str]) -> Analyser:
    """Makes the analyser of a language, or of the language that the texts are in.

    Args:
        language: one of `LANGUAGES`, `auto` or `none`.
        texts: those that are to be searched; read for `auto` only.
    """
    return Analyser(detect_language(texts) if language == AUTO else language)


def language_of(name: str) -> str:
    """Returns the language of the analyser that has a name, such as `german`; `none` for an empty name."""
    undecided = {title: language for language, title in _UNDECIDED.items()}
    return undecided.get(name, name.partition(":")[0].lower() or NONE)


def check_language(language: str, key: str) -> None:
    """Refuses a name that is no language here.

    Raises:
        UserError: with those that there are, and what to write where none of them is meant.
    """
    if language not in (AUTO, NONE, *LANGUAGES):
        close = difflib.get_close_matches(language, LANGUAGES, n=1, cutoff=_MISSPELT)
        meant = f"did you mean {close[0]}? " if close else ""
        known = f"known are {', '.join(LANGUAGES)}"
        what = f"BM25 knows no such language as {language!r}"
        remedy = f"{meant}{known}; for another one set it to {NONE}, and to have it found out to {AUTO}"
        raise UserError(what, where=f"{key}={language}", remedy=remedy)


def analyser_identity(language: str) -> dict[str, str]:
    """Returns what an analyser depends on beside texts and sources: the setting, and the libraries that it asks."""
    return {"language": language, **{package: version(package) for package in ("PyStemmer", "bm25s")}}


def _stop_words(language: str) -> frozenset[str]:
    """Returns the stop words of a language, folded as texts are; empty where there is no list."""
    if language not in _STOP_WORDS:
        return frozenset()
    from bm25s import stopwords

    listed = getattr(stopwords, f"STOPWORDS_{_STOP_WORDS[language]}")
    return frozenset(word for entry in listed for word in words(entry))


def _stemmer(language: str) -> Any:
    """Returns PyStemmer's stemmer of a language; None where there is none."""
    if language not in _STEMMED:
        return None
    import Stemmer

    return Stemmer.Stemmer(language)
