"""What search engines call the stemmer of a language.

In: the language of an analyser. Out: names for Lucene (OpenSearch, Elasticsearch), PostgreSQL and Vespa, as far as
they have one. The tables are those of Elasticsearch 8 and OpenSearch 2, PostgreSQL 15 and ISO 639-1.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.search.analyser import PAIRED

_CODES = {
    "arabic": "ar",
    "armenian": "hy",
    "basque": "eu",
    "catalan": "ca",
    "chinese": "zh",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "english": "en",
    "estonian": "et",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "irish": "ga",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "lithuanian": "lt",
    "nepali": "ne",
    "norwegian": "nb",
    "persian": "fa",
    "polish": "pl",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "serbian": "sr",
    "spanish": "es",
    "swedish": "sv",
    "tamil": "ta",
    "thai": "th",
    "turkish": "tr",
}
"""ISO 639-1, by the name of the language."""
_LUCENE_SNOWBALL = frozenset(
    {
        *("arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "estonian", "finnish", "french"),
        *("german", "hungarian", "irish", "italian", "lithuanian", "norwegian", "portuguese", "romanian", "russian"),
        *("spanish", "swedish", "turkish"),
    }
)
_LUCENE_OTHER = frozenset(("czech", "greek", "hindi", "indonesian"))
_POSTGRES = (_LUCENE_SNOWBALL - {"estonian"}) | {"greek", "hindi", "indonesian", "nepali", "serbian", "tamil"}


@dataclass(frozen=True)
class LuceneStemmer:
    """A token filter that stems."""

    filter: str
    """Its type: `snowball`, or `stemmer` where Lucene has another algorithm."""
    language: str

    @property
    def is_snowball(self) -> bool:
        """Tells whether it is the algorithm that was measured."""
        return self.filter == "snowball"


@dataclass(frozen=True)
class EngineNames:
    """A language, as search engines name it; empty or None where they do not know it."""

    lucene: LuceneStemmer | None
    postgres: str
    """A text search configuration."""
    code: str
    bigrams: bool
    """Whether its words are pairs of characters."""


def engine_names(language: str) -> EngineNames:
    """Returns the names of a language.

    Args:
        language: that of an `Analyser`.
    """
    return EngineNames(
        _lucene(language),
        language if language in _POSTGRES else "",
        _CODES.get(language, ""),
        language in PAIRED,
    )


def _lucene(language: str) -> LuceneStemmer | None:
    if language in _LUCENE_SNOWBALL:
        return LuceneStemmer("snowball", language.capitalize())
    return LuceneStemmer("stemmer", language) if language in _LUCENE_OTHER else None
