"""The real engine on the real bundled model: the same loop and parts, with vLLM in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_pool import TASK, job, place, rows  # noqa: F401  # place is a fixture

from engine.parts import read_samples
from engine.place import Place
from engine.pool import Unit
from engine.samples import SamplesConfig


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_vllm_writes_every_row_and_refuses_a_prompt_that_is_too_long(
    tmp_path: Path,
    place: Place,  # noqa: F811  # the fixture
) -> None:
    config = SamplesConfig(seed=0, max_tokens=12, context_tokens=256, max_num_seqs=8, kv_cache_bytes=2**28)
    work = rows(12)
    texts = [
        "word " * 400 if i == 5 else "bees dance on the comb " + text for i, text in enumerate(work["text"].to_pylist())
    ]
    work = work.set_column(work.column_names.index("text"), "text", [texts])
    try:
        pool = place.engines.start(replace(config, cpus_per_engine=2), place)
        totals = pool.generate(job(tmp_path), [Unit(0, work)], lambda _: None)
        assert pool._engines[0].cache_tokens > 8 * 256, "routing knows how much the cache holds"
        samples = {row["sample_id"]: row for row in read_samples(tmp_path).to_pylist()}
        assert sorted(samples) == list(range(12))
        assert samples[5]["status"] == "failed"
        assert "256" in samples[5]["error"]
        written = [row for number, row in samples.items() if number != 5]
        assert all(row["status"] == "generated" and 0 < row["output_tokens"] <= 12 for row in written)
        assert all(row["logprob"] < 0 for row in written)
        assert totals[0]["counters"]["prefix_cache_queries"] > 0
        assert TASK.stop == ["\n"]
        assert all("\n" not in row["text"] for row in written)
    finally:
        place.engines.stop()
