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
    texts = ("s3://bucket/x", "S3://bucket", "s3://x and what it is", "https://x", "what is s3://x", "")
    assert [is_address(text) for text in texts] == [True, True, False, False, False, False]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ""])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    require_inside("a/b.txt", where="s3://bucket")
    with pytest.raises(UserError, match="leads out of its folder"):
        require_inside(name, where="s3://bucket")


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
        ("gs://bucket/x", "no store that synthmill can commit to"),
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
