"""The config of the examples step: what it refuses, what its identity is, and what of it serves round 0."""

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.examples.config import ExamplesConfig, filters_of_one_row
from engine.examples.duplicates.config import DedupConfig
from engine.examples.round_trip import RoundTripConfig
from engine.filters.chain import FILTER_NAMES, FiltersConfig
from engine.runtime.identity import identity_of
from engine.search.encoder import EncoderConfig

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
CONFIG = ExamplesConfig(encoder=ENCODER, seed=0)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_validation_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(UserError, match=rf"examples.validation_share={share}: {share} leaves nothing to train on"):
        ExamplesConfig(validation_share=share)
    assert ExamplesConfig(validation_share=0.0).validation_share == 0


def test_a_passage_that_may_keep_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"examples.max_per_passage=0: 0 keeps nothing; set it to 1 or more, or null"):
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
    unmeasured = replace(CONFIG, round_trip=RoundTripConfig(enabled=False))
    assert identity_of(replace(unmeasured, encoder=shorter.encoder)) == identity_of(unmeasured)


def test_demonstrations_are_curated_by_the_filters_of_one_row_and_equal_queries() -> None:
    config = filters_of_one_row()
    assert config.filters == FiltersConfig()
    assert (config.dedup.exact, config.dedup.near, config.round_trip.enabled) == (True, False, False)
    assert config.max_per_passage is None
    assert "encoder" not in config.identity()
