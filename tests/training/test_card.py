"""The model card."""

from __future__ import annotations

from training.card import CardFacts, render_card


def test_a_card_says_what_the_model_is_and_how_to_use_it() -> None:
    facts = CardFacts("Bees", "owner/base", 384, 256, "query: ", "", {"training_examples": 12}, {"learning_rate": 2e-5})
    card = render_card(facts)
    assert card.startswith("---\nlibrary_name: sentence-transformers\n")
    for part in ("# Bees", "`owner/base`", "384 dimensions", "`'query: '`", "| training examples | 12 |", "2e-05"):
        assert part in card
