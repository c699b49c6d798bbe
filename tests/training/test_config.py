"""The model's config: what is refused, how the rate follows the batch size, and what counts for the fingerprint."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from engine.search.pooling import Pooling
from tests.support.training import make_config, with_settings
from training.config import SCORERS, ClassWeights, Family, ModelConfig
from training.families.lora import LoraConfig
from training.losses.settings import Loss
from training.negative_settings import RetrieverConfig
from training.validation.config import ValidationConfig


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"batch_size": 1}, "model.batch_size=1"),
        ({"learning_rate": 0.0}, "model.learning_rate=0.0"),
        ({"learning_rate": 2e5}, "model.learning_rate=200000.0"),
        ({"epochs": 0}, "model.epochs=0"),
        ({"scale": 0.0}, "model.scale=0.0"),
        ({"scale": -1.0}, "model.scale=-1.0"),
        ({"weight_decay": -0.1}, "model.weight_decay=-0.1"),
        ({"warmup_share": 1.0}, "model.warmup_share=1.0"),
        ({"max_failures": -1}, "model.max_failures=-1"),
        ({"batch_size": 8, "num_workers": 3}, "model.batch_size=8"),
        ({"hard_negative_first_rank": 60}, "model.hard_negative_first_rank=60"),
        ({"hard_negative_margin": 1.5}, "model.hard_negative_margin=1.5"),
        ({"family": Family.cross_encoder, "pooling": Pooling.cls}, "model.pooling=cls"),
        ({"family": Family.classifier, "query_prefix": "query: "}, "model.query_prefix=query: "),
        ({"family": Family.adapter, "lora": LoraConfig(rank=8)}, "model.lora.rank=8"),
        ({"family": Family.classifier, "lora": LoraConfig(rank=8, merge=False)}, "model.lora.merge=False"),
        (
            {"iterations": 2, "num_hard_negatives": 1, "lora": LoraConfig(rank=8, merge=False)},
            "model.lora.merge=False",
        ),
        ({"label": "tone"}, "model.label=tone"),
        ({"family": Family.classifier, "controls": {"free": "yes"}}, "model.controls={'free': 'yes'}"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        ModelConfig(seed=0, **changes)
    assert caught.value.where == where
    assert caught.value.remedy.startswith("set it to ")


def test_iterations_of_a_classifier_are_refused_without_naming_negatives_that_it_cannot_mine() -> None:
    with pytest.raises(UserError, match=r"a classifier mines nothing by its vectors; set it to 1$"):
        ModelConfig(seed=0, family=Family.classifier, iterations=2)


def test_a_family_has_the_article_that_it_is_spoken_with() -> None:
    spoken = [family.with_article for family in Family]
    assert spoken == ["a bi_encoder", "a cross_encoder", "a classifier", "an adapter"]
    with pytest.raises(UserError, match=r"^model.lora.rank=8: an adapter has one layer"):
        ModelConfig(seed=0, family=Family.adapter, lora=LoraConfig(rank=8))


def test_the_rate_goes_with_the_root_of_the_batch_size() -> None:
    config = ModelConfig(seed=0, batch_size=64, learning_rate=4e-5)
    smaller = config.with_batch_size(16)
    assert (smaller.batch_size, smaller.learning_rate) == (16, pytest.approx(2e-5))
    assert smaller.with_batch_size(64).learning_rate == pytest.approx(config.learning_rate)
    assert config.with_batch_size(19).learning_rate == pytest.approx(4e-5 * math.sqrt(19 / 64))


def test_the_identity_knows_the_weights_and_not_the_place(base: Path) -> None:
    config = make_config(base, num_workers=1)
    assert identity_of(config) == identity_of(make_config(base, num_workers=2, checkpoint_steps=7))
    assert str(base) not in json.dumps(identity_of(config))
    assert identity_of(config) != identity_of(make_config(base, learning_rate=1e-5))
    assert identity_of(config) != identity_of(make_config(base, loss=Loss.cached_mnrl))


def test_the_identity_has_the_prefixes_and_the_similarity_that_are_used(base: Path, tmp_path: Path) -> None:
    e5 = with_settings(base, tmp_path / "e5", prompts={"query": "q: ", "passage": "p: "}, similarity_fn_name="dot")
    identity = identity_of(make_config(e5))
    assert isinstance(identity, dict)
    assert [identity[name] for name in ("query_prefix", "passage_prefix", "similarity")] == ["q: ", "p: ", "dot"]
    assert identity == identity_of(make_config(e5, query_prefix="q: ", passage_prefix="p: "))
    assert identity != identity_of(make_config(e5, query_prefix=""))


def test_a_base_that_compares_by_a_distance_is_refused_with_the_first_look_at_it(base: Path, tmp_path: Path) -> None:
    folder = with_settings(base, tmp_path / "base", similarity_fn_name="manhattan")
    with pytest.raises(UserError, match=r"model\.base=.*manhattan"):
        identity_of(make_config(folder))


def test_how_vectors_of_the_base_are_compared_is_nothing_to_a_scorer(base: Path, tmp_path: Path) -> None:
    folder = with_settings(base, tmp_path / "base", prompts={"query": "q: "}, similarity_fn_name="manhattan")
    for family in SCORERS:
        config = make_config(folder, family=family)
        assert identity_of(config)
        assert config.usage().query_prefix == ""


def test_names_of_the_config_are_what_identities_hold(base: Path) -> None:
    identity = identity_of(make_config(base))
    assert isinstance(identity, dict)
    assert (identity["loss"], identity["precision"]) == ("auto", "fp32")


def test_what_is_made_of_a_base_counts(base: Path) -> None:
    made = [
        {},
        {"pooling": Pooling.cls},
        {"lora": LoraConfig(rank=8)},
        *({"family": family} for family in Family if family is not Family.bi_encoder),
    ]
    identities = [json.dumps(identity_of(make_config(base, **settings))) for settings in made]
    assert len(set(identities)) == len(made)
    assert {Family.cross_encoder, Family.classifier} == SCORERS


ONLY_OF_ENCODERS: dict[str, Any] = {
    "validation": ValidationConfig(every=3),
    "margin": 0.7,
    "guide": "nowhere",
    "teacher_temperature": 0.5,
    "hard_negative_margin": 0.5,
    "retriever": RetrieverConfig("nowhere"),
}


@pytest.mark.parametrize("family", sorted(SCORERS, key=lambda family: family.value))
def test_the_identity_of_a_scorer_has_nothing_that_does_not_reach_it(base: Path, family: Family) -> None:
    plain = identity_of(make_config(base, family=family))
    for name, value in ONLY_OF_ENCODERS.items():
        assert identity_of(make_config(base, family=family, **{name: value})) == plain, name
    assert identity_of(make_config(base, family=family, epochs=9)) != plain


def test_a_cross_encoder_that_learns_a_teachers_ranking_counts_by_how_it_does(base: Path) -> None:
    learning = {"family": Family.cross_encoder, "num_hard_negatives": 0, "loss": Loss.kl}
    plain = identity_of(make_config(base, **learning))
    for name, value in {"teacher_temperature": 2.0, "ranking_share": 0.1}.items():
        assert identity_of(make_config(base, **learning, **{name: value})) != plain, name
    assert identity_of(make_config(base, **learning, share_candidates=False)) == plain
    assert identity_of(make_config(base, **learning, margin=0.7)) == plain


def test_negatives_count_by_how_they_are_mined(base: Path, tmp_path: Path) -> None:
    mining = {"family": Family.cross_encoder, "num_hard_negatives": 1}
    plain = identity_of(make_config(base, **mining))
    other = with_settings(base, tmp_path / "other", prompts={"query": "q: "})
    assert identity_of(make_config(base, **mining, retriever=RetrieverConfig(str(other)))) != plain
    assert identity_of(make_config(base, **mining, hard_negative_margin=0.5)) != plain
    assert identity_of(make_config(base, **mining, class_weights=ClassWeights.balanced)) == plain
    assert identity_of(make_config(base, class_weights=ClassWeights.balanced)) == identity_of(make_config(base))
