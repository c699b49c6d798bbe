"""Objects of a real S3 server: what a person reads where it refuses, and what is asked without boto3."""

import pytest

from engine.errors import UserError
from engine.storage.remote.address import Address
from engine.storage.remote.objects import Objects
from engine.storage.remote.s3_objects import S3Objects
from engine.storage.remote.s3_refusals import code_of, naming_refusals, status_of
from tests.support.object_store import Bucket, Fault, once, proxied


def refusal(objects: Objects) -> str:
    with pytest.raises(UserError) as refused:
        objects.read("x")
    return str(refused.value)


def test_a_missing_bucket_is_named(bucket: Bucket) -> None:
    assert refusal(S3Objects(Address("no-such-bucket-here"))) == (
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
    monkeypatch.setattr("engine.storage.remote.patience.TRIES", 1)
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

    from engine.storage.remote import s3_objects

    client = s3_objects._make_client(f"http://127.0.0.1:{bucket.port}", -1)
    monkeypatch.setattr(s3_objects, "_make_client", lambda *_: client)
    errors = [{"Key": "x", "Code": "AccessDenied", "Message": "..."}]
    stub = Stubber(client)
    stub.add_response("delete_objects", {"Errors": errors})
    with stub, pytest.raises(UserError, match=r"do not allow it \(AccessDenied\)"):
        bucket.objects().delete(["y", "x"])


def test_what_is_missing_is_missing_where_the_answer_is_cut_off(bucket: Bucket) -> None:
    with proxied(bucket.port, lambda _number, _method, _path: Fault.cut_off) as proxy:
        bucket.go_through(proxy.url)
        assert bucket.objects().read("missing") is None
        assert proxy.requests == [("GET", f"/{bucket.name}/some/runs/missing")]
        with proxied(bucket.port, once(Fault.cut_off, "PUT", "/missing")) as other:
            bucket.go_through(other.url)
            assert bucket.objects().replace("missing", b"new", '"of-something-else"') is None


def test_a_name_that_no_object_can_have_is_one_line(bucket: Bucket) -> None:
    with pytest.raises(UserError, match="cannot be asked for"):
        S3Objects(Address("bad bucket")).read("x")


def test_without_boto3_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="boto3, which speaks to object stores, is not installed"):
        S3Objects(Address("bucket"))


def test_other_mistakes_pass_through() -> None:
    with pytest.raises(ValueError, match="ours"), naming_refusals("s3://x"):
        raise ValueError("a mistake of ours")
    assert (code_of(ValueError()), status_of(ValueError())) == ("", 0)
