"""Runs behind a URL: one driver at a time, and the same folder on another machine."""

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.remote.cache import open_cache
from engine.storage.remote.claims import Claim, Lease, read_state
from engine.storage.remote.opening import look_at_run
from engine.storage.remote.runs import RunClaim, restore_run
from engine.storage.run_folders import begin_run, is_run, link, note_earlier, read_earlier
from tests.support.object_store import Bucket


def test_a_run_is_the_same_on_another_machine(bucket: Bucket, tmp_path: Path) -> None:
    cache = open_cache(bucket.url)
    run_dir = cache.runs_dir / "sweeps" / "demo"
    (run_dir / "judge" / "clarity").mkdir(parents=True)
    (cache.store.root / "logs" / "x").mkdir(parents=True)
    begin_run(run_dir, "seed: 1")
    link(run_dir, "samples", cache.store.reserve("samples", "ab"))
    link(run_dir / "judge" / "clarity", "samples", cache.store.reserve("samples", "cd"))
    link(run_dir, "logs", cache.store.root / "logs" / "x")
    with RunClaim.take(bucket.objects(), "sweeps/demo", cache, Lease()) as run:
        run.save()
        run.save_as_latest()
    content = read_state(bucket.objects(), "sweeps/demo/run.json").content
    assert content["links"] == {"samples": "samples/ab", "judge/clarity/samples": "samples/cd"}
    latest = bucket.objects().read("latest.json")
    assert latest
    assert json.loads(latest.body) == {"name": "sweeps/demo"}

    bucket.use_cache(tmp_path / "elsewhere")
    other = open_cache(bucket.url)
    restored = restore_run(content, other)
    assert restored == other.runs_dir / "sweeps" / "demo" != run_dir
    assert (restored / "config.yaml").read_text() == "seed: 1"
    assert is_run(restored / "judge" / "clarity")
    assert (restored / "samples").readlink() == Path("../../store/samples/ab")
    assert (restored / "judge" / "clarity" / "samples").resolve().name == "cd"
    assert not (restored / "samples").exists(), "nothing is fetched"
    with RunClaim.take(bucket.objects(), "sweeps/demo", other, Lease()) as run:
        run.save()
    assert read_state(bucket.objects(), "sweeps/demo/run.json").content == content, "what is not here is linked to"


def test_a_run_that_another_machine_works_on_is_refused(bucket: Bucket) -> None:
    Claim.take(bucket.objects(), "demo/run.json", "node2/4211/elsewhere")
    what = r"is working on this run \(process 4211 on node2\); wait for it, or, if it was killed, for \d+ s"
    with pytest.raises(UserError, match=what):
        RunClaim.take(bucket.objects(), "demo", open_cache(bucket.url), Lease())


def test_a_run_of_another_version_is_refused(bucket: Bucket) -> None:
    Claim.take(bucket.objects(), "demo/run.json", "node2/4211/elsewhere").end({"format": 99})
    with pytest.raises(UserError, match="another version"):
        RunClaim.take(bucket.objects(), "demo", open_cache(bucket.url), Lease())


def test_what_was_not_committed_is_no_part_of_a_run(bucket: Bucket, tmp_path: Path) -> None:
    cache = open_cache(bucket.url)
    run_dir = cache.runs_dir / "demo"
    begin_parts(run_dir, "judge/clarity", "round_0/r1")
    for entry in ("samples", "model", "judge/clarity/samples", "round_0/r1/samples"):
        link((run_dir / entry).parent, Path(entry).name, cache.store.reserve("samples", "old"))
    content = {
        "name": "demo",
        "config": "seed: 2",
        "links": {"samples": "samples/new", "judge/clarity/samples": "samples/n"},
    }
    (run_dir / "status.json").touch()
    restore_run(content, cache)
    assert (run_dir / "samples").readlink().name == "new"
    assert (run_dir / "judge" / "clarity" / "samples").readlink().name == "n"
    assert not (run_dir / "model").is_symlink(), "an old model beside new samples would pass for theirs"
    assert not (run_dir / "round_0").exists()
    assert (run_dir / "status.json").exists()


def test_each_part_is_begun_once_however_much_is_linked_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def begin(folder: Path, config: str) -> None:
        begun.append(folder.name)
        begin_run(folder, config)

    monkeypatch.setattr("engine.storage.remote.runs.begin_run", begin)
    entries = ["samples", *(f"judge/{part}/{noun}" for part in ("a", "b") for noun in ("prompts", "samples"))]
    content = {"name": "demo", "config": "seed: 1", "links": {entry: f"{Path(entry).name}/ab" for entry in entries}}
    run_dir = restore_run(content, open_cache(bucket.url))
    assert begun == ["demo", "a", "b"], "a driver that starts waits for each of these writes"
    assert all((run_dir / entry).is_symlink() for entry in entries)


