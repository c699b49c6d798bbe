"""Where points lie, and when one is finished: by what the store has, and by nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.pipeline.inputs import with_inputs_here
from engine.run import run, wanted_steps
from engine.storage.run_folders import LONGEST_NAME_BYTES, begin_run, hold_run, link
from engine.sweeps.points import Point, goes_on, grid_folder, is_finished
from engine.watch.status import status_file
from tests.support.object_store import Bucket


def test_where_a_point_of_a_grid_lies() -> None:
    assert grid_folder("", "runs", "adapt", "a=1,b=x_y") == "runs/sweeps/adapt/a=1,b=x_y"
    assert re.fullmatch(r"runs/sweeps/adapt/a=1,b=x_y-[0-9a-f]{16}", grid_folder("", "runs", "adapt", "a=1,b=x/y"))
    assert grid_folder("here", "runs", "adapt", "a=1") == "here/a=1"
    assert grid_folder("", "s3://b/runs/", "adapt", "a=1") == "s3://b/runs/sweeps/adapt/a=1"
    assert "planted" not in str(grid_folder("", "runs", "adapt", "samples.engine_args.hf_token=planted"))


@pytest.mark.parametrize("rest", ["", ",b=" + "long" * 100])
def test_points_that_differ_in_what_a_folder_cannot_be_called_by_have_their_own(rest: str) -> None:
    values = ["data=a/b_c", "data=a_b/c", "data=a/b/c", "data=a_b_c", "hf_token=planted", "hf_token=sown"]
    folders = {grid_folder("", "runs", "adapt", f"{value}{rest}") for value in values}
    assert len(folders) == len(values)
    assert {folder.count("/") for folder in folders} == {3}
    assert not any("planted" in folder or "sown" in folder for folder in folders)


def test_a_name_that_is_too_long_for_a_folder_is_cut_and_stays_its_own(tmp_path: Path) -> None:
    many = ",".join(f"model.setting_{number}=\N{LATIN SMALL LETTER E WITH ACUTE}" for number in range(12))
    folders = {Path(grid_folder(str(tmp_path), "", "", f"{many},seed={seed}")) for seed in range(3)}
    assert len(folders) == 3
    for folder in folders:
        assert folder.name.startswith("model.setting_0=\N{LATIN SMALL LETTER E WITH ACUTE},model.setting_1=")
        with hold_run(folder):
            begin_run(folder, "")
            status_file(folder, has_begun=False).with_suffix(".json.tmp").touch()
            Point("", (), folder).log_file.touch()
    kept = "x" * LONGEST_NAME_BYTES
    assert grid_folder("here", "", "", kept) == f"here/{kept}"


def test_the_files_beside_a_point(tmp_path: Path) -> None:
    point = Point("a", (), tmp_path / ("long" * 60))
    assert point.log_file.parent == point.lock_file.parent == tmp_path
    assert len(point.lock_file.name) < 40


def test_a_point_is_finished_while_its_steps_are_made_and_linked(corpus: Path, tmp_path: Path) -> None:
    places = (f"collection={corpus}", f"runs_dir={tmp_path / 'runs'}", f"run_dir={tmp_path / 'run'}", "tracking=off")
    config, text = load_config(["experiment=adapt", "samples=fake", "until=documents", *places])
    assert not is_finished(config)
    run(config, text)
    assert is_finished(config)
    assert not is_finished(replace(config, until="prompts"))
    assert not is_finished(replace(config, publish="hub:owner/name")), "nobody here knows what is on the hub"
    assert not is_finished(replace(config, run_dir=str(tmp_path / "other"))), "made, and not linked"
    (corpus / "corpus.jsonl").write_text('{"_id": "d0", "title": "", "text": "Another text of another document."}\n')
    config, _ = load_config(["experiment=adapt", "samples=fake", "until=documents", *places])
    assert not is_finished(config), "its documents have changed"


def test_a_point_whose_collection_is_in_a_bucket_is_finished(bucket: Bucket, corpus: Path, tmp_path: Path) -> None:
    for file in corpus.rglob("*"):
        if file.is_file():
            bucket.objects().upload(f"docs/{file.relative_to(corpus).as_posix()}", file)
    places = (f"collection={bucket.url}/docs", f"runs_dir={tmp_path / 'runs'}", "tracking=off")
    config, text = load_config(["experiment=adapt", "samples=fake", "until=documents", *places])
    assert not is_finished(config)
    run(with_inputs_here(config), text)
    assert is_finished(config)


def test_a_training_goes_on_while_its_documents_are_the_same(corpus: Path, tmp_path: Path) -> None:
    places = (f"collection={corpus}", f"runs_dir={tmp_path / 'runs'}", f"run_dir={tmp_path / 'run'}", "tracking=off")
    trained_twice = ("until=model", "model.iterations=2", "model.num_hard_negatives=1")
    given = ["experiment=adapt", "samples=fake", *trained_twice, *places]
    config, _ = load_config(given)
    assert goes_on(config), "nothing was trained"
    first, last = (step for step in wanted_steps(config) if step.noun == "model")
    for step in (first, last):  # the second one may not have begun
        (tmp_path / "run" / step.entry).parent.mkdir(parents=True, exist_ok=True)
        link(
            (tmp_path / "run" / step.entry).parent,
            step.noun,
            tmp_path / "runs" / "store" / step.noun / step.fingerprint,
        )
        assert goes_on(config)
    assert not goes_on(replace(config, model=replace(config.model, epochs=7)))
    (corpus / "corpus.jsonl").write_text('{"_id": "d0", "title": "", "text": "Another text of another document."}\n')
    config, _ = load_config(given)
    assert not goes_on(config)
