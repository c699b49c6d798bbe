"""The store behind a URL: folders are there whole or not at all, for every driver and after every kill."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.remote.claims import Claim, Lease, LostClaimError, State, read_state
from engine.storage.remote.runs import restore_run
from engine.storage.remote.store import RemoteStore
from engine.storage.run_folders import begin_run, link
from engine.storage.store import StepRecord, finish, is_done, read_record
from tests.support.object_store import Bucket, Fault, every_store, proxied

FINGERPRINT = "3f2a000000000000"
RECORD = StepRecord("documents", FINGERPRINT, {}, {"path": "x"}, 1.5, 7, {"passages": 3})


def folder_in(store: RemoteStore) -> Path:
    return store.cache.store.folder("documents", FINGERPRINT)


def nobody_waits() -> None:
    raise AssertionError("nobody else works on it")


def write(folder: Path, text: str) -> None:
    """What a step does: two files that belong together."""
    (folder / "parts").mkdir()
    (folder / "parts" / "a.txt").write_text(text)
    (folder / "b.txt").write_text(text)
    finish(folder, RECORD)


def write_twice(folder: Path) -> None:
    """A step that fails in the middle."""
    (folder / "b.txt").write_text("half")
    (folder / "parts").mkdir()
    (folder / "parts").mkdir()


@contextmanager
def producing(store: RemoteStore, on_wait: Callable[[], None] = nobody_waits) -> Iterator[Path]:
    folder = folder_in(store)
    with store.cache.store.producing(folder, keep=False), store.producing(folder, on_wait):
        yield folder


def texts(folder: Path) -> list[str]:
    assert is_done(folder)
    return [(folder / name).read_text() for name in ("parts/a.txt", "b.txt")]


def files_below(store: RemoteStore) -> list[str]:
    """Keys of the files of the folder."""
    return [key for key, _ in store.objects.listed("store/") if "/files/" in key]


@every_store
def test_a_folder_goes_from_one_machine_to_another(bucket: Bucket, tmp_path: Path) -> None:
    here = RemoteStore(bucket.url)
    here.check()
    here.check()
    assert not here.has(folder_in(here))
    with producing(here) as folder:
        write(folder, "same")
    assert len(files_below(here)) == 2, "a and b hold the same, and are one object; the other is the record"

    bucket.use_cache(tmp_path / "elsewhere")
    there = RemoteStore(bucket.url)
    assert there.here != here.here
    folder = folder_in(there)
    assert there.has(folder)
    assert not folder.exists(), "nothing is fetched before it is read"
    assert there.record(folder) == RECORD
    there.fetch(folder)
    assert texts(folder) == ["same", "same"]
    assert read_record(folder) == RECORD
    before = folder.stat().st_ino
    there.fetch(folder)
    RemoteStore(bucket.url).fetch(folder)
    assert folder.stat().st_ino == before, "what is there is not fetched again"


@every_store
def test_what_fails_is_not_there(bucket: Bucket) -> None:
    store = RemoteStore(bucket.url)
    with pytest.raises(FileExistsError), producing(store) as folder:
        write_twice(folder)
    assert not RemoteStore(bucket.url).has(folder_in(store))
    with producing(RemoteStore(bucket.url)) as folder:  # it need not wait: the claim was given back
        write(folder, "whole")
    assert texts(folder) == ["whole"] * 2


def test_what_another_machine_commits_meanwhile_is_taken(bucket: Bucket, tmp_path: Path) -> None:
    here = RemoteStore(bucket.url)
    waits = threading.Event()
    made_here: list[str] = []

    def wait_here() -> None:
        with producing(here, waits.set) as folder:
            made_here.extend(texts(folder))

    bucket.use_cache(tmp_path / "elsewhere")
    there = RemoteStore(bucket.url)
    with producing(there) as folder:
        waiting = threading.Thread(target=wait_here)
        waiting.start()
        assert waits.wait(60)
        write(folder, "elsewhere")
    waiting.join(60)
    assert made_here == ["elsewhere"] * 2


def test_what_this_machine_made_gives_way_to_what_was_committed(bucket: Bucket, tmp_path: Path) -> None:
    here = RemoteStore(bucket.url)
    folder = folder_in(here)
    folder.mkdir(parents=True)
    write(folder, "finished and never committed")
    bucket.use_cache(tmp_path / "elsewhere")
    with producing(RemoteStore(bucket.url)) as other:
        write(other, "committed")
    assert texts(folder) == ["finished and never committed"] * 2
    here.fetch(folder)
    assert texts(folder) == ["committed"] * 2, "or steps would read one thing here and another thing there"


@every_store
def test_who_was_not_heard_of_commits_nothing(bucket: Bucket, tmp_path: Path) -> None:
    late, key = RemoteStore(bucket.url), f"store/documents/{FINGERPRINT}/claim.json"
    bucket.use_cache(tmp_path / "elsewhere")

    def write_for_too_long(folder: Path) -> None:
        write(folder, "late")
        Claim.take(bucket.objects(), key, "node2/1/other", Lease(0.0)).end(None)

    with pytest.raises(LostClaimError), producing(late) as folder:
        write_for_too_long(folder)
    assert not RemoteStore(bucket.url).has(folder_in(RemoteStore(bucket.url)))


def test_a_file_that_holds_something_else_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    store = RemoteStore(bucket.url)
    with producing(store) as folder:
        write(folder, "right")
    [first, *_] = files_below(store)
    store.objects.put(first, b"other")
    bucket.use_cache(tmp_path / "elsewhere")
    there = RemoteStore(bucket.url)
    with pytest.raises(UserError, match="does not hold what was committed"):
        there.fetch(folder_in(there))
    assert not is_done(folder_in(there))


def test_a_name_that_leads_out_of_the_folder_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    store = RemoteStore(bucket.url)
    with producing(store) as folder:
        write(folder, "right")
    claim = json.loads(store.objects.read(key := f"store/documents/{FINGERPRINT}/claim.json").body)  # type: ignore[union-attr]
    for name in ("../../out.txt", "/tmp/out.txt"):
        claim["content"]["files"] = {name: next(iter(claim["content"]["files"].values()))}
        store.objects.put(key, json.dumps(claim).encode())
        bucket.use_cache(tmp_path / name.replace("/", "_"))
        there = RemoteStore(bucket.url)
        with pytest.raises(UserError, match="leads out of its folder"):
            there.fetch(folder_in(there))


@every_store
def test_what_is_left_after_a_commit_goes_with_the_next_driver(bucket: Bucket) -> None:
    store, key = RemoteStore(bucket.url), f"store/documents/{FINGERPRINT}"
    with producing(store) as folder:
        write(folder, "right")
    claim = json.loads(store.objects.read(f"{key}/claim.json").body)  # type: ignore[union-attr]
    left = [f"{key}/open/attempt-0001/part-e1-00000.parquet", f"{key}/open/manifest/00000001.json", f"{key}/files/0123"]
    last = f"{key}/open/manifest/00000002.json"

    def kill_after_the_commit() -> None:
        """Leaves what a driver does that is killed before it has deleted anything."""
        for name in (*left, last):
            store.objects.put(name, b"left")
        store.objects.put(f"{key}/claim.json", State(7, store.cache.holder, claim["content"]).body())

    kill_after_the_commit()
    assert RemoteStore(bucket.url).has(folder_in(store))
    assert set(left).isdisjoint(bucket.all_keys())
    assert last in bucket.all_keys(), "a driver that slept meanwhile finds its number used"
    assert read_state(store.objects, f"{key}/claim.json").holder == ""
    kill_after_the_commit()
    with producing(RemoteStore(bucket.url)) as folder:
        assert texts(folder) == ["right"] * 2
    assert set(left).isdisjoint(bucket.all_keys())


@every_store
def test_a_commit_stands_where_what_is_left_cannot_be_deleted(bucket: Bucket, tmp_path: Path) -> None:
    def is_deletion(method: str, path: str) -> bool:
        return method == "DELETE" or (method == "POST" and ("?delete" in path or "comp=batch" in path))

    said, key, may_delete = list[str](), f"store/documents/{FINGERPRINT}", list[bool]()
    left = f"{key}/files/0123"
    bucket.objects().put(left, b"of an earlier attempt")

    def plan(_number: int, method: str, path: str) -> Fault:
        return Fault.denied if is_deletion(method, path) and not may_delete else Fault.none

    with proxied(bucket.port, plan) as proxy:
        bucket.go_through(proxy.url)
        bucket.use_cache(tmp_path / "here")
        with producing(RemoteStore(bucket.url, warn=said.append)) as folder:
            write(folder, "whole")
        assert f"{key} is whole, and what is left there of earlier attempts stays for the next start" in said[0]
        assert "the credentials do not allow it (AccessDenied)" in said[0]
        assert RemoteStore(bucket.url, warn=said.append).has(folder), "what is there can be read"
        assert len(said) == 2
        bucket.use_cache(tmp_path / "elsewhere")
        there = RemoteStore(bucket.url, warn=said.append)
        assert there.has(folder_in(there))
        there.fetch(folder_in(there))
        assert texts(folder_in(there)) == ["whole"] * 2
        assert len(said) == 2, "for another machine the claim is not over, and it leaves the rest alone"
        bucket.use_cache(tmp_path / "here")
        assert left in bucket.all_keys()
        may_delete.append(True)
        next_start = RemoteStore(bucket.url, warn=pytest.fail)
        assert next_start.has(folder)
        assert left not in bucket.all_keys()
        assert read_state(next_start.objects, f"{key}/claim.json").holder == ""


@every_store
def test_who_may_only_read_reads(bucket: Bucket) -> None:
    said, key = list[str](), f"store/documents/{FINGERPRINT}"
    may_write = [True]

    def plan(_number: int, method: str, _path: str) -> Fault:
        return Fault.none if may_write[0] or method in {"GET", "HEAD"} else Fault.denied

    with proxied(bucket.port, plan) as proxy:
        bucket.go_through(proxy.url)
        store = RemoteStore(bucket.url)
        with producing(store) as folder:
            write(folder, "whole")
        claim = json.loads(store.objects.read(f"{key}/claim.json").body)  # type: ignore[union-attr]
        store.objects.put(f"{key}/claim.json", State(7, store.cache.holder, claim["content"]).body())
        may_write[0] = False
        reader = RemoteStore(bucket.url, warn=said.append)
        assert reader.has(folder)
        assert reader.record(folder) == RECORD
    [line] = said
    assert "stays for the next start" in line


def test_a_part_that_a_lost_driver_sends_after_the_commit_goes_with_the_next_start(bucket: Bucket) -> None:
    store = RemoteStore(bucket.url)
    folder, record = store.cache.store.folder("samples", FINGERPRINT), replace(RECORD, noun="samples")
    with store.cache.store.producing(folder, keep=True), store.producing(folder, nobody_waits):
        (folder / "a.txt").write_text("committed")
        finish(folder, record)
    late = f"store/samples/{FINGERPRINT}/open/attempt-0001/part-e3-00007.parquet"
    last = f"store/samples/{FINGERPRINT}/open/manifest/00000002.json"
    for key in (late, last):
        store.objects.put(key, b"late")
    assert RemoteStore(bucket.url).has(folder)
    assert late not in bucket.all_keys()
    assert last in bucket.all_keys()


def work(url: str, text: str) -> None:
    """What a run does with the store, from its claim to its end."""
    store = RemoteStore(url)
    run_dir = store.runs_dir / "demo"
    with store.holding_run(run_dir):
        with producing(store) as folder:
            if not is_done(folder):
                write(folder, text)
        begin_run(run_dir, "seed: 1")
        link(run_dir, "documents", folder)
        store.save_run()
        store.end_run()


def fork_and_work(url: str) -> int:
    """Starts a process that does it; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work(url, f"by {os.getpid()}")
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_a_kill_between_any_two_requests_leaves_a_folder_or_none(bucket: Bucket, tmp_path: Path) -> None:
    was_killed, number = True, 0
    while was_killed:
        number += 1
        url, home = f"{bucket.url}/{number}", tmp_path / f"{number}"
        with killing(bucket, number) as worked_and_was_killed:
            bucket.use_cache(home / "killed")
            was_killed = worked_and_was_killed(url)
            bucket.use_cache(home / "before")
            before = RemoteStore(url)
            if was_there := before.has(folder_in(before)):
                before.fetch(folder_in(before))
            bucket.use_cache(home / "killed")
            work(url, "again")
            bucket.use_cache(home / "after")
            after = RemoteStore(url)
            after.fetch(folder_in(after))
            text, other = texts(folder_in(after))
            assert text == other, f"two attempts are mixed after a kill at request {number}"
            if was_there:
                assert texts(folder_in(before)) == [text] * 2, "what was committed stays"
            assert len(files_below(after)) == 2, f"a kill at request {number} leaves files for good"
            content = json.loads(after.objects.read("demo/run.json").body)["content"]  # type: ignore[union-attr]
            assert texts(restore_run(content, after.cache) / "documents") == [text] * 2
    assert number > 10, "there were that many requests to be killed at"


@contextmanager
def killing(bucket: Bucket, at: int) -> Iterator[Callable[[str], bool]]:
    """Gives a function that has a process work; it is killed when a request is done, before it hears so.

    The function tells whether it was. All that a kill between two requests can leave in the store is among this.
    """
    is_known = threading.Event()
    pids: list[int] = []

    def plan(number: int, _method: str, _path: str) -> Fault:
        if number != at or (is_known.wait(60) and not pids):
            return Fault.none
        os.kill(pids[0], signal.SIGKILL)
        return Fault.done_unheard

    def worked_and_was_killed(url: str) -> bool:
        pids.append(fork_and_work(url))
        is_known.set()
        status = os.waitpid(pids[0], 0)[1]
        pids.clear()  # the requests that follow are of others
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
        return os.WIFSIGNALED(status)

    with proxied(bucket.port, plan) as proxy:
        bucket.go_through(proxy.url)
        yield worked_and_was_killed
