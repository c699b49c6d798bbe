"""What the samples step's config refuses, and what of it is identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.identity import identity_of
from engine.samples import GeneratorKind, SamplesConfig

FAKE = SamplesConfig(generator=GeneratorKind.fake, seed=0)


def test_where_it_runs_is_not_what_it_makes() -> None:
    moved = replace(FAKE, num_engines=4, part_rows=9, max_num_seqs=7, kv_cache_bytes=1)
    assert identity_of(moved) == identity_of(FAKE)
    assert identity_of(replace(FAKE, temperature=0.1)) != identity_of(FAKE)
    assert identity_of(replace(FAKE, engine_args={"quantization": "fp8"})) != identity_of(FAKE)


def test_the_fake_generator_needs_no_model() -> None:
    assert identity_of(replace(FAKE, model="/no/such"))["model"] == "fake"  # type: ignore[index]
    assert replace(FAKE, model="/no/such").model_name() == "fake"


def test_an_answer_longer_than_the_context_is_refused() -> None:
    with pytest.raises(UserError, match="2048 output tokens do not fit"):
        SamplesConfig(max_tokens=2048, context_tokens=2048, seed=0)


def test_gpus_follow_the_setting() -> None:
    assert replace(FAKE, gpus_per_engine=2).gpus() == 2
    assert replace(FAKE, gpus_per_engine=0).gpus() == 0
