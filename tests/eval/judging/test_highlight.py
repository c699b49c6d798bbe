"""Words of the query are found in a passage by their terms, and the text stays as it is."""

from __future__ import annotations

import pytest

from engine.search.analyser import Analyser
from eval.judging.highlight import cut_at_words

ENGLISH = Analyser("english").terms
JAPANESE = Analyser("japanese").terms
HINDI = Analyser("hindi").terms


@pytest.mark.parametrize(
    ("query", "text", "shown"),
    [
        ("stop the rotting", "Rot, rots; the rotten. Rotation!", ["Rot", "rots"]),
        ("json.dumps", "use json.dumps(x) or dump", ["json", "dumps", "dump"]),
        ("nothing", "of that", []),
        ("salt", "", []),
        ("salt", "salt", ["salt"]),
        ("café", "Cafe\u0301 or cafe", ["Cafe\u0301"]),
    ],
)
def test_words_with_a_wanted_stem_are_cut_out(query: str, text: str, shown: list[str]) -> None:
    pieces = cut_at_words(text, frozenset(ENGLISH(query)), ENGLISH)
    assert pieces[1::2] == shown
    assert "".join(pieces) == text


def test_letters_of_wanted_pairs_are_cut_out_where_no_spaces_part_words() -> None:
    text = "新しい東京都の人口"
    pieces = cut_at_words(text, frozenset(JAPANESE("東京の人口")), JAPANESE)
    assert "".join(pieces) == text
    assert pieces[1::2] == ["東京", "の人口"]


def test_vowel_signs_do_not_cut_a_word() -> None:
    text = "नमक कितने दिन टिकता है"
    pieces = cut_at_words(text, frozenset(HINDI("दिन")), HINDI)
    assert pieces[1::2] == ["दिन"]
