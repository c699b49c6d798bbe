"""Objects of every kind of store: conditional writes, answers that get lost, files there and back, lists."""

import pickle
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.remote.objects import Objects, require_conditions
from tests.support.object_store import Bucket, Fault, every_store, once, proxied


@every_store
def test_a_document_is_made_once(bucket: Bucket) -> None:
    objects = pickle.loads(pickle.dumps(bucket.objects()))  # as engines get it
    assert objects.read("x") is None
    etag = objects.create("x", b"first")
    assert etag
    assert objects.create("x", b"second") is None
    there = objects.read("x")
    assert there is not None
    assert (there.body, there.etag) == (b"first", etag)
    assert -1 <= there.age_seconds < 60


@every_store
def test_a_document_is_replaced_by_who_has_read_it_last(bucket: Bucket) -> None:
    objects = bucket.objects()
    first = objects.create("x", b"first")
    assert first
    second = objects.replace("x", b"second", first)
    assert second
    assert objects.replace("x", b"third", first) is None
    assert objects.replace("missing", b"third", first) is None
    assert objects.replace("x", b"third", second)
    objects.put("x", b"whatever")
    there = objects.read("x")
    assert there is not None
    assert there.body == b"whatever"


@every_store
@pytest.mark.parametrize("fault", [Fault.refused, Fault.unheard, Fault.done_with_error, Fault.done_unheard])
def test_a_write_counts_once_whatever_becomes_of_the_answer(bucket: Bucket, fault: Fault) -> None:
    with proxied(bucket.port, once(fault, "PUT", "/x")) as proxy:
        bucket.go_through(proxy.url)
        etag = bucket.objects().create("x", b"first")
        assert etag, "a repetition that meets the first write knows it"
        assert [method for method, _ in proxy.requests].count("PUT") == 2
    with proxied(bucket.port, once(fault, "PUT", "/x")) as proxy:
        bucket.go_through(proxy.url)
        assert bucket.objects().replace("x", b"second", etag)
        assert bucket.objects().replace("x", b"third", etag) is None


@every_store
def test_files_go_there_and_back(bucket: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB: more than one piece
    (tmp_path / "large").write_bytes(content)
    objects = bucket.objects()
    objects.upload("files/large", tmp_path / "large")
    objects.upload("files/large", tmp_path / "large")
    objects.download("files/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert list(objects.listed("files/")) == [("files/large", len(content))]
    objects.delete(["files/large", "files/none"])
    assert list(objects.listed()) == []


@every_store
def test_a_store_without_conditions_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    require_conditions(bucket.objects(), "probe")
    assert bucket.all_keys() == []

    def ignoring(self: Objects, key: str, body: bytes, *_: object, **condition: str) -> str:
        self.put(key, body)
        return "etag"

    monkeypatch.setattr(type(bucket.objects()), "_write", ignoring)
    with pytest.raises(UserError, match="ignores If-None-Match or If-Match"):
        require_conditions(bucket.objects(), "probe")


@every_store
def test_lists_hold_what_begins_with_a_text(bucket: Bucket) -> None:
    objects = bucket.objects()
    names = ("a/part-e1-1", "a/part-e1-2", "a/part-e10-1", "a/part-e2-1", "a/other", "ab", "a/part-x", "b/c/d")
    for name in names:
        objects.put(name, name.encode())
    assert [key for key, _ in objects.listed()] == sorted(names)
    assert list(objects.listed("a/part-e1-")) == [("a/part-e1-1", 11), ("a/part-e1-2", 11)]
    assert [key for key, _ in objects.listed("a/part-e1-", after="a/part-e1-1")] == ["a/part-e1-2"]
    assert [key for key, _ in objects.listed("a/", after="a/part-e10-1")] == ["a/part-e2-1", "a/part-x"]
    assert [key for key, _ in objects.listed("ab")] == ["ab"]
    assert list(objects.listed("nothing/")) == list(objects.listed("nothing")) == []
    assert objects.beginnings("a/part-", "-") == ["a/part-e1-", "a/part-e10-", "a/part-e2-"]
    etags = dict(objects.etags("a"))
    assert {key for key in names if key.startswith("a/")} <= etags.keys(), "ab may be among them"
    assert [key for key, _ in objects.etags("ab")] == ["ab"]
    assert len(set(etags.values())) == len(etags)


@every_store
def test_names_are_kept_as_they_are(bucket: Bucket) -> None:
    objects = bucket.objects()
    names = ["a b", "a%20b", "ü #1?.txt", "a[b]~*+&=.txt"]
    for name in names:
        objects.put(f"names/{name}", name.encode())
    assert sorted(key for key, _ in objects.listed("names/")) == sorted(f"names/{name}" for name in names)
    assert [objects.read(f"names/{name}").body.decode() for name in names] == names  # type: ignore[union-attr]


@every_store
def test_a_copy_is_another_object(bucket: Bucket) -> None:
    objects = bucket.objects()
    objects.put("a b", b"content")
    objects.copy("a b", "c")
    objects.delete(["a b"])
    assert objects.read("c").body == b"content"  # type: ignore[union-attr]
    with pytest.raises(UserError):
        objects.copy("a b", "d")


@every_store
def test_what_is_gone_keeps_nothing_else_from_being_deleted(bucket: Bucket) -> None:
    objects = bucket.objects()
    names = [f"{number:03}" for number in range(30)]
    for name in names[::5]:
        objects.put(name, b"x")
    objects.delete(names)
    assert bucket.all_keys() == []
    objects.delete([])


@every_store
@pytest.mark.parametrize("fault", [Fault.done_with_error, Fault.done_unheard])
def test_a_deletion_whose_answer_is_lost_is_one(bucket: Bucket, fault: Fault) -> None:
    bucket.objects().put("x", b"x")
    method = {"s3": "POST", "gs": "DELETE", "az": "POST"}[bucket.scheme]
    with proxied(bucket.port, once(fault, method, "")) as proxy:
        bucket.go_through(proxy.url)
        bucket.objects().delete(["x"])
        assert bucket.all_keys() == []
