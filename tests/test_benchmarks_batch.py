"""What of benchmarks/batch.py can be wrong without a machine to measure: the cache, its optimum, the prompts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import batch
from benchmarks._batch_prompts import WORKLOADS, mixed
from benchmarks._block_cache import (
    Asked,
    BlockCache,
    Blocks,
    CacheSize,
    cut_units,
    most_saved,
    saved_by_engines,
    saved_in_chunks,
    saved_in_order,
)
from benchmarks._plain import Chunks

ROOMY = CacheSize(tokens=1 << 20, running=2, block_tokens=4, output_tokens=0)


def asked(*prompts: str) -> list[Asked]:
    """Prompts whose tokens are characters, in blocks of four."""
    named = Blocks(4)
    return [
        Asked(len(prompt), named.of(np.frombuffer(prompt.encode(), np.uint8).astype(np.int32))) for prompt in prompts
    ]


def test_blocks_are_equal_where_all_before_them_is() -> None:
    first, second, third = asked("aaaabbbbc", "aaaabbbbdddd", "xxxxbbbb")
    assert first.blocks == second.blocks[:2]
    assert not set(first.blocks) & set(third.blocks)


def test_the_last_token_is_always_computed() -> None:
    assert saved_in_order(asked("aaaabbbb", "aaaabbbb"), ROOMY) == 4
    assert most_saved(asked("aaaabbbb", "aaaabbbb"), 4) == 4
    assert most_saved(asked("aaaabbbbc", "aaaabbbbd", "aaaae"), 4) == 12


def test_what_was_used_last_stays_and_running_requests_keep_theirs() -> None:
    size = CacheSize(tokens=16, running=1, block_tokens=4, output_tokens=0)
    first, second, third, long, longer = asked("aaaabbbb", "ccccdddd", "eeeeffff", "g" * 16, "h" * 17)
    cache = BlockCache(size)
    assert [cache.ask(prompt) for prompt in (first, second, first, third, first)] == [0, 0, 4, 0, 4]
    assert cache.ask(second) == 0, "it left for the third"
    busy = BlockCache(CacheSize(tokens=16, running=4, block_tokens=4, output_tokens=0))
    assert [busy.ask(prompt) for prompt in (first, second, long)] == [0, 0, 0], "requests end where room is needed"
    with pytest.raises(AssertionError, match="does not fit"):
        busy.ask(longer)


def test_a_cache_with_room_saves_the_optimum_in_any_order() -> None:
    rng = random.Random(0)
    lengths = (4 * rng.randrange(7) + rng.randrange(1, 4) for _ in range(300))
    prompts = asked(*("".join(rng.choices("ab", k=length)) for length in lengths))
    best = most_saved(prompts, 4)
    assert best > 0
    assert saved_in_order(prompts, ROOMY) == saved_in_chunks(prompts, ROOMY, 7) == best
    assert saved_in_order(rng.sample(prompts, 300), ROOMY) == best


def test_engines_do_all_units_between_them() -> None:
    prefixes = [0] * 5 + [1] * 2 + [2]
    units = list(cut_units(prefixes, 2))
    assert [(unit.prefix, list(unit.rows)) for unit in units] == [
        (0, [0, 1]),
        (0, [2, 3]),
        (0, [4]),
        (1, [5, 6]),
        (2, [7]),
    ]
    prompts = asked(*["aaaabbbbc"] * 5, *["xxxxyyyyz"] * 2, "q")
    one = saved_by_engines(prompts, units, ROOMY, engines=1)
    assert (one.saved, one.evenness) == (most_saved(prompts, 4), 1.0)
    two = saved_by_engines(prompts, units, ROOMY, engines=2)
    assert two.saved <= one.saved
    assert 0.5 <= two.evenness <= 1.0


def test_made_prompts_share_what_they_are_made_to_share() -> None:
    for name, make in WORKLOADS.items():
        requests = make(60, 0)
        assert len(requests) == 60
        assert requests == make(60, 0) != make(60, 1)
        prompts = asked(*(request.prompt for request in requests))
        share = most_saved(prompts, 4) / sum(prompt.tokens for prompt in prompts)
        assert (share > 0.5) == (name != "distinct"), name
    assert {request.max_tokens for request in WORKLOADS["chats"](60, 0)} == {8, 160}
    assert len({request.prompt for request in mixed(100, 0)}) == 100


def test_the_simulation_finds_the_optimum_in_our_order() -> None:
    figures = batch.simulated(450)
    assert figures["ours"] > 0.99
    assert figures["ours_2_engines"] > 0.95
    assert figures["file_order"] <= figures["ours"]
    assert not batch.report_simulated(figures)
    assert batch.report_simulated(figures | {"ours": 0.9})


def test_rows_are_grouped_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch.write_many(tmp_path / "prompts.parquet", 500)
    assert len(set(pq.read_table(tmp_path / "prompts.parquet")["prompt"].to_pylist())) > 450
    figures = batch.grouped(str(tmp_path / "prompts.parquet"))
    assert figures["rows"] == 500
    assert 0.3 < figures["shared"] < 1
    assert batch.report_grouping(figures | {"seconds": 1.0}), "500 a second are too few"
    assert "batch.grouping value 500.000 prompts/s (budget 100000)" in capsys.readouterr().out


def test_a_workload_is_reported_as_ratios_and_shares(capsys: pytest.CaptureFixture[str]) -> None:
    def pair(ours: float, best: float) -> dict[str, object]:
        sides = {
            side: {"samples": 100, "seconds": seconds, "hit_rate": 0.4}
            for side, seconds in (("ours", ours), ("plain", 10.0), ("chunked", 20.0))
        }
        return {"sides": sides, "best": best}

    assert batch.report_workload("documents", [pair(5.0, 0.5), pair(4.0, 0.5), pair(10.0, 0.5)]), "0.8 are too few"
    out = capsys.readouterr().out
    assert "batch.documents ratio 2.000 (1.000..2.500 of 3 pairs)" in out
    assert "batch.documents_chunked ratio 4.000" in out
    assert "batch.documents_share.plain value 0.800 of the optimum" in out
    assert not batch.report_workload("documents", [pair(5.0, 0.41)])
    assert not batch.report_workload("distinct", [pair(10.1, 0.0)])
    assert batch.report_workload("distinct", [pair(10.5, 0.0)]), "slower than plain"


def test_chunks_are_written_whole(tmp_path: Path) -> None:
    Chunks(2, tmp_path).write(4, ["a", "b"])
    [file] = tmp_path.iterdir()
    assert (file.name, json.loads(file.read_text())) == ("chunk-000000004.json", ["a", "b"])
