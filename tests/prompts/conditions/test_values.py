"""The values of one attribute: what is read, and what is refused by its line or place."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.prompts.conditions.values import choice_of, numbers_of, read_words
from engine.task.config import RangeConfig
from engine.task.shares import text_of, weights_of


def test_a_missing_file_names_those_that_ship() -> None:
    with pytest.raises(UserError) as caught:
        read_words("package:words/noun.txt", "here")
    assert "package:words/adjectives.txt, package:words/nouns.txt, package:words/verbs.txt" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("cat\ncat\n", ":2", "'cat' stands twice"),
        ("cat\tmany\n", ":1", "the weight 'many' is no number"),
        ("cat\t-1\n", ":1", "the weight '-1' is no number of 0 or more"),
        ("# one\n\nc|t\n", ":3", "holds a sign"),
        ("# nothing\n", "", "the file holds no value"),
    ],
)
def test_a_word_list_is_faulted_by_its_line(tmp_path: Path, text: str, line: str, what: str) -> None:
    file = tmp_path / "words.txt"
    file.write_text(text)
    with pytest.raises(UserError, match=what.replace("|", r"\|")) as caught:
        read_words(str(file), "here")
    assert caught.value.where == f"{file}{line}"


@pytest.mark.parametrize(
    ("raw", "weights"),
    [(["a", 1, 2.5], {"a": 1.0, "1": 1.0, "2.5": 1.0}), ({"a": 3, 7: 0.5}, {"a": 3.0, "7": 0.5}), ([], {})],
)
def test_lists_and_mappings_are_weights(raw: Any, weights: dict[str, float]) -> None:
    assert weights_of(raw, "here") == weights


def test_what_has_no_weight_is_not_drawn() -> None:
    assert choice_of({"a": 2.0, "b": 0.0}, "here").values == ["a"]
    with pytest.raises(UserError, match="draw nothing"):
        choice_of({"b": 0.0}, "here")


@pytest.mark.parametrize("raw", [True, None, ["a"], "a|b"])
def test_what_is_no_text_is_refused(raw: object) -> None:
    with pytest.raises(UserError) as caught:
        text_of(raw, "here")
    assert caught.value.where == "here"


def test_numbers_are_exact_decimals() -> None:
    assert numbers_of(RangeConfig(0, 1, 0.1), "here")[3] == "0.3"
    assert numbers_of(RangeConfig(1, 3), "here") == ["1", "2", "3"]
    assert numbers_of(RangeConfig(1e6, 1.5e6, 250_000), "here") == ["1000000", "1250000", "1500000"]
    assert numbers_of(RangeConfig(0.5, 2), "here") == ["0.5", "1.5"]
