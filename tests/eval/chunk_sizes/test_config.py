"""Sizes of chunks: what is compared, what is refused, what makes another result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from eval.chunk_sizes.config import ChunkSize, ChunkSizesConfig, ChunkSizesPlan
from tests.support.small_run import small_config


def test_every_size_with_every_overlap_once() -> None:
    sizes = ChunkSizesConfig(tokens=[512, 128, 128], overlaps=[0.125, 0.0]).sizes()
    assert [size.name for size in sizes] == ["128-0", "128-16", "512-0", "512-64"]
    assert ChunkSizesConfig().sizes() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tokens": [8]}, "chunk_sizes.tokens=8: 8 is out of range; set it to 16 or more"),
        ({"tokens": [64], "overlaps": [0.6]}, "chunk_sizes.overlaps=0.6: 0.6 is out of range"),
        ({"tokens": [64], "overlaps": []}, "chunk_sizes.overlaps=[]: [] names no overlap"),
        ({"max_queries": -1}, "chunk_sizes.max_queries=-1"),
    ],
)
def test_sizes_that_cannot_be_cut_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        ChunkSizesConfig(**wrong)  # type: ignore[arg-type]
    assert str(error.value).startswith(said)


def test_what_is_measured_is_part_of_the_identity_and_how_fast_is_not() -> None:
    plan = ChunkSizesPlan(ChunkSizesConfig([64]), ChunkSize(512, 64), small_config())
    fast = replace(plan, report=replace(plan.report, latency_repetitions=9))
    assert fast.identity() == plan.identity()
    for other in (
        replace(plan, settings=ChunkSizesConfig([64], max_queries=5)),
        replace(plan, settings=ChunkSizesConfig([128])),
        replace(plan, documents=ChunkSize(256, 64)),
        replace(plan, report=replace(plan.report, bm25_b=0.5)),
    ):
        assert other.identity() != plan.identity()
