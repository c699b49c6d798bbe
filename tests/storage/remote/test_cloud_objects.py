"""Objects of Google's store and of Azure's: what the library leaves open, and what a person reads."""

import os
import pickle
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from engine.errors import BrokenInvariantError, UserError
from engine.storage.remote import cloud_objects, patience
from engine.storage.remote.address import Address
from engine.storage.remote.cloud_objects import CloudObjects, account_set, endpoint_set
from engine.storage.remote.objects import Objects
from tests.support.google_server import google_server
from tests.support.object_store import Bucket, Fault, Plan, once, proxied

both = pytest.mark.parametrize("bucket", ["gs", "az"], indirect=True)
google = pytest.mark.parametrize("bucket", ["gs"], indirect=True)
azure = pytest.mark.parametrize("bucket", ["az"], indirect=True)


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    cloud_objects._make_store.cache_clear()


def refusal(objects: Objects) -> str:
    with pytest.raises(UserError) as refused:
        objects.read("x")
    assert "\n" not in str(refused.value)
    return str(refused.value)


@both
def test_it_goes_to_other_processes_without_credentials(bucket: Bucket) -> None:
    sent = pickle.dumps(bucket.objects())
    assert b"planted" not in sent
    assert b"Eby8" not in sent
    assert pickle.loads(sent) == bucket.objects()


@both
@pytest.mark.parametrize("fault", [Fault.late, Fault.done_late])
def test_a_write_whose_answer_takes_too_long_is_repeated(
    bucket: Bucket, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "READ_SECONDS", 0.3)
    with proxied(bucket.port, once(fault, "PUT", "/x")) as proxy:
        bucket.go_through(proxy.url)
        etag = bucket.objects().create("x", b"first")
        assert etag
        assert bucket.objects().create("x", b"second") is None
        assert bucket.objects().replace("x", b"third", etag)


