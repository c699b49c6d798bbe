"""What the benchmark of curation beside generation reads of a run, and what it says of two."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import following


def test_runs_with_and_without_following_are_compared_in_time_and_in_what_they_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = [
        following.Side(follow=False, gap_seconds=90.0, samples_per_second=40.0, kept=7, digest="a"),
        following.Side(follow=True, gap_seconds=30.0, samples_per_second=39.0, kept=7, digest="a"),
    ]
    assert following.report(sides[:1]) == 0
    assert capsys.readouterr().out.startswith("following.without ")
    assert following.report(sides) == 0
    assert "following ratio 0.333 (0.333..0.333 of 1 pairs)" in capsys.readouterr().out
    assert following.report([sides[0], replace(sides[1], digest="b")]) == 1
    run = tmp_path / "run"
    (run / "samples" / "attempt-0001").mkdir(parents=True)
    (run / "examples").mkdir()
    engines = [{"last_committed": 70.0}, {"last_committed": 100.0}]
    (run / "samples" / "attempt-0001" / "attempt.json").write_text(json.dumps({"engines": engines}))
    record = {"record": {"generation": {"samples_per_second": 12.0}}}
    (run / "samples" / "record.json").write_text(json.dumps(record))
    kept = pa.table({"sample_id": [3, 5], "query": ["a", "b"], "round_trip_rank": [1, 2]})
    pq.write_table(kept, run / "examples" / "kept.parquet")
    side = following.read_side(run, 112.0, follow=True)
    assert (side.gap_seconds, side.samples_per_second, side.kept) == (12.0, 12.0, 2)
