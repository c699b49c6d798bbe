"""Search engines are told the stemmer that was measured, under their own name for it, or that they have none."""

from __future__ import annotations

import pytest

from engine.handover.engines import engine_names
from engine.search.analyser import LANGUAGES, MIXED, NONE, PAIRED, UNKNOWN


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_code(language: str) -> None:
    names = engine_names(language)
    assert len(names.code) == 2
    assert names.bigrams == (language in PAIRED)
    assert not (names.bigrams and (names.lucene or names.postgres))


def test_names_are_those_of_the_engines() -> None:
    german = engine_names("german")
    assert german.lucene
    assert (german.lucene.filter, german.lucene.language, german.lucene.is_snowball) == ("snowball", "German", True)
    assert (german.postgres, german.code) == ("german", "de")
    greek = engine_names("greek")
    assert greek.lucene
    assert not greek.lucene.is_snowball
    polish = engine_names("polish")
    assert (polish.lucene, polish.postgres) == (None, "")


@pytest.mark.parametrize("language", [NONE, MIXED, UNKNOWN, ""])
def test_no_language_has_no_names(language: str) -> None:
    names = engine_names(language)
    assert (names.lucene, names.postgres, names.code, names.bigrams) == (None, "", "", False)
