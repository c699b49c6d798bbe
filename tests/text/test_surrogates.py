"""Half of a surrogate pair is found, mended and refused wherever it stands in a text."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.text.surrogates import check_whole, has_half, without_halves


@pytest.mark.parametrize("text", ["", "plain", "\N{GRINNING FACE}", "\ue000\ufffd"])
def test_whole_texts_stay_as_they_are(text: str) -> None:
    assert not has_half(text)
    assert without_halves(text) == text
    check_whole(text, "the text", "file:1")


@pytest.mark.parametrize(("text", "mended"), [("a\ud83d", "a "), ("\ude00\ud83d", "  "), ("a\udfffb", "a b")])
def test_halves_become_spaces_or_are_refused(text: str, mended: str) -> None:
    assert has_half(text)
    assert without_halves(text) == mended
    with pytest.raises(UserError) as caught:
        check_whole(text, "the text", "file:1")
    assert str(caught.value).startswith("file:1: the text holds half a surrogate pair; write whole characters")
