"""The model card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.forms import Form
from engine.search.usage import Similarity, Usage
from tests.support.training import MEASURED
from training.card import render_card, write_card
from training.card_texts import CARD_TEXTS
from training.config import Family, ModelConfig
from training.families.lora import LoraConfig
from training.labels import HeldOut, Labels
from training.origin import GENERATED, given_origin
from training.workers.job import Figures, TrainingJob

CONFIG = ModelConfig(base="owner/bees", seed=0, query_prefix="query: ", learning_rate=2e-5, num_hard_negatives=3)
USAGE = Usage("query: ", "", Similarity.cosine)
JOB = TrainingJob(CONFIG, USAGE, Path("base"), Path("output"), Path("logs"), total_steps=20, threads=1)
ROWS = pa.table({"passage": ["a", "b", "b"]})


def test_a_card_says_what_the_model_is_and_how_to_use_it() -> None:
    card = render_card(JOB, ROWS, MEASURED, GENERATED)
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
    card = render_card(JOB, ROWS, MEASURED, GENERATED).splitlines()
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
    card = render_card(job, ROWS, replace(MEASURED, figures=Figures(scale=1.0, dimensions=32)), GENERATED)
    for part in ("compared by dot product", "`'passage: '` (the base's own)", "| similarity | dot |", "| scale | 1 |"):
        assert part in card
    assert "`'query: '` (the" not in card, "the config's prefix is not the base's"


@pytest.mark.parametrize("family", list(Family))
def test_a_card_tells_a_folder_by_its_last_part(family: Family) -> None:
    config = ModelConfig(base="/home/alice/x/bge", seed=0, family=family, lora=LoraConfig())
    labels = Labels(("kind", "rude"), False, (), HeldOut((), ())) if family is Family.classifier else None
    card = render_card(replace(JOB, config=config, labels=labels), ROWS, MEASURED, GENERATED)
    assert "alice" not in card
    assert "# bge, tuned" in card
    assert "derived from `bge`" in card


def test_a_card_is_the_readme_of_its_folder(tmp_path: Path) -> None:
    write_card(replace(JOB, output=tmp_path), ROWS, MEASURED, GENERATED)
    assert (tmp_path / "README.md").read_text() == render_card(JOB, ROWS, MEASURED, GENERATED)


@pytest.mark.parametrize(
    ("family", "parts"),
    [
        (Family.adapter, ("SentenceTransformer(", "vectors of passages are those of `owner/bees`", "| scale | 20 |")),
        (Family.cross_encoder, ("pipeline_tag: text-ranking", "CrossEncoder(", "| hard negatives per query | 3 |")),
    ],
)
def test_a_card_says_how_a_family_is_loaded(family: Family, parts: tuple[str, ...]) -> None:
    config = ModelConfig(base="owner/bees", seed=0, family=family, num_hard_negatives=3, lora=LoraConfig())
    card = render_card(replace(JOB, config=config), ROWS, MEASURED, GENERATED)
    for part in (*parts, f"| family | {family.value} |", "`owner/bees`, tuned by synthmill on queries"):
        assert part in card
    assert "LoRA" not in card
    assert set(CARD_TEXTS) == set(Family)


@pytest.mark.parametrize("several", [False, True])
def test_a_card_of_a_classifier_says_which_labels_and_how_sure(several: bool) -> None:
    config = ModelConfig(base="owner/bees", seed=0, family=Family.classifier, lora=LoraConfig(rank=8))
    labels = Labels(("kind", "rude"), several, (), HeldOut(("a", "b"), ((0,), (1,))))
    measured = replace(MEASURED, figures=Figures(dimensions=2, temperature=1.5))
    card = render_card(
        replace(JOB, config=config, labels=labels), pa.table({"text": ["a", "b", "c"]}), measured, GENERATED
    )
    sigmoid = "torch.sigmoid(classify.model(**inputs).logits / temperature)"
    softmax = "torch.softmax(classify.model(**inputs).logits / temperature, dim=-1)"
    for part in (
        "library_name: transformers",
        f"It gives a text {'any number' if several else 'one'} of 2 labels: `kind`, `rude`.",
        "calibrated on 2 held-out texts divide the scores by 1.5",
        sigmoid if several else softmax,
        "| training texts | 3 |",
        "| LoRA | rank 8, alpha 32 |",
        "| class weights | none |",
    ):
        assert part in card


def test_a_card_of_given_texts_calls_none_of_them_generated() -> None:
    card = render_card(JOB, pa.table({"text": ["a", "b"]}), MEASURED, given_origin(Form.texts))
    assert "tuned by synthmill on plain texts that were given." in card
    assert "language model" not in card
    assert "synthetic-data" not in card
    assert "synthetic-data" in render_card(JOB, ROWS, MEASURED, GENERATED)
