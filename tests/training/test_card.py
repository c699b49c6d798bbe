"""The model card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from engine.search.usage import Similarity, Usage
from tests.support.training import MEASURED
from training.card import render_card, write_card
from training.config import ModelConfig
from training.workers.job import TrainingJob

CONFIG = ModelConfig(base="owner/bees", seed=0, query_prefix="query: ", learning_rate=2e-5, num_hard_negatives=3)
USAGE = Usage("query: ", "", Similarity.cosine)
JOB = TrainingJob(CONFIG, USAGE, Path("base"), Path("output"), Path("logs"), total_steps=20, threads=1)
ROWS = pa.table({"passage": ["a", "b", "b"]})


def test_a_card_says_what_the_model_is_and_how_to_use_it() -> None:
    card = render_card(JOB, ROWS, MEASURED)
    assert card.startswith("---\nlibrary_name: sentence-transformers\n")
    for part in (
        "# bees, tuned",
        "`owner/bees`",
        "32 dimensions",
        "`'query: '`",
        "`''` (the base's own)",
        "by cosine",
        "48 tokens",
        "Licence",
    ):
        assert part in card


def test_a_card_says_what_it_was_trained_on_and_how() -> None:
    card = render_card(JOB, ROWS, MEASURED).splitlines()
    for row in (
        "| training pairs | 3 |",
        "| different passages | 2 |",
        "| hard negatives per query | 3 |",
        "| loss | mnrl |",
        "| batch size | 128 |",
        "| learning rate | 2e-05 |",
        "| steps | 20 |",
        "| precision | fp32 |",
        "| similarity | cosine |",
        "| scale | 20 |",
        "| warmup share | 0.1 |",
    ):
        assert row in card


def test_a_card_of_a_model_for_dot_products_says_so() -> None:
    job = replace(JOB, usage=Usage("query: ", "passage: ", Similarity.dot))
    card = render_card(job, ROWS, replace(MEASURED, scale=1.0))
    for part in ("compared by dot product", "`'passage: '` (the base's own)", "| similarity | dot |", "| scale | 1 |"):
        assert part in card
    assert "`'query: '` (the" not in card, "the config's prefix is not the base's"


def test_a_card_is_the_readme_of_its_folder(tmp_path: Path) -> None:
    write_card(replace(JOB, output=tmp_path), ROWS, MEASURED)
    assert (tmp_path / "README.md").read_text() == render_card(JOB, ROWS, MEASURED)