def test_what_is_of_an_earlier_config_is_so_on_every_machine(bucket: Bucket, tmp_path: Path) -> None:
    here = open_cache(bucket.url)
    run_dir = here.runs_dir / "demo"
    run_dir.mkdir()
    begin_run(run_dir, "seed: 2")
    for noun in ("model", "report"):
        link(run_dir, noun, here.store.reserve(noun, "ab"))
    note_earlier(run_dir, ["report"])
    with RunClaim.take(bucket.objects(), "demo", here, Lease()) as run:
        run.save()
    killed = read_state(bucket.objects(), "demo/run.json").content
    bucket.use_cache(tmp_path / "elsewhere")
    there = open_cache(bucket.url)
    assert read_earlier(restore_run(killed, there)) == ["report"], "else its report would pass for that of its config"
    assert look_at_run(f"{bucket.url}/demo").earlier == ["report"]
    with RunClaim.take(bucket.objects(), "demo", there, Lease()) as run:
        note_earlier(there.runs_dir / "demo", [])
        run.save()
    finished = read_state(bucket.objects(), "demo/run.json").content
    assert read_earlier(restore_run(finished, here)) == [], "here a kill had left it"
    older = {name: value for name, value in finished.items() if name != "earlier"}
    assert read_earlier(restore_run(older, here)) == []


def test_what_a_driver_says_lies_beside_the_run_until_a_later_one_says_something(bucket: Bucket) -> None:
    def said(name: str) -> object:
        document = bucket.objects().read(f"demo/{name}")
        return json.loads(document.body) if document else None

    cache = open_cache(bucket.url)
    with RunClaim.take(bucket.objects(), "demo", cache, Lease()) as first:
        first.say({"status": 1}, has_begun=False)
        assert (said("starting.json"), said("status.json")) == ({"fence": 1, "status": 1}, None)
        first.say({"status": 2}, has_begun=True)
        assert (said("starting.json"), said("status.json")) == (None, {"fence": 1, "status": 2})
    with RunClaim.take(bucket.objects(), "demo", cache, Lease()) as second:
        second.say({"status": 3}, has_begun=False)
        assert said("status.json") == {"fence": 1, "status": 2}, "it may be refused before it begins"
        second.say({}, has_begun=False)
        assert (said("starting.json"), said("status.json")) == (None, {"fence": 1, "status": 2})
        second.say({"status": 4}, has_begun=True)
        first.say({"status": 5}, has_begun=True)
        assert said("status.json") == {"fence": 2, "status": 4}, "the first one is not the driver any more"


def begin_parts(run_dir: Path, *parts: str) -> None:
    for part in parts:
        (run_dir / part).mkdir(parents=True)
        begin_run(run_dir / part, "seed: 1")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        *[([], "format"), ({"format": "1"}, "format"), ({"name": 3}, "name"), ({"config": None}, "config")],
        *[({"links": []}, "links"), ({"links": {"samples": 3}}, "links"), ({"earlier": "samples"}, "earlier")],
        *[({"tracking": []}, "tracking"), ({"tracking": {"ids": {"wandb_id": "x"}, "starts": "three"}}, "tracking")],
        *[({"tracking": {"ids": {"wandb_id": 3}}}, "tracking"), ({"tracking": {"told": {"online": 3}}}, "tracking")],
    ],
)
def test_what_is_damaged_of_a_run_is_refused_before_it_begins(bucket: Bucket, value: object, name: str) -> None:
    cache = open_cache(bucket.url)
    begin_run(cache.runs_dir / "demo", "seed: 1")
    with RunClaim.take(bucket.objects(), "demo", cache, Lease()) as run:
        run.save()
    with Claim.take(bucket.objects(), "demo/run.json", cache.holder) as claim:
        claim.end({**claim.content, **value} if isinstance(value, dict) else value)
    what = rf"demo: is damaged: run.json has no '{name}' that synthmill wrote; bring the object back, or delete it"
    with pytest.raises(UserError, match=what):
        RunClaim.take(bucket.objects(), "demo", cache, Lease())
    assert read_state(bucket.objects(), "demo/run.json").holder == "", "nobody waits for it"
