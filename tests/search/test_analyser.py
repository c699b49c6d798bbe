"""What BM25 counts of a text, language by language, and that the name says so."""
# ruff: noqa: RUF001 (letters of other scripts look like Latin ones)

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.search.analyser import (
    AUTO,
    LANGUAGES,
    NONE,
    Analyser,
    analyser_identity,
    check_language,
    make_analyser,
)
from engine.search.bm25 import Bm25Index
from engine.text.words import words
from tests.support.languages import ARTICLES

TERMS = {
    "english": ("The wings of swept wing aircraft", ["wing", "swept", "wing", "aircraft"]),
    "german": ("Die Häuser und das Haus", ["haus", "haus"]),
    "french": ("Les chevaux, le cheval", ["cheval", "cheval"]),
    "spanish": ("Las bibliotecas y la biblioteca", ["bibliotec", "bibliotec"]),
    "russian": ("Книги и книга", ["книг", "книг"]),
    "finnish": ("talossa talosta", ["talo", "talo"]),
    "korean": (
        "서울의 대학교에서 2019년 GPU를",
        ["서울", "울의", "대학", "학교", "교에", "에서", "2019", "년", "gpu", "를"],
    ),
    "japanese": ("東京タワーは、高い。", ["東京", "京タ", "タワ", "ワー", "ーは", "高い"]),
    "chinese": ("我的猫,很好。Python3", ["我的", "的猫", "很好", "python3"]),
    "thai": ("ภาษาไทย", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย"]),
}
SAME = {
    "english": ("a heated plate", "the heating of plates"),
    "german": ("die Bücher", "ein Buch"),
    "french": ("les libertés", "la liberté"),
    "spanish": ("las canciones", "una canción"),
    "russian": ("о больших городах", "большой город"),
    "arabic": ("الكتاب", "كتاب"),
    "hindi": ("किताबें", "किताब"),
    "korean": ("대학교에서", "대학교는"),
    "japanese": ("東京で", "東京は"),
    "chinese": ("北京大学", "在北京"),
    "thai": ("ภาษา", "ภาษาไทย"),
}


@pytest.mark.parametrize("language", TERMS)
def test_the_terms_of_a_text(language: str) -> None:
    text, expected = TERMS[language]
    assert Analyser(language).terms(text) == expected


@pytest.mark.parametrize("language", SAME)
def test_another_form_of_a_word_is_found(language: str) -> None:
    first, second = SAME[language]
    assert set(Analyser(language).terms(first)) & set(Analyser(language).terms(second))
    if language not in {"english", "thai"}:
        assert not set(words(first)) & set(words(second)) or language in {"japanese", "chinese"}
    index = Bm25Index(["a", "b"], [first, "zzz"], terms_of=Analyser(language).terms)
    assert index.search([second], 1)[0].tolist() == [[0]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_reads_every_text(language: str) -> None:
    analyser = Analyser(language)
    assert analyser.name.startswith(f"{language.capitalize()}: ")
    assert analyser.is_decided
    assert not analyser.warning
    for text in (*ARTICLES.values(), "", "?!", "\x00 \ud800"):
        assert all(analyser.terms(text))


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("english", "English: Snowball stemmer, stop words"),
        ("russian", "Russian: Snowball stemmer, stop words"),
        ("arabic", "Arabic: Snowball stemmer"),
        ("hindi", "Hindi: Snowball stemmer"),
        ("korean", "Korean: character bigrams"),
        ("thai", "Thai: character bigrams"),
        ("ukrainian", "Ukrainian: no stemmer"),
    ],
)
def test_auto_reads_real_text_by_its_language(language: str, name: str) -> None:
    analyser = make_analyser(AUTO, [ARTICLES[language]] * 4)
    assert (analyser.language, analyser.name) == (language, name)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ([], "language not clear: no stemmer"),
        (["", "12"], "language not clear: no stemmer"),
        ([ARTICLES["english"], ARTICLES["korean"]], "several languages: no stemmer"),
    ],
)
def test_where_auto_is_unsure_nothing_is_stemmed_and_the_name_says_so(texts: list[str], name: str) -> None:
    analyser = make_analyser(AUTO, texts)
    assert (analyser.name, analyser.is_decided) == (name, False)
    assert analyser.warning == f"BM25 reads the documents with {name}; language=NAME names one"
    assert analyser.terms("The wings of 대학교") == ["the", "wings", "of", "대학", "학교"]


def test_a_language_that_is_set_is_not_looked_for() -> None:
    assert make_analyser("german", [ARTICLES["english"]]).language == "german"
    assert make_analyser(NONE, [ARTICLES["english"]]).name == "no stemmer"
    assert make_analyser(NONE, []).terms("The Wings") == ["the", "wings"]


def test_stop_words_are_folded_as_texts_are() -> None:
    assert Analyser("english").terms("DON'T you've The") == []
    assert Analyser("german").terms("Während DAß dass FÜR") == []


def test_an_unknown_language_is_refused_with_those_that_there_are() -> None:
    for language in (AUTO, NONE, *LANGUAGES):
        check_language(language, "language")
    with pytest.raises(
        UserError, match=r"language=klingon: BM25 knows no such language as 'klingon'; known are"
    ) as caught:
        check_language("klingon", "language")
    assert all(name in caught.value.remedy for name in LANGUAGES)
    assert caught.value.remedy.endswith("for another one set it to none, and to have it found out to auto")
    with pytest.raises(UserError, match=r"did you mean english\? known are arabic, "):
        check_language("englisch", "language")


def test_the_identity_names_the_setting_and_both_libraries() -> None:
    identity = analyser_identity("german")
    assert identity["language"] == "german"
    assert set(identity) == {"language", "PyStemmer", "bm25s"}
