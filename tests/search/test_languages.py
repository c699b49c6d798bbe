"""The language of a collection: told on real text, and not told where it cannot be."""

from __future__ import annotations

import pytest

from engine.search.languages import MIXED, UNKNOWN, detect_language, language_of
from tests.support.languages import ARTICLES

LATIN = [name for name, text in ARTICLES.items() if text[0] < "\u0100"]


@pytest.mark.parametrize("language", ARTICLES)
def test_the_language_of_real_text(language: str) -> None:
    assert language_of(ARTICLES[language]) == language
    assert detect_language([ARTICLES[language]] * 3) == language


def test_titles_and_code_among_the_passages_do_not_hide_the_language() -> None:
    titles = ["Boundary layers", "x = 1", "", "2024-11-26", "Heat transfer"]
    assert [language_of(title) for title in titles] == [""] * 5
    assert detect_language([ARTICLES["english"], *titles] * 20) == "english"


def test_a_few_passages_in_another_language_do_not_count() -> None:
    assert detect_language([ARTICLES["french"]] * 9 + [ARTICLES["english"]]) == "french"


@pytest.mark.parametrize("other", ["german", "korean", "arabic"])
def test_a_mixed_collection_is_mixed(other: str) -> None:
    assert detect_language([ARTICLES["english"], ARTICLES[other]] * 10) == MIXED


def test_words_of_another_script_do_not_make_a_text_foreign() -> None:
    assert language_of(f"{ARTICLES['korean']} All human beings are born free.") == "korean"
    assert language_of(f"{ARTICLES['english']} 人間は") == "english"


@pytest.mark.parametrize("texts", [[], [""], ["", "  "], ["lorem ipsum dolor"] * 5, ["0 1 2", "???"], ["እንኳን ደህና መጡ"]])
def test_what_cannot_be_told_is_unknown(texts: list[str]) -> None:
    assert detect_language(texts) == UNKNOWN


def test_the_order_of_words_makes_no_difference_where_half_of_them_tell() -> None:
    assert language_of("Python 설명") == language_of("설명 Python") == "korean"


def test_chinese_names_in_japanese_text_leave_it_japanese() -> None:
    assert language_of("東京都庁舎は新宿区にある。東京都千代田区丸の内。") == "japanese"
    assert language_of("東京都庁舎") == "chinese"  # nothing of it is Japanese alone


def test_the_sample_is_spread_over_the_collection() -> None:
    texts = [ARTICLES["english"]] * 1000 + [ARTICLES["german"]] * 1000
    assert detect_language(texts) == MIXED
    assert detect_language([ARTICLES["english"]] * 1001) == "english"


def test_the_same_texts_have_the_same_language() -> None:
    texts = [ARTICLES[name] for name in LATIN] * 3
    assert {detect_language(texts) for _ in range(3)} == {MIXED}
