"""Which store a URL means, and where that is."""

import pytest

from engine.storage.remote.address import Address
from engine.storage.remote.cache import cache_path
from engine.storage.remote.cloud_objects import CloudObjects
from engine.storage.remote.s3_objects import S3Objects
from engine.storage.remote.stores import endpoint_of, objects_at


def test_each_store_is_spoken_to_by_its_class() -> None:
    classes = [type(objects_at(Address("box", "x", scheme))) for scheme in ("s3", "gs", "az")]
    assert classes == [S3Objects, CloudObjects, CloudObjects]


def test_the_same_url_of_two_stores_has_two_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ENDPOINT_URL", "GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    assert [endpoint_of("s3://box/x"), endpoint_of("gs://box/x")] == [None, "https://storage.googleapis.com"]
    for url, variable in (
        ("s3://box/x", "AWS_ENDPOINT_URL"),
        ("gs://box/x", "GOOGLE_BASE_URL"),
        ("az://box/x", "AZURE_STORAGE_ACCOUNT_NAME"),
    ):
        before = cache_path(url)
        monkeypatch.setenv(variable, "http://another")
        assert cache_path(url) != before
