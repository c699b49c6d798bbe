"""What filters see of a sample: its words, the words of its prompt, and bounds that let something through."""

import pytest

from engine.errors import UserError
from engine.filters.contract import PromptWords, Row, Thresholds, prompt_words


def test_a_row_counts_words_or_characters() -> None:
    assert Row("Where is the KEY?").words == ["where", "is", "the", "key"]
    assert Row("\u6771\u4eac").words == ["\u6771", "\u4eac"]
    assert Row("\u6771\u4eac\u306e\u4eba\u53e3").unspaced
    assert not Row("the population of Tokyo").unspaced


def test_a_row_without_a_config_has_the_default_thresholds() -> None:
    assert Row("where is the key").thresholds == Thresholds()
    assert Row("where is the key").prompt == PromptWords()


def test_short_demonstrations_are_anybodys_query() -> None:
    shown = prompt_words(["How do I sort a list?", "sort list", "how do i sort a list"])
    assert shown.demonstrations == (" how do i sort a list ",)


def test_templates_are_kept_without_their_placeholders() -> None:
    sources = ["Write {# politely #} a query.{% if condition.form %} Short!{% endif %}", "Passage: {{ passage.text }}"]
    assert prompt_words([], sources).template == " write a query short passage "


def test_nothing_was_prompted() -> None:
    assert not prompt_words([]).demonstrations
    assert not prompt_words([]).template.strip()


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_bounds_that_let_nothing_through_are_refused(kind: str) -> None:
    with pytest.raises(UserError, match=rf"examples.filters.min_{kind}: 9 is more than max_{kind}=8"):
        Thresholds(**{f"min_{kind}": 9, f"max_{kind}": 8})
    Thresholds(**{f"min_{kind}": 8, f"max_{kind}": 8})


@pytest.mark.parametrize("name", ["max_repeated_share", "max_copied_share"])
def test_a_share_below_none_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"examples.filters.{name}=-0.1: -0.1 is out of range; set it to a share"):
        Thresholds(**{name: -0.1})
    Thresholds(**{name: 0.0})
