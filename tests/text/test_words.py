"""Words: the same definition in every script, and the same one for everybody who counts words."""
# ruff: noqa: RUF001 (letters of other scripts look like Latin ones)

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine.filters.contract
import engine.search.bm25
import engine.text.spans
from engine.filters.contract import Row
from engine.search.bm25 import Bm25Index
from engine.text.spans import fold
from engine.text.words import is_unspaced, pieces, runs, words
from eval.data_quality import queries
from tests.support.paths import ROOT

SENTENCES = {
    "English": ("Don't re-read v2.0 of read_text()!", ["don", "t", "re", "read", "v2", "0", "of", "read_text"]),
    "French": ("L'été à São Paulo, ÇA VA ?", ["l", "été", "à", "são", "paulo", "ça", "va"]),
    "Czech": ("Příliš ŽLUŤOUČKÝ kůň", ["příliš", "žluťoučký", "kůň"]),
    "German": ("STRASSE oder Straße?", ["strasse", "oder", "strasse"]),
    "Turkish": ("İstanbul'da", ["i̇stanbul", "da"]),
    "Vietnamese": ("Tiếng Việt", ["tiếng", "việt"]),
    "Russian": ("Ёлка и подъезд: №5", ["ёлка", "и", "подъезд", "no5"]),
    "Greek": ("Ο ΣΊΣΥΦΟΣ, ο Σίσυφος", ["ο", "σίσυφοσ", "ο", "σίσυφοσ"]),
    "Arabic with vowel signs": ("ذَهَبَ الوَلَدُ إِلَى المَدْرَسَةِ.", ["ذَهَبَ", "الوَلَدُ", "إِلَى", "المَدْرَسَةِ"]),
    "Arabic without": ("ما هي عاصمة مصر؟", ["ما", "هي", "عاصمة", "مصر"]),
    "Persian with a joiner": ("می\u200cخواهم بروم", ["میخواهم", "بروم"]),
    "Hebrew with points": ("שָׁלוֹם עֲלֵיכֶם", ["שָׁלוֹם", "עֲלֵיכֶם"]),
    "Hebrew": ("מה השעה בתל־אביב?", ["מה", "השעה", "בתל", "אביב"]),
    "Hindi": ("हिन्दी में पुस्तकें कहाँ हैं?", ["हिन्दी", "में", "पुस्तकें", "कहाँ", "हैं"]),
    "Bengali": ("বাংলা ভাষা।", ["বাংলা", "ভাষা"]),
    "Tamil": ("தமிழ் மொழி என்றால் என்ன?", ["தமிழ்", "மொழி", "என்றால்", "என்ன"]),
    "Korean": ("한국어 질문입니다.", ["한국어", "질문입니다"]),
    "Amharic": ("ሰላም ለዓለም።", ["ሰላም", "ለዓለም"]),
    "Tibetan": ("བོད་སྐད་", ["བོད", "སྐད"]),
    "Thai": ("วันนี้ที่ Wi-Fi", ["วั", "น", "นี้", "ที่", "wi", "fi"]),
    "Lao": ("ພາສາລາວ", ["ພ", "າ", "ສ", "າ", "ລ", "າ", "ວ"]),
    "Khmer": ("ភាសាខ្មែរ", ["ភា", "សា", "ខ្", "មែ", "រ"]),
    "Burmese": ("မြန်မာစာ", ["မြ", "န်", "မာ", "စာ"]),
    "Chinese": ("東京 tower有2020年建", ["東", "京", "tower", "有", "2020", "年", "建"]),
    "Chinese beyond plane 0": ("\U00020bb7野家", ["\U00020bb7", "野", "家"]),
    "Japanese": ("人々はﾃﾞｰﾀを使う。", ["人", "々", "は", "デ", "ー", "タ", "を", "使", "う"]),
    "full width": ("ＦＵＬＬ　ｗｉｄｔｈ", ["full", "width"]),
    "emoji": ("👩\u200d👩\u200d👧 ok ☺\ufe0f", ["ok"]),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_runs_are_the_same_words(language: str) -> None:
    text, _ = SENTENCES[language]
    assert [word for run in runs(text) for word in run] == words(text)


def test_a_run_holds_the_letters_that_touch() -> None:
    assert runs("GPU で動く。tower有2020年") == [["gpu"], ["で", "動", "く"], ["tower"], ["有"], ["2020"], ["年"]]
    assert runs("plain ASCII") == [["plain"], ["ascii"]]
    assert runs("한국어 질문") == [["한국어"], ["질문"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ASCII", ["plain", "ascii"]),
        ("Straße é", ["strasse", "é"]),
        ("東京都 tower有2020年", ["東京", "京都", "tower", "有", "2020", "年"]),
        ("GPU로 2019년에 학습용 가", ["gpu", "로", "2019", "년에", "학습", "습용", "가"]),
        ("ที่นี่", ["ที่นี่"]),
        ("東\u0301\u0300京\u0301\u0300都", ["東\u0301\u0300京\u0301\u0300", "京\u0301\u0300都"]),
        ("", []),
    ],
)
def test_pieces_are_words_and_pairs_of_letters_that_touch(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_words_of_any_script_however_it_is_composed(language: str, form: str) -> None:
    text, expected = SENTENCES[language]
    assert words(unicodedata.normalize(form, text)) == [unicodedata.normalize("NFKC", word) for word in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! ... \x00", []),
        ("\u0301", []),
        ("don\u2019t don\xb4t", ["don", "t", "don", "t"]),
        ("ex\xadample", ["example"]),
        ("\ufeffstart\u200b\u0e01", ["start", "\u0e01"]),
        ("x\xb2 \xbd", ["x2", "1", "2"]),
        ("\ud800lone é", ["lone", "é"]),
        ("_private __init__", ["_private", "__init__"]),
    ],
)
def test_characters_at_the_border_of_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_upper_case_and_lower_case_give_the_same_words() -> None:
    for text, _ in SENTENCES.values():
        lower = text.casefold()
        assert words(lower.upper()) == words(lower), text


def test_a_text_of_ascii_has_the_words_that_the_same_text_has_beside_others() -> None:
    ascii_text = "".join(map(chr, range(128))) + " How does itertools.groupby() WORK? a_b-c'd 3.14"
    assert [*words(ascii_text), "é"] == words(f"{ascii_text} é")


def test_korean_has_spaces_and_chinese_has_not() -> None:
    assert is_unspaced("北京的人口 2020")
    assert is_unspaced("ﾊﾟｿｺﾝ")
    assert is_unspaced("ที่นี่")
    assert not is_unspaced("서울의 인구")
    assert not is_unspaced("हिन्दी में")
    assert not is_unspaced("what is Python")
    assert not is_unspaced("what is 北京")
    assert not is_unspaced("")


def test_filters_bm25_and_data_quality_count_the_same_words() -> None:
    users = (engine.filters.contract, engine.search.bm25, engine.text.spans, queries)
    assert {user.__name__: user.words for user in users} == {user.__name__: words for user in users}
    for text, _ in SENTENCES.values():
        assert Row(text).words == words(text)
        assert set(Bm25Index(["a"], [text]).vocabulary) == set(words(text))
        assert fold(text).split() == words(text)
        assert queries.describe_queries([text]).vocabulary == len(set(words(text)))


WORD_PATTERN = re.compile(r"(?:\\b)?\(?(?:\\w|\[\^?\\[wW][^\]\\.]*\])[+*]\)?(?:\\b)?")
"""A regular expression that is nothing but a word: `\\w+`, `\\b\\w+\\b`, `[\\w'-]+`, `[^\\W_]+`."""


def patterns(file: Path) -> Iterator[str]:
    """The strings of a source file."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_no_other_module_defines_a_word() -> None:
    files = [file for package in ("engine", "training", "eval") for file in (ROOT / package).rglob("*.py")]
    defining = {file.relative_to(ROOT).as_posix() for file in files if any(map(WORD_PATTERN.fullmatch, patterns(file)))}
    assert defining == {"engine/text/words.py"}


@pytest.mark.parametrize("pattern", [r"\w+", r"\b\w+\b", r"(\w+)", r"[\w'-]+", r"[^\W_]+"])
def test_a_definition_of_a_word_would_be_found(pattern: str) -> None:
    assert WORD_PATTERN.fullmatch(pattern)
