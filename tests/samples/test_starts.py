"""What a start of the driver notes beside its parts is read back as it was."""

from __future__ import annotations

import json
from pathlib import Path

from engine.generation.totals import EngineTotals
from engine.samples.starts import ATTEMPT_FILE, Start, note_start, read_starts

TOTALS = EngineTotals(generated=3, counters={"prefix_cache_queries": 7}, first_admitted=1.5, cpus=2)


def test_starts_are_read_in_their_order(tmp_path: Path) -> None:
    starts = [Start(), Start(2.5, [TOTALS]), Start(1.0, [TOTALS, EngineTotals()])]
    for number in (2, 0, 1):
        folder = tmp_path / f"attempt-{number:04d}"
        folder.mkdir()
        note_start(folder, starts[number])
    assert [list(start.engines) for start in read_starts(tmp_path)] == [list(start.engines) for start in starts]
    assert [start.engine_start_seconds for start in read_starts(tmp_path)] == [0.0, 2.5, 1.0]


def test_the_file_has_the_keys_that_benchmarks_read(tmp_path: Path) -> None:
    note_start(tmp_path, Start(2.5, [TOTALS]))
    noted = json.loads((tmp_path / ATTEMPT_FILE).read_text())
    assert noted.keys() == {"engine_start_seconds", "engines"}
    assert noted["engines"][0].keys() == {
        *("generated", "failed", "turned_down", "committed", "requests", "prompt_tokens", "output_tokens"),
        *("first_admitted", "last_committed", "last_error", "counters", "cpus", "gpus", "began", "ended"),
    }


def test_what_an_older_version_did_not_note_is_not_known(tmp_path: Path) -> None:
    folder = tmp_path / "attempt-0001"
    folder.mkdir()
    (folder / ATTEMPT_FILE).write_text('{"engine_start_seconds": 1.0, "engines": [{"generated": 4}]}')
    assert read_starts(tmp_path) == [Start(1.0, [EngineTotals(generated=4)])]
