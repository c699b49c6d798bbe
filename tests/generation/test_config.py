"""What the samples step's config refuses, and what of it is identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation.config import GeneratorKind, SamplesConfig
from engine.runtime.identity import identity_of
from engine.runtime.place import Place
from engine.samples.step import generate_samples
from tests.support.command_line import CommandLine

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


def test_a_run_of_few_samples_that_all_fail_is_refused(
    planned_inputs: Mapping[str, Path],  # the fixture
    tmp_path: Path,
    place: Place,
) -> None:
    output = tmp_path / "samples"
    output.mkdir()
    without_room = replace(FAKE, context_tokens=3, max_tokens=2, max_failed_share=1.0)
    try:
        assert generate_samples(without_room, planned_inputs, output, place)["failed"] == 90
    finally:
        place.engines.stop()
    strict = replace(without_room, max_failed_share=0.99)
    with pytest.raises(UserError, match="90 of 90 samples failed, the last with: the prompt has"):
        generate_samples(strict, planned_inputs, output, place)


def test_a_time_budget_ends_a_run_with_exit_code_3_and_the_same_command_goes_on(
    synthmill: CommandLine, corpus: Path
) -> None:
    command = ["experiment=adapt", "samples=fake", f"collection={corpus}", "run_dir=run", "until=samples"]
    budget = ["samples.fake_samples_per_second=30", "samples.max_seconds=1.5"]
    first = synthmill.run(*command, *budget)
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
