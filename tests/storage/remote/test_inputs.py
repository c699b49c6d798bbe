"""Input behind a URL: fetched once, and again where it changed."""

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.remote.inputs import fetch_input
from tests.support.object_store import Bucket, Fault, every_store, proxied


def contents(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


@every_store
def test_a_folder_is_fetched_and_kept_up_to_date(bucket: Bucket) -> None:
    objects = bucket.objects()
    for name in ("docs/a.txt", "docs/more/b.txt", "docs-of-others/c.txt"):
        objects.put(name, Path(name).stem.encode())
    if bucket.scheme == "s3":  # by obstore no such name can be written
        objects.put("docs/more/", b"")
    url = f"{bucket.url}/docs"
    folder = fetch_input(url, where=url)
    assert folder.name == "docs"
    assert contents(folder) == {"a.txt": "a", "more/b.txt": "b"}
    objects.put("docs/a.txt", b"other")
    objects.delete(["docs/more/b.txt"])
    objects.put("docs/d.txt", b"d")
    assert fetch_input(f"{url}/", where=url) == folder
    assert contents(folder) == {"a.txt": "other", "d.txt": "d"}


def test_what_has_not_changed_is_not_fetched_again(bucket: Bucket) -> None:
    bucket.objects().put("docs.jsonl", b"{}")
    with proxied(bucket.port, lambda *_: Fault.none) as proxy:
        bucket.go_through(proxy.url)
        file = fetch_input(f"{bucket.url}/docs.jsonl", where="documents.path")
        assert (file.name, file.read_text()) == ("docs.jsonl", "{}")
        first = len(proxy.requests)
        assert fetch_input(f"{bucket.url}/docs.jsonl", where="documents.path") == file
        assert len(proxy.requests) == first + 1, "it is listed, and no more"
        file.unlink()
        assert fetch_input(f"{bucket.url}/docs.jsonl", where="documents.path").read_text() == "{}"


@every_store
def test_what_was_cut_off_is_fetched_again(bucket: Bucket) -> None:
    bucket.objects().put("docs.jsonl", b"{}")
    file = fetch_input(f"{bucket.url}/docs.jsonl", where="documents.path")
    etags = file.with_name("etags.json")
    etags.write_text(json.dumps({}))
    file.write_text("something else")
    assert fetch_input(f"{bucket.url}/docs.jsonl", where="documents.path").read_text() == "{}"


@every_store
def test_a_whole_bucket_is_a_folder(bucket: Bucket) -> None:
    bucket.objects().put("a.txt", b"a")
    folder = fetch_input(f"{bucket.scheme}://{bucket.name}", where="")
    assert folder.name == bucket.name
    assert contents(folder) == {"some/runs/a.txt": "a"}


def test_nothing_behind_a_url_is_named(bucket: Bucket) -> None:
    with pytest.raises(UserError, match=r"documents\.path=s3://.*: there is nothing there"):
        fetch_input(f"{bucket.url}/docs", where=f"documents.path={bucket.url}/docs")


def test_a_name_that_leads_elsewhere_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.remote.inputs._found", lambda _: {"/../out.txt": "etag"})
    with pytest.raises(UserError, match="leads out of its folder"):
        fetch_input(f"{bucket.url}/docs", where="")
