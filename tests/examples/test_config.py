"""The config of the examples step: what it refuses, what its identity is, and what of it serves round 0."""

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.examples.config import ExamplesConfig
from engine.examples.duplicates.config import DedupConfig
from engine.examples.filters.chain import FILTER_NAMES, FiltersConfig
from engine.examples.round_trip import RoundTripConfig
from engine.runtime.identity import identity_of
from engine.search.encoder import EncoderConfig

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
CONFIG = ExamplesConfig(encoder=ENCODER, seed=0)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_validation_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(UserError, match=rf"examples.validation_share: {share} leaves nothing to train on, or is no sh"):
        ExamplesConfig(validation_share=share)
    assert ExamplesConfig(validation_share=0.0).validation_share == 0


def test_a_passage_that_may_keep_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"examples.max_per_passage: 0 keeps nothing; set it to 1 or more, or null"):
        ExamplesConfig(max_per_passage=0)
    assert ExamplesConfig(max_per_passage=1).max_per_passage == 1


def test_the_identity_has_every_setting() -> None:
    identity = identity_of(CONFIG)
    assert isinstance(identity, dict)
    nested = {"filters": FiltersConfig(), "dedup": DedupConfig(), "round_trip": RoundTripConfig(), "encoder": ENCODER}
    plain = {"validation_share": 0.1, "max_per_passage": None, "seed": 0}
    assert identity == {name: identity_of(config) for name, config in nested.items()} | plain
    assert identity["filters"] == {
        "use": list(FILTER_NAMES),
        "min_words": 2,
        "max_words": 50,
        "min_characters": 4,
        "max_characters": 400,
        "max_repeated_share": 0.3,
        "max_copied_share": 0.8,
        "min_logprob": None,
    }


def test_an_encoder_that_measures_nothing_changes_nothing() -> None:
    shorter = replace(CONFIG, encoder=replace(ENCODER, max_tokens=32))
    assert identity_of(shorter) != identity_of(CONFIG)
    assert identity_of(shorter.row_filters_only()) == identity_of(CONFIG.row_filters_only())


def test_round_0_keeps_the_filters_of_one_row_and_equal_queries_apart() -> None:
    config = replace(CONFIG, filters=FiltersConfig(use=["format"]), dedup=DedupConfig(exact=False), max_per_passage=2)
    reduced = config.row_filters_only()
    assert reduced.filters == config.filters
    assert reduced.dedup.exact
    assert not reduced.dedup.near
    assert not reduced.round_trip.enabled
    assert reduced.max_per_passage is None