@pytest.mark.parametrize(
    ("bucket", "method", "part"),
    [
        ("gs", "POST", "uploads"),
        ("gs", "PUT", "partNumber=1"),
        ("gs", "POST", "uploadId"),
        ("az", "PUT", "comp=block&"),
        ("az", "PUT", "comp=blocklist"),
    ],
    indirect=["bucket"],
)
@pytest.mark.parametrize("fault", [Fault.done_with_error, Fault.done_unheard])
def test_a_file_in_pieces_is_whole_whatever_becomes_of_an_answer(
    bucket: Bucket, tmp_path: Path, method: str, part: str, fault: Fault
) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB
    (tmp_path / "large").write_bytes(content)
    with proxied(bucket.port, once(fault, method, part)) as proxy:
        bucket.go_through(proxy.url)
        bucket.objects().upload("large", tmp_path / "large")
        assert any(part in path for _, path in proxy.requests), "it came to that request"
    bucket.objects().download("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


@both
def test_a_download_that_is_cut_off_goes_on(bucket: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000
    bucket.objects().put("x", content)
    with proxied(bucket.port, once(Fault.cut_off, "GET", "/x")) as proxy:
        bucket.go_through(proxy.url)
        bucket.objects().download("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content


@google
def test_lists_go_on_over_pages(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_objects, "_PAGE", 2)
    with google_server(page=2) as server:
        paged = Bucket.make("gs", server.port, tmp_path, monkeypatch)
        names = [f"a/part-e{engine}-{number}" for engine in range(3) for number in range(5)]
        for name in (*names, "a/z"):
            paged.objects().put(name, b"x")
        with proxied(server.port, lambda *_: Fault.none) as proxy:
            paged.go_through(proxy.url)
            assert [key for key, _ in paged.objects().listed("a/part-")] == names
            before = len(proxy.requests)
            assert paged.objects().beginnings("a/part-", "-") == ["a/part-e0-", "a/part-e1-", "a/part-e2-"]
            assert len(proxy.requests) - before <= 5, "one for each, and one that finds no more"


@google
def test_a_list_that_is_cut_off_goes_on_from_there(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_objects, "_PAGE", 2)
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.001)
    with google_server(page=2) as server:
        paged = Bucket.make("gs", server.port, tmp_path, monkeypatch)
        for number in range(7):
            paged.objects().put(f"{number}", b"x")
        with proxied(server.port, once(Fault.cut_off, "GET", "prefix", nth=3)) as proxy:
            paged.go_through(proxy.url)
            assert [key for key, _ in paged.objects().listed()] == [f"{number}" for number in range(7)]
            assert len(proxy.requests) <= 6, "what is listed is not asked for again"


@both
def test_a_list_has_all_keys_whatever_their_order_is(bucket: Bucket) -> None:
    names = {f"a/{name}" for name in ("-", "z", "\uff08", "\U0001f600")}  # of UTF-16, as Azure sorts, the last is third
    for name in names:
        bucket.objects().put(name, b"x")
    assert {key for key, _ in bucket.objects().etags("a")} == names


class CutOff:
    """Lists of Azure, of which the first ends behind two names: no emulator has pages so short."""

    def __init__(self, names: str) -> None:
        self._names, self.num_lists = names, 0

    def list(self, *_: object, **__: object) -> Iterator[list[dict[str, object]]]:
        """Gives a page of each name."""
        self.num_lists += 1
        for number, name in enumerate(self._names):
            if number == 2 and self.num_lists == 1:
                raise GenericError("HTTP error: error decoding response body")
            yield [{"path": name, "size": 1, "e_tag": "x"}]


@pytest.mark.parametrize(("names", "goes_on"), [("abcd", True), ("bacd", False), ("acbd", False), ("abdc", False)])
def test_a_list_that_is_cut_off_goes_on_only_where_names_are_in_order(
    names: str, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.001)
    store, objects = CutOff(names), CloudObjects(Address("box", "", "az"), "http://127.0.0.1:9", "account")
    monkeypatch.setattr(cloud_objects, "_make_store", lambda *_: store)
    with nullcontext() if goes_on else pytest.raises(UserError, match="the store cannot be reached"):
        assert [key for key, _ in objects.etags()] == list(names)
    assert store.num_lists == (1 if names == "bacd" else 2)


@google
def test_what_stands_for_an_empty_folder_is_no_input(bucket: Bucket) -> None:
    import http.client

    from tests.support.google_server import TOKEN

    connection = http.client.HTTPConnection("127.0.0.1", bucket.port)
    for key in ("docs%2F", "docs%2Fempty%2F", "docs%2Fempty-file"):
        connection.request("PUT", f"/{bucket.name}/some%2Fruns%2F{key}", b"", {"Authorization": f"Bearer {TOKEN}"})
        connection.getresponse().read()
    assert [key for key, _ in bucket.objects().etags("docs")] == ["docs/empty-file"]


@azure
def test_a_copy_is_waited_for(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_objects, "_COPY_LOOK_SECONDS", 0.01)
    bucket.objects().put("x", b"content")
    with proxied(bucket.port, first(3, Fault.conflict, "GET", "/y")) as proxy:
        bucket.go_through(proxy.url)
        bucket.objects().copy("x", "y")
        assert [method for method, path in proxy.requests if path.endswith("/y")] == ["PUT", *["GET"] * 4]


def first(num: int, fault: Fault, method: str, part_of_path: str) -> Plan:
    """Plans a fault for the first requests of this kind."""
    seen: list[str] = []

    def plan(_number: int, asked: str, path: str) -> Fault:
        if asked != method or part_of_path not in path or len(seen) == num:
            return Fault.none
        seen.append(path)
        return fault

    return plan


@both
def test_a_missing_bucket_is_named(bucket: Bucket) -> None:
    missing = replace(bucket.objects(), address=Address("no-such-bucket-here", "", bucket.scheme))  # type: ignore[type-var]
    what = {"gs": "there is no such bucket", "az": "the account has no such container"}[bucket.scheme]
    assert f"{bucket.scheme}://no-such-bucket-here/x: {what}" in refusal(missing)
    for ask in (
        lambda: list(missing.listed("x")),
        lambda: list(missing.etags("x")),
        lambda: missing.create("x", b""),
        lambda: missing.delete(["x"]),
    ):
        with pytest.raises(UserError, match=what):
            ask()


@google
def test_googles_credentials_are_named(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "another")
    assert "the store refuses the credentials (InvalidAuthentication)" in refusal(bucket.objects())
    monkeypatch.delenv("GOOGLE_BEARER_TOKEN")
    monkeypatch.setattr(patience, "TRIES", 1)
    cloud_objects._make_store.cache_clear()
    assert "there are no credentials" in refusal(bucket.objects())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    cloud_objects._make_store.cache_clear()
    said = refusal(bucket.objects())
    assert "none.json" in said
    assert "set GOOGLE_APPLICATION_CREDENTIALS, or give the machine a service account" in said


@google
def test_the_role_of_a_machine_is_used(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_BEARER_TOKEN")
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{bucket.port}")
    assert bucket.objects().read("x") is None


@azure
def test_azures_credentials_are_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "cGxhbnRlZC1rZXk=")
    said = refusal(bucket.objects())
    assert "the credentials do not allow it (AuthorizationFailure)" in said
    assert "cGxhbnRlZC1rZXk" not in said
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "%")
    cloud_objects._make_store.cache_clear()
    assert "there are no credentials (Generic MicrosoftAzure error: Invalid Access Key" in refusal(bucket.objects())
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2021-08-06&sig=cGxhbnRlZA%3D%3D&se=2020-01-01&sp=r&sr=c")
    cloud_objects._make_store.cache_clear()
    said = refusal(bucket.objects())
    assert "credentials" in said
    assert "cGxhbnRlZA" not in said


def test_without_an_account_azure_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    monkeypatch.delenv("AZURE_STORAGE_ENDPOINT")
    assert endpoint_set("az") is None
    with pytest.raises(UserError, match="az://box: no account is named; set AZURE_STORAGE_ACCOUNT_NAME"):
        CloudObjects(Address("box", "", "az"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "me")
    assert (account_set(), endpoint_set("az")) == ("me", "https://me.blob.core.windows.net")
    assert CloudObjects(Address("box", "", "az")).endpoint == "https://me.blob.core.windows.net"


def test_googles_place_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_BASE_URL")
    assert CloudObjects(Address("box", "", "gs")).endpoint == "https://storage.googleapis.com"
    monkeypatch.setenv("GOOGLE_BASE_URL", "nonsense")
    with pytest.raises(UserError, match=r"GOOGLE_BASE_URL=nonsense is no URL; write http\(s\)://HOST:PORT"):
        CloudObjects(Address("box", "", "gs"))


@pytest.mark.parametrize(("scheme", "variable"), [("gs", "GOOGLE_BASE_URL"), ("az", "AZURE_STORAGE_ENDPOINT")])
def test_a_store_that_nobody_runs_is_named(scheme: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "TRIES", 1)
    monkeypatch.setenv(variable, "http://127.0.0.1:9/x")
    said = refusal(CloudObjects(Address("box", "", scheme)))
    assert "the store cannot be reached" in said
    assert variable in said


def test_a_name_that_no_object_can_have_is_one_line() -> None:
    assert "cannot be asked for" in refusal(CloudObjects(Address("box", "a//b", "gs")))


def test_without_obstore_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="obstore, which speaks to gs:// and az://, is not installed"):
        CloudObjects(Address("bucket", "", "gs"))


@google
def test_a_process_that_was_forked_is_told_so(bucket: Bucket) -> None:
    assert bucket.objects().read("x") is None
    pid = os.fork()
    if not pid:
        try:
            bucket.objects().read("x")  # for ever, if nobody looked
        except BrokenInvariantError as error:
            os._exit(7 if "forked" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
