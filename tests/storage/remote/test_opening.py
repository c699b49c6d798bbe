"""From paths and URLs, as users write them, to folders on this disk."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.storage.files import locked
from engine.storage.remote.cache import Cache, cache_path
from engine.storage.remote.claims import Claim
from engine.storage.remote.opening import below, fetch_run, look_at_run, open_sharing, run_dir_here, runs_dir_here
from engine.storage.remote.runs import restore_run
from engine.storage.remote.store import RemoteStore
from engine.storage.run_folders import begin_run, hold_run, link
from engine.storage.sharing import Unshared
from engine.storage.store import StepRecord, finish
from tests.support.object_store import Bucket, every_store

RECORD = StepRecord("documents", "ab", {}, {}, 1.0, 1, {})


def test_a_path_is_shared_through_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_sharing("runs") == Unshared(tmp_path / "runs")
    assert runs_dir_here("runs") == tmp_path / "runs"
    assert run_dir_here("x/y", "runs") == tmp_path / "x/y"
    assert fetch_run("runs/latest") == "runs/latest"
    assert below("runs", "sweeps", "adapt") == "runs/sweeps/adapt"


@every_store
def test_a_url_is_a_folder_of_the_cache(bucket: Bucket) -> None:
    runs = cache_path(bucket.url) / "runs"
    assert runs_dir_here(f"{bucket.url}/") == runs
    assert run_dir_here(f"{bucket.url}/a/b", bucket.url) == runs / "a/b"
    assert below(f"{bucket.url}/", "sweeps", "adapt") == f"{bucket.url}/sweeps/adapt"
    shared = open_sharing(bucket.url)
    assert isinstance(shared, RemoteStore)
    assert shared.runs_dir == runs
    assert bucket.all_keys() == [], "the store was tried, and nothing is left"


@pytest.mark.parametrize(
    ("run_dir", "runs_dir"), [("run", "s3://b/runs"), ("s3://b/runs/x", "runs"), ("s3://b/x", "s3://b/runs")]
)
def test_a_run_and_its_steps_lie_in_one_place(run_dir: str, runs_dir: str) -> None:
    with pytest.raises(UserError, match="does not lie below runs_dir"):
        run_dir_here(run_dir, runs_dir)


def test_the_latest_run_is_none_to_work_on() -> None:
    with pytest.raises(UserError, match="stands for whichever run finished last; name the run itself"):
        run_dir_here("s3://b/runs/latest", "s3://b/runs")


@every_store
def test_a_run_is_looked_at_and_nothing_fetched(bucket: Bucket, tmp_path: Path) -> None:
    store = RemoteStore(bucket.url)
    with store.holding_run(run_dir := store.runs_dir / "demo"):
        begin_run(run_dir, "seed: 1")
        link(run_dir, "documents", store.cache.store.folder("documents", "ab"))
        store.end_run()
        bucket.use_cache(tmp_path / "elsewhere")
        run = look_at_run(f"{bucket.url}/latest")
        assert (run.url, run.holder, run.entries) == (f"{bucket.url}/demo", store.cache.holder, ["documents"])
        assert run.age_seconds < 60
    assert look_at_run(f"{bucket.url}/demo").holder == ""
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(UserError, match="is no run folder"):
        look_at_run(f"{bucket.url}/other")


@every_store
def test_what_a_driver_says_is_looked_at_as_long_as_it_is_of_that_driver(bucket: Bucket) -> None:
    store = RemoteStore(bucket.url)
    store.share_status({"status": 0}, has_begun=True)
    assert bucket.all_keys() == [], "no run is held"

    def said() -> object:
        return (look_at_run(f"{bucket.url}/demo").said or {}).get("status")

    with store.holding_run(store.runs_dir / "demo"):
        assert said() is None
        store.share_status({"status": 1}, has_begun=False)
        assert said() == 1
        begin_run(store.runs_dir / "demo", "seed: 1")
        store.save_run()
        store.share_status({"status": 2}, has_begun=True)
        assert said() == 2
    store.share_status({"status": 3}, has_begun=True)
    assert said() == 3, "the last word comes when the run is given back"
    with store.holding_run(store.runs_dir / "demo"):
        assert said() is None, "that was the start before"
        store.share_status({"status": 4}, has_begun=False)
        assert said() == 4
        store.share_status({}, has_begun=False)
    assert said() == 3, "a start that was refused before it began leaves what the last one said"
    assert look_at_run(f"{bucket.url}/demo").said_seconds < 60


@pytest.mark.parametrize(
    ("value", "name"),
    [
        *[([], "format"), ({"format": 1, "name": "demo"}, "config")],
        ({"format": 1, "name": "demo", "config": "", "links": ["x"]}, "links"),
    ],
)
def test_a_damaged_run_is_neither_fetched_nor_looked_at(bucket: Bucket, value: object, name: str) -> None:
    with Claim.take(bucket.objects(), "demo/run.json", "h/1/c") as claim:
        claim.end(value)
    for read in (fetch_run, look_at_run):
        with pytest.raises(UserError, match=f"demo: is damaged: run.json has no '{name}' that synthmill wrote"):
            read(f"{bucket.url}/demo")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_what_drivers_leave_beside_runs_may_be_damaged(bucket: Bucket, body: bytes) -> None:
    store = RemoteStore(bucket.url)
    with store.holding_run(store.runs_dir / "demo"):
        begin_run(store.runs_dir / "demo", "seed: 1")
        store.end_run()
    bucket.objects().put("demo/status.json", body)
    bucket.objects().put("latest.json", body)
    for name, file in (("demo", "demo/status.json"), ("latest", "latest.json")):
        with pytest.raises(UserError, match=f"{file}: is damaged: it has no .*; delete it: the next run"):
            look_at_run(f"{bucket.url}/{name}")


@pytest.mark.parametrize("name", ["demo", "latest"])
def test_a_run_is_fetched_by_its_url(bucket: Bucket, tmp_path: Path, name: str) -> None:
    store = RemoteStore(bucket.url)
    run_dir, folder = store.runs_dir / "demo", store.cache.store.folder("documents", "ab")
    with store.holding_run(run_dir):
        with store.cache.store.producing(folder, keep=False), store.producing(folder, lambda: None):
            (folder / "x").write_text("content")
            finish(folder, RECORD)
        begin_run(run_dir, "seed: 1")
        link(run_dir, "documents", folder)
        store.end_run()
    bucket.use_cache(tmp_path / "elsewhere")
    fetched = Path(fetch_run(f"{bucket.url}/{name}"))
    assert fetched == runs_dir_here(bucket.url) / "demo" != run_dir
    assert (fetched / "documents" / "x").read_text() == "content"
    with pytest.raises(UserError, match="is no run folder"):
        fetch_run(f"{bucket.url}/other")


def test_a_run_is_fetched_as_it_is_once_its_folder_is_held(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RemoteStore(bucket.url)
    with store.holding_run(store.runs_dir / "demo"):
        begin_run(store.runs_dir / "demo", "seed: 1")
        store.save_run()
        bucket.use_cache(tmp_path / "elsewhere")
        taken = list[str]()

        @contextmanager
        def taking(file: Path, **how: Any) -> Iterator[None]:
            """As where whoever has the lock commits something before it is free."""
            if not taken:
                begin_run(store.runs_dir / "demo", "seed: 2")
                store.save_run()
            taken.append(file.name)
            with locked(file, **how):
                yield

        monkeypatch.setattr("engine.storage.remote.opening.locked", taking)
        fetched = Path(fetch_run(f"{bucket.url}/demo"))
        store.end_run()
    assert taken
    assert (fetched / "config.yaml").read_text() == "seed: 2"


def test_a_run_that_starts_waits_for_who_fetches_it_and_is_not_refused(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RemoteStore(bucket.url)
    with store.holding_run(store.runs_dir / "demo"):
        begin_run(store.runs_dir / "demo", "seed: 1")
        store.end_run()
    bucket.use_cache(tmp_path / "elsewhere")
    run_dir, fetches, starts = runs_dir_here(bucket.url) / "demo", threading.Event(), threading.Event()

    def restore(content: Any, cache: Cache) -> Path:
        fetches.set()
        assert starts.wait(30)
        return restore_run(content, cache)

    monkeypatch.setattr("engine.storage.remote.opening.restore_run", restore)
    monkeypatch.setattr("engine.storage.files.time.sleep", lambda _: starts.set())
    monkeypatch.setattr("engine.storage.files._ASKED_TRIES", 10**9)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(fetch_run, f"{bucket.url}/demo")
        assert fetches.wait(30)
        try:
            with hold_run(run_dir):
                assert (run_dir / "config.yaml").read_text() == "seed: 1"
        finally:
            starts.set()
        assert fetching.result(30) == str(run_dir)
