"""The model card."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tests.support.training import MEASURED
from training.card import render_card, write_card
from training.config import ModelConfig

CONFIG = ModelConfig(base="owner/bees", seed=0, query_prefix="query: ", learning_rate=2e-5, num_hard_negatives=3)
ROWS = pa.table({"passage": ["a", "b", "b"]})


def test_a_card_says_what_the_model_is_and_how_to_use_it() -> None:
    card = render_card(CONFIG, ROWS, MEASURED)
    assert card.startswith("---\nlibrary_name: sentence-transformers\n")
    for part in ("# bees, tuned", "`owner/bees`", "32 dimensions", "`'query: '`", "`''`", "48 tokens", "Licence"):
        assert part in card


def test_a_card_says_what_it_was_trained_on_and_how() -> None:
    card = render_card(CONFIG, ROWS, MEASURED).splitlines()
    for row in (
        "| training pairs | 3 |",
        "| different passages | 2 |",
        "| hard negatives per query | 3 |",
        "| loss | mnrl |",
        "| batch size | 128 |",
        "| learning rate | 2e-05 |",
        "| steps | 20 |",
        "| precision | fp32 |",
        "| warmup share | 0.1 |",
    ):
        assert row in card


def test_a_card_is_the_readme_of_its_folder(tmp_path: Path) -> None:
    write_card(tmp_path, CONFIG, ROWS, MEASURED)
    assert (tmp_path / "README.md").read_text() == render_card(CONFIG, ROWS, MEASURED)
