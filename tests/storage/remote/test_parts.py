"""Samples that are being written behind a URL: what is lost with a machine, and who may list parts."""

import pickle
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.storage.manifest import FencedError
from engine.storage.merging import compact
from engine.storage.parts import committed_ids, committed_parts
from engine.storage.parts_log import PartsLog
from engine.storage.remote.parts import RemoteParts
from engine.storage.remote.store import RemoteStore
from engine.storage.store import StepRecord, finish
from tests.support.committed import SIZE, write
from tests.support.object_store import Bucket, Fault, every_store, proxied

KEY = "store/samples/ab"
RECORD = StepRecord("samples", "ab", {}, {}, 1.0, 1, {})


def begin(bucket: Bucket, folder: Path) -> PartsLog:
    """A start of a driver whose disk is `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return PartsLog.take_over(folder, SIZE, RemoteParts(bucket.objects(), KEY, folder))


def upload(parts: PartsLog, part: Path) -> None:
    """What an engine does with a part, wherever it runs."""
    assert parts.shared
    pickle.loads(pickle.dumps(parts.shared.uploader()))(part)


def ids(folder: Path) -> list[int]:
    return committed_ids(committed_parts(folder)).tolist()


@every_store
def test_another_machine_goes_on_where_one_was_lost(bucket: Bucket, tmp_path: Path) -> None:
    first = begin(bucket, tmp_path / "first")
    write(first.attempt_folder, [1, 2])
    (first.attempt_folder / "attempt.json").write_text("{}")
    first.list_new()
    shared = write(first.attempt_folder, [3], number=1)
    upload(first, shared)  # the driver was lost before it listed this one
    write(first.attempt_folder, [4], number=2)  # and this one was on its disk alone
    shutil.rmtree(tmp_path / "first")

    second = begin(bucket, tmp_path / "second")
    assert second.start == 2
    assert ids(second.folder) == [1, 2, 3]
    assert len(second.committed) == 3
    assert (second.folder / "attempt-0001" / "attempt.json").read_text() == "{}"
    third = begin(bucket, tmp_path / "third")
    assert (third.start, ids(third.folder)) == (3, [1, 2, 3])


def test_who_was_taken_over_lists_nothing(bucket: Bucket, tmp_path: Path) -> None:
    first = begin(bucket, tmp_path / "first")
    second = begin(bucket, tmp_path / "second")
    write(first.attempt_folder, [1])
    with pytest.raises(FencedError):
        first.list_new()
    write(second.attempt_folder, [1])
    second.list_new()
    assert ids(begin(bucket, tmp_path / "third").folder) == [1]


@every_store
def test_a_driver_whose_number_was_used_and_forgotten_lists_nothing(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.parts_log._SNAPSHOT_ENTRIES", 2)
    late = begin(bucket, tmp_path / "late")
    second = begin(bucket, tmp_path / "second")
    for number in range(8):
        write(second.attempt_folder, [number], number=number)
        second.list_new()
    entries = [key for key in bucket.all_keys() if "/manifest/" in key]
    assert f"{KEY}/open/manifest/00000002.json" not in entries, "the number that the late one is about to use"
    write(late.attempt_folder, [100])
    with pytest.raises(FencedError):
        late.list_new()
    assert [key for key in bucket.all_keys() if "/manifest/" in key] == entries


@every_store
def test_engines_on_other_disks_are_heard(bucket: Bucket, tmp_path: Path) -> None:
    parts = begin(bucket, tmp_path / "driver")
    engine = tmp_path / "engine" / parts.attempt_folder.name
    engine.mkdir(parents=True)
    upload(parts, write(engine, [1, 2], engine=1))
    parts.list_new()
    upload(parts, write(engine, [3], engine=1, number=1))
    assert parts.close_engine(1).tolist() == [1, 2, 3]
    upload(parts, write(engine, [4], engine=1, number=2))
    parts.list_new()
    assert ids(parts.folder) == [1, 2, 3], "its epoch is closed"


@every_store
def test_of_many_parts_only_new_ones_are_listed(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.remote.parts._PAGE", 3)
    parts = begin(bucket, tmp_path / "driver")
    engine = tmp_path / "engine" / parts.attempt_folder.name
    engine.mkdir(parents=True)
    for number in range(3):
        upload(parts, write(engine, [number], engine=1, number=number))
    parts.list_new()
    upload(parts, write(engine, [3], engine=1, number=3))
    upload(parts, write(engine, [4], engine=2, number=99_999))  # a writer that was not heard of before
    with proxied(bucket.port, lambda *_: Fault.none) as proxy:
        bucket.go_through(proxy.url)
        away = RemoteParts(bucket.objects(), KEY, parts.folder)
        away._last, away._num_listed = parts.shared._last, parts.shared._num_listed  # type: ignore[union-attr]
        parts.shared = away
        parts.list_new()
        assert ids(parts.folder) == [0, 1, 2, 3, 4]
        if bucket.scheme != "s3":
            return  # the others list whole folders
        asked = [dict(parse_qsl(urlsplit(path).query)) for method, path in proxy.requests if method == "GET"]
        lists = [query for query in asked if "list-type" in query]
        assert all("/attempt-0001/part-" in query["prefix"] for query in lists), "no list of all parts"
        assert any(query.get("start-after", "").endswith("/part-e1-00002.parquet") for query in lists)
        upload(parts, write(engine, [5], engine=2, number=100_000))
        parts.list_new()
    assert ids(parts.folder) == [0, 1, 2, 3, 4, 5], "a number with one digit more comes before the others"


def test_what_was_listed_and_not_noted_here_counts(bucket: Bucket, tmp_path: Path) -> None:
    first = begin(bucket, tmp_path / "first")
    write(first.attempt_folder, [1])
    first.list_new()
    (first.folder / "manifest" / "00000002.json").unlink()  # a kill between the store and the disk
    assert ids(begin(bucket, tmp_path / "first").folder) == [1]


@every_store
def test_a_finished_folder_is_committed_without_sending_parts_twice(bucket: Bucket, tmp_path: Path) -> None:
    store = RemoteStore(bucket.url)
    folder = store.cache.store.folder("samples", "ab")
    late = begin(bucket, tmp_path / "late")
    with store.cache.store.producing(folder, keep=True), store.producing(folder, lambda: None):
        parts = PartsLog.take_over(folder, SIZE, store.parts(folder))
        for number in range(3):
            write(parts.attempt_folder, [number], number=number)
            parts.list_new()
        compact(parts)
        finish(folder, RECORD)
    [last] = [key for key in bucket.all_keys() if "/open/" in key]
    assert "/manifest/" in last, "what was open is committed; one entry turns a driver away that slept meanwhile"
    write(late.attempt_folder, [7])
    with pytest.raises(FencedError):
        late.list_new()
    bucket.use_cache(tmp_path / "elsewhere")
    there = RemoteStore(bucket.url)
    other = there.cache.store.folder("samples", "ab")
    there.fetch(other)
    assert ids(other) == [0, 1, 2]
