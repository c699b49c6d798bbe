"""What of a tracker goes along with a run behind a URL: what a server knows, and nothing that lies in files here."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.trackers.wandb_tracker import WandbTracker
from engine.runtime.tracking import TrackingConfig
from engine.storage.remote.cache import open_cache
from engine.storage.remote.claims import Claim, Lease, read_state
from engine.storage.remote.runs import RunClaim
from engine.storage.remote.tracking_notes import count_starts, note_starts, read_tracking, restore_tracking
from engine.storage.run_folders import begin_run
from tests.support.object_store import Bucket
from tests.support.waiting import wait_until
from tests.support.wandb_files import read_records

TOLD = {"offline": {"model": ["a"]}, "online": {"model": ["b"]}, "mlflow": {"model": ["c"]}, "mlflow_12": {"x": ["d"]}}


def tracked(run_dir: Path, uri: str = "") -> Path:
    """A run folder with notes on every tracker."""
    run_dir.mkdir()
    begin_run(run_dir, f"tracking: {{uri: '{uri}'}}")
    folder = run_dir / "tracking"
    folder.mkdir()
    for name in ("wandb_id", "mlflow_id", "mlflow_12_id"):
        (folder / name).write_text(f"{name} 7\n")
    (folder / "told.json").write_text(json.dumps(TOLD))
    note_starts(folder, 3)
    return run_dir


@pytest.mark.parametrize("uri", ["", "file:///here", "https://mlflow.example"])
def test_ids_of_servers_and_what_these_were_told_go_along(tmp_path: Path, uri: str) -> None:
    kept = read_tracking(tracked(tmp_path / "here", uri))
    there = tmp_path / "there"
    there.mkdir()
    (there / "tracking").mkdir()
    (there / "tracking" / "told.json").write_text(json.dumps({"offline": {"model": ["z"]}, "online": {}}))
    note_starts(there / "tracking", 1)
    restore_tracking(there, json.loads(json.dumps(kept)))
    is_server = uri.startswith("https")
    ids = {file.name for file in (there / "tracking").glob("*_id")}
    assert ids == ({"wandb_id", "mlflow_12_id"} if is_server else {"wandb_id"}), "a folder is here alone"
    assert (there / "tracking" / "wandb_id").read_text() == "wandb_id 7\n"
    assert count_starts(there / "tracking") == 3
    told = {"offline": {"model": ["z"]}, "online": TOLD["online"]}
    expected = {**told, "mlflow_12": TOLD["mlflow_12"]} if is_server else told
    assert json.loads((there / "tracking" / "told.json").read_text()) == expected


def test_a_run_that_told_nothing_keeps_nothing(tmp_path: Path) -> None:
    assert read_tracking(tmp_path) == {}
    restore_tracking(tmp_path, {})
    restore_tracking(tmp_path, {"ids": {"../wandb_id": "x", "other": "y"}})
    assert list(tmp_path.iterdir()) == []


def has_history(file: Path) -> bool:
    return any(record.HasField("history") for record in read_records(file))


def test_a_run_of_wandb_goes_on_on_another_machine(bucket: Bucket, tmp_path: Path) -> None:
    def start(name: str) -> Path:
        bucket.use_cache(tmp_path / name)
        cache = open_cache(bucket.url)
        run_dir = cache.runs_dir / "demo"
        with RunClaim.take(bucket.objects(), "demo", cache, Lease()) as run:
            run.restore()
            run_dir.mkdir(parents=True, exist_ok=True)
            begin_run(run_dir, "seed: 1")
            tracker = WandbTracker(TrackingConfig(), run_dir, {}, pytest.fail)
            tracker.begin()
            tracker.log("model", {"loss": 1.0}, 1)
            run.save()
            tracker.finish()
        [file] = run_dir.glob("tracking/wandb/offline-run-*/run-*.wandb")
        return file

    ids, steps = set(), []
    for name in ("one machine", "another"):
        file = start(name)
        wait_until(lambda file=file: has_history(file), "W&B's own process, which may write after a run has ended")  # type: ignore[misc]
        records = read_records(file)
        ids |= {record.run.run_id for record in records if record.HasField("run")}
        steps += [record.history.step.num for record in records if record.HasField("history")]
    assert len(ids) == 1
    assert steps == [0, 1_000_000], "the server takes no step that it has met"


def test_what_is_told_at_the_very_end_is_noted_and_a_store_that_is_away_then_ends_nothing(bucket: Bucket) -> None:
    cache, said = open_cache(bucket.url), list[str]()
    run_dir = cache.runs_dir / "demo"
    with RunClaim.take(bucket.objects(), "demo", cache, Lease(warn=said.append)) as run:
        tracked(run_dir)
        run.save()
        (run_dir / "tracking" / "told.json").write_text(json.dumps({"online": {"model": ["last"]}}))
    content = read_state(bucket.objects(), "demo/run.json").content
    assert content["tracking"]["told"] == {"online": {"model": ["last"]}}
    assert content["config"].startswith("tracking")
    assert said == []


def test_a_claim_that_is_lost_in_the_end_is_said_and_raises_nothing(bucket: Bucket) -> None:
    cache, said = open_cache(bucket.url), list[str]()
    with RunClaim.take(bucket.objects(), "demo", cache, Lease(warn=said.append)) as run:
        tracked(cache.runs_dir / "demo")
        run.save()
        (cache.runs_dir / "demo" / "tracking" / "told.json").unlink()
        Claim.take(bucket.objects(), "demo/run.json", "node2/1/elsewhere", Lease(seconds=-1.0))
    assert len(said) == 1
    assert "another run has taken over" in said[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ArithmeticError("what really happened"), None])
def test_a_damaged_file_of_a_tracker_keeps_no_claim_and_hides_no_error(
    bucket: Bucket, error: BaseException | None
) -> None:
    cache, said = open_cache(bucket.url), list[str]()
    raises = pytest.raises(type(error)) if error else contextlib.nullcontext()
    with raises, RunClaim.take(bucket.objects(), "demo", cache, Lease(warn=said.append)) as run:
        folder = tracked(cache.runs_dir / "demo") / "tracking"
        run.save()
        (folder / "wandb_starts").write_text("")
        if error:
            raise error
    assert read_state(bucket.objects(), "demo/run.json").holder == ""
    assert len(said) == 1
    assert f"may tell it again: {folder}: UserError: {folder / 'wandb_starts'}: is damaged ('' is no" in said[0]


DAMAGED = [
    *[("wandb_starts", "three"), ("wandb_starts", ""), ("wandb_starts", "-1"), ("wandb_id", "")],
    *[("told.json", '{"online": {"mod'), ("told.json", "[]"), ("told.json", '{"online": {"model": "a"}}')],
]


@pytest.mark.parametrize(("name", "text"), DAMAGED)
def test_a_damaged_file_of_a_tracker_is_refused_before_a_run_begins(bucket: Bucket, name: str, text: str) -> None:
    cache = open_cache(bucket.url)
    file = tracked(cache.runs_dir / "demo") / "tracking" / name
    file.write_text(text)
    with (
        pytest.raises(UserError, match=rf"^{file}: is damaged \(.*\); restore it, or delete it: what it said is"),
        RunClaim.take(bucket.objects(), "demo", cache, Lease()) as run,
    ):
        run.restore()
    file.unlink()
    with RunClaim.take(bucket.objects(), "demo", cache, Lease()) as run:
        run.restore()
        run.save()


@pytest.mark.parametrize(("name", "text"), DAMAGED)
def test_one_that_is_damaged_while_a_run_goes_on_ends_nothing(bucket: Bucket, name: str, text: str) -> None:
    cache, said = open_cache(bucket.url), list[str]()
    folder = tracked(cache.runs_dir / "demo") / "tracking"
    with RunClaim.take(bucket.objects(), "demo", cache, Lease(warn=said.append)) as run:
        run.restore()
        run.save()
        before = read_state(bucket.objects(), "demo/run.json").content
        (folder / name).write_text(text)
        run.save()
        run.save()
        assert len(said) == 1
        assert f"may tell it again: {folder / name}: is damaged (" in said[0]
    assert read_state(bucket.objects(), "demo/run.json").content == before
