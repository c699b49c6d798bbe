"""URLs of object stores: what they name, and what is refused."""

import pytest

from engine.errors import UserError
from engine.storage.remote.address import Address, is_address, is_url, read_address, require_inside


def test_a_url_is_told_from_a_path() -> None:
    assert [is_url(text) for text in ("s3://x/y", "gs://x", "runs", "/a/b", "~/runs", "a:b", "")] == [
        *(True, True),
        *(False,) * 5,
    ]


def test_a_question_is_no_address() -> None:
    texts = (
        "s3://bucket/x",
        "S3://bucket",
        "s3://x and what it is",
        "https://x",
        "what is s3://x",
        "",
        "gs://x/y",
        "az://x",
    )
    assert [is_address(text) for text in texts] == [True, True, False, False, False, False, True, True]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ""])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    require_inside("a/b.txt", where="s3://bucket")
    with pytest.raises(UserError, match="leads out of its folder"):
        require_inside(name, where="s3://bucket")


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_a_place_is_one_of_its_store(scheme: str) -> None:
    address = read_address(f"{scheme.upper()}://bucket/a", where="")
    assert address == Address("bucket", "a", scheme) != Address("bucket", "a")
    assert [str(address.below("b")), str(address.at("c"))] == [f"{scheme}://bucket/a/b", f"{scheme}://bucket/c"]
    assert (address.way_to(address.below("b")), address.way_to(Address("bucket", "a/b"))) == ("b", "")


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "s3://bucket/a/b/", "S3://bucket/a/b"])
def test_a_url_names_a_place(url: str) -> None:
    address = read_address(url, where=url)
    assert address == Address("bucket", "a/b")
    assert str(address) == "s3://bucket/a/b"
    assert address.below("c", "d") == Address("bucket", "a/b/c/d")


def test_a_whole_bucket_is_a_place() -> None:
    address = read_address("s3://bucket", where="")
    assert (address.prefix, str(address), str(address.below("x"))) == ("", "s3://bucket", "s3://bucket/x")
    assert address.way_to(Address("bucket", "x/y")) == "x/y"


def test_the_way_down_is_empty_where_there_is_none() -> None:
    address = Address("bucket", "a")
    assert address.way_to(Address("bucket", "a/b")) == "b"
    assert [address.way_to(other) for other in (Address("bucket", "ab"), Address("other", "a/b"), address)] == [""] * 3


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://bucket/x", "no store that synthmill can commit to"),
        ("gs://key:planted@bucket/x", "holds credentials.*GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://box@planted/x", "holds credentials.*AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://box/x?sv=2021&sig=planted", "holds credentials"),
        ("s3://box/x?X-Amz-Signature=planted", "holds credentials"),
        ("gs://box/a//b", "names no folder of a bucket; write gs://"),
        ("s3://key:planted@bucket/x", "holds credentials"),
        ("s3://bad bucket/x", "'bad bucket' is no name of a bucket"),
        ("s3://", "names no folder"),
        ("s3://bucket/a//b", "names no folder"),
        ("s3://bucket/../b", "names no folder"),
    ],
)
def test_other_urls_are_refused(url: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as refused:
        read_address(url, where=f"runs_dir={url}")
    assert str(refused.value).startswith("runs_dir=")
    assert "planted" not in str(refused.value)
