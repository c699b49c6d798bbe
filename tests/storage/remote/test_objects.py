"""Objects of a real S3 server: conditional writes, answers that get lost, and what a person reads."""

import pickle
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.remote.address import Address
from engine.storage.remote.objects import Objects
from engine.storage.remote.refusals import code_of, naming_refusals, status_of
from tests.support.object_store import Bucket, Fault, once, proxied


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


def test_a_store_without_conditions_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.objects().require_conditions("probe")
    assert bucket.all_keys() == []

    def ignoring(self: Objects, key: str, body: bytes, **condition: str) -> str:
        self.put(key, body)
        return "etag"

    monkeypatch.setattr(Objects, "_write", ignoring)
    with pytest.raises(UserError, match="ignores If-None-Match or If-Match"):
        bucket.objects().require_conditions("probe")


def refusal(objects: Objects) -> str:
    with pytest.raises(UserError) as refused:
        objects.read("x")
    return str(refused.value)


def test_a_missing_bucket_is_named(bucket: Bucket) -> None:
    assert refusal(Objects(Address("no-such-bucket-here"))) == (
        "s3://no-such-bucket-here/x: there is no such bucket; make it, or name another one"
    )


def test_missing_credentials_are_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    bucket.go_through(f"http://localhost:{bucket.port}")
    assert "there are no credentials" in refusal(bucket.objects())
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    bucket.go_through(f"http://127.0.0.1:{bucket.port}/")
    assert "nobody" in refusal(bucket.objects())


def test_a_store_that_nobody_runs_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.remote.objects._TRIES", 1)
    bucket.go_through("http://127.0.0.1:9")
    assert "the store cannot be reached (EndpointConnectionError); check the network" in refusal(bucket.objects())
    bucket.go_through("nonsense")
    assert "AWS_ENDPOINT_URL" in refusal(bucket.objects())


@pytest.mark.parametrize(
    ("code", "status", "what"),
    [
        ("AccessDenied", 403, "do not allow it"),
        ("403", 403, "do not allow it"),
        ("ExpiredToken", 400, "refuses the credentials"),
        ("PermanentRedirect", 301, "another region"),
        ("SlowDown", 503, "does not work"),
        ("NotImplemented", 501, "does not work"),
        ("EntityTooLarge", 400, "refused a request"),
    ],
)
def test_answers_of_a_store_are_put_into_words(code: str, status: int, what: str) -> None:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "..."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(UserError, match=what) as refused, naming_refusals("s3://x"):
        raise ClientError(answer, "PutObject")
    assert "\n" not in str(refused.value)
    assert (code_of(refused.value.__cause__), status_of(refused.value.__cause__)) == (code, status)  # type: ignore[arg-type]


def test_what_a_store_does_not_delete_is_told(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.stub import Stubber

    from engine.storage.remote import objects

    client = objects._make_client(f"http://127.0.0.1:{bucket.port}", -1)
    monkeypatch.setattr(objects, "_make_client", lambda *_: client)
    errors = [{"Key": "x", "Code": "AccessDenied", "Message": "..."}]
    stub = Stubber(client)
    stub.add_response("delete_objects", {"Errors": errors})
    with stub, pytest.raises(UserError, match=r"do not allow it \(AccessDenied\)"):
        bucket.objects().delete(["y", "x"])


def test_a_name_that_no_object_can_have_is_one_line(bucket: Bucket) -> None:
    with pytest.raises(UserError, match="cannot be asked for"):
        Objects(Address("bad bucket")).read("x")


def test_without_boto3_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="boto3, which speaks to object stores, is not installed"):
        Objects(Address("bucket"))


def test_other_mistakes_pass_through() -> None:
    with pytest.raises(ValueError, match="ours"), naming_refusals("s3://x"):
        raise ValueError("a mistake of ours")
    assert (code_of(ValueError()), status_of(ValueError())) == ("", 0)
