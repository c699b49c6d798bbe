"""The samples step: what is missing is generated, the record, resuming with other settings, and ending early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.runtime.identity import reachable
from engine.runtime.place import Place
from engine.samples.step import generate_samples
from engine.storage.parts import committed_parts
from tests.support.command_line import CommandLine
from tests.support.jobs import FAKE


def test_the_step_reaches_no_code_that_decides_where_rows_are_written() -> None:
    room = "engine.generation."
    found = {name.removeprefix(room) for name in reachable("engine.samples.step") if name.startswith(room)}
    assert found == {"jobs", "totals"}, "an edit of the router would make every sample anew"


def test_generates_resumes_and_keeps_what_is_committed(
    planned_inputs: Mapping[str, Path], tmp_path: Path, place: Place
) -> None:
    output = tmp_path / "samples"
    output.mkdir()
    try:
        record = generate_samples(FAKE, planned_inputs, output, place)
        assert (record.planned, record.generated, record.failed) == (90, 90, 0)
        before = SamplesFolder(output).rows()
        lost = committed_parts(output)[0]
        kept = before.filter(pc.invert(pc.is_in(before["sample_id"], pq.read_table(lost)["sample_id"])))
        lost.unlink()  # as if it had never been committed
        record = generate_samples(replace(FAKE, num_engines=2, part_rows=7), planned_inputs, output, place)
        assert record.planned == 90
        after = SamplesFolder(output).rows()
        assert after["sample_id"].to_pylist() == list(range(90))
        same = after.filter(pc.is_in(after["sample_id"], kept["sample_id"]))
        assert same["attempt"].to_pylist() == kept["attempt"].to_pylist() == [1] * kept.num_rows
        assert generate_samples(FAKE, planned_inputs, output, place).planned == 90, "nothing pending starts no engine"
    finally:
        place.engines.stop()


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
    synthmill: CommandLine, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["experiment=adapt", "samples=fake", f"collection={corpus}", "run_dir=run", "until=samples"]
    with monkeypatch.context() as patch:
        patch.setenv(SAMPLES_PER_SECOND, "30")
        first = synthmill.run(*command, "samples.max_seconds=1.5")
    assert first.returncode == 3, first.stderr
    assert "time budget (samples.max_seconds) reached: " in first.stderr
    assert "of 120 generated" in first.stderr
    assert "samples.max_seconds=1.5" in first.stderr.splitlines()[-1], "the command that goes on"
    folder = synthmill.folder / "run" / "samples"
    before = SamplesFolder(folder).rows()
    assert 0 < before.num_rows < 120
    assert f"{before.num_rows} of 120" in first.stderr
    assert not (folder / "_DONE").exists()
    second = synthmill.run(*command, "samples.max_seconds=600")
    assert second.returncode == 0, second.stderr
    after = SamplesFolder(folder).rows()
    assert after["sample_id"].to_pylist() == list(range(120))
    kept = after.filter(pc.is_in(after["sample_id"], before["sample_id"]))
    assert set(kept["attempt"].to_pylist()) == {1}, "nothing is generated again"
    log = (synthmill.folder / "run" / "logs" / "engine-0.log").read_text().splitlines()
    seeds = [line for line in log if line.startswith("engine 0: seed ")]
    assert len(seeds) == len(set(seeds)) == 2, "the second start draws otherwise than the first"
