"""The samples step: what is missing is generated, the record, resuming with other settings, and ending early."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.generation.pool import EnginePool
from engine.generation.totals import EngineTotals
from engine.runtime.identity import reachable
from engine.runtime.place import Place
from engine.samples.step import generate_samples
from engine.storage.manifest import FencedError
from engine.storage.parts import committed_ids, committed_parts, write_part
from tests.support.command_line import CommandLineHere
from tests.support.committed import begin, write
from tests.support.engines import Clock
from tests.support.jobs import FAKE
from tests.support.places import printed, quiet_place


def test_the_step_reaches_no_code_that_decides_where_rows_are_written() -> None:
    room = "engine.generation."
    found = {name.removeprefix(room) for name in reachable("engine.samples.step") if name.startswith(room)}
    assert found == {"jobs", "totals"}, "an edit of the router would make every sample anew"


def test_generates_resumes_and_keeps_what_is_committed(
    planned_inputs: Mapping[str, Path], tmp_path: Path, place: Place
) -> None:
    output, killed = tmp_path / "samples", tmp_path / "elsewhere" / "samples"
    output.mkdir()
    try:
        record = generate_samples(FAKE, planned_inputs, output, place)
        assert (record.planned, record.generated, record.failed) == (90, 90, 0)
        rows = SamplesFolder(output).rows()
        first = begin(killed, 90)
        schema = pq.read_schema(committed_parts(output)[0]).remove_metadata()
        part = rows.slice(10, 20).cast(schema)
        write_part(first.attempt_folder / "part-e0-00000.parquet", part)  # its driver listed nothing
        record = generate_samples(replace(FAKE, num_engines=2, part_rows=7), planned_inputs, killed, place)
        assert record.planned == 90
        assert "70 of 90 to generate by " in printed(place), "what loads is told while it loads, and no longer"
        after = SamplesFolder(killed).rows()
        assert after["sample_id"].to_pylist() == list(range(90))
        assert after.slice(10, 20).equals(rows.slice(10, 20))
        assert after["attempt"].to_pylist() == [2] * 10 + [1] * 20 + [2] * 60
        assert generate_samples(FAKE, planned_inputs, output, place).planned == 90, "nothing pending starts no engine"
    finally:
        place.engines.stop()


def test_a_start_that_is_overtaken_ends_in_one_line_and_lists_nothing_more(
    planned_inputs: Mapping[str, Path], tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "samples"
    output.mkdir()
    monkeypatch.setenv(SAMPLES_PER_SECOND, "60")
    listed: list[int] = []

    def overtake(pool: EnginePool) -> list[EngineTotals]:
        """Another driver starts on the folder once engines of this one have written something."""
        if not listed and list(output.glob("attempt-0001/part-*.parquet")):
            listed.append(len(begin(output, 90).committed))
        return totals(pool)

    totals = EnginePool.totals
    monkeypatch.setattr(EnginePool, "totals", overtake)
    try:
        with pytest.raises(UserError, match="another start of this run has taken over") as caught:
            generate_samples(replace(FAKE, part_rows=10), planned_inputs, output, place)
    finally:
        place.engines.stop()
    assert caught.value.where.startswith(str(output))
    assert SamplesFolder(output).rows().num_rows == listed[0] > 0
    assert len(begin(output, 90).committed) == listed[0], "what the engines wrote after that is nobody's"


def test_a_start_that_is_overtaken_while_it_merges_ends_in_one_line_too(
    planned_inputs: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "samples"
    first = begin(output, 90)
    write(first.attempt_folder, range(40))
    write(first.attempt_folder, range(40, 90), number=1)
    fsync = os.fsync

    def overtake(descriptor: int) -> None:
        """Another driver starts on the folder while the merged part is written, and clears it away."""
        if list(output.glob("attempt-0002/part-merged-*.tmp")):
            monkeypatch.setattr(os, "fsync", fsync)
            assert len(begin(output, 90).committed) == 90
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", overtake)
    with pytest.raises(FencedError, match="another start of this run has taken over"):
        generate_samples(FAKE, planned_inputs, output, quiet_place(tmp_path))
    assert committed_ids(committed_parts(output)).tolist() == list(range(90))


def test_a_file_that_is_missing_for_another_reason_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), begin(tmp_path).naming_who_took_over():
        (tmp_path / "part").read_bytes()


def test_a_run_of_few_samples_that_all_fail_is_refused(
    planned_inputs: Mapping[str, Path], tmp_path: Path, place: Place
) -> None:
    output = tmp_path / "samples"
    output.mkdir()
    without_room = replace(FAKE, context_tokens=3, max_tokens=2, max_failed_share=1.0)
    try:
        assert generate_samples(without_room, planned_inputs, output, place).failed == 90
    finally:
        place.engines.stop()
    strict = replace(without_room, max_failed_share=0.99)
    with pytest.raises(UserError, match="90 of 90 samples failed, the last with: the prompt has"):
        generate_samples(strict, planned_inputs, output, place)


def test_a_time_budget_ends_a_run_with_exit_code_3_and_the_same_command_goes_on(
    synthmill_here: CommandLineHere, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        "experiment=adapt",
        "samples=fake",
        f"collection={corpus}",
        "run_dir=run",
        "until=samples",
        "tracking=off",
    ]
    with monkeypatch.context() as patch:
        patch.setenv(SAMPLES_PER_SECOND, "30")
        Clock(patch)
        first = synthmill_here.run(*command, "samples.max_seconds=1.5")
    assert first.returncode == 3, first.stderr
    assert "time budget (samples.max_seconds) reached: " in first.stderr
    assert "of 120 generated" in first.stderr
    assert "samples.max_seconds=1.5" in first.stderr.splitlines()[-1], "the command that goes on"
    folder = synthmill_here.folder / "run" / "samples"
    before = SamplesFolder(folder).rows()
    assert 0 < before.num_rows < 120
    assert f"{before.num_rows} of 120" in first.stderr
    assert not (folder / "_DONE").exists()
    second = synthmill_here.run(*command, "samples.max_seconds=600")
    assert second.returncode == 0, second.stderr
    after = SamplesFolder(folder).rows()
    assert after["sample_id"].to_pylist() == list(range(120))
    kept = after.filter(pc.is_in(after["sample_id"], before["sample_id"]))
    assert set(kept["attempt"].to_pylist()) == {1}, "nothing is generated again"
    log = (synthmill_here.folder / "run" / "logs" / "engine-0.log").read_text().splitlines()
    seeds = [line for line in log if line.startswith("engine 0: seed ")]
    assert len(seeds) == len(set(seeds)) == 2, "the second start draws otherwise than the first"
