"""Every kind of store is asked again as often, whatever is asked of it and however it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.remote import cloud_objects, patience, s3_objects, store_clock
from engine.storage.remote.objects import Document, Objects
from tests.support.object_store import Bucket, Fault, every_store, proxied

TRIES = 4


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the same happen in no time, by clients that know of it."""
    monkeypatch.setattr(patience, "TRIES", TRIES)
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("botocore.retryhandler.random.random", lambda: 0.001)
    for cached in (cloud_objects._make_store, s3_objects._make_client, store_clock._asked):
        cached.cache_clear()


class Outage:
    """A plan by which requests fail, until so many have."""

    def __init__(self, num: int, fault: Fault, method: str = "") -> None:
        self._num, self._fault, self._method = num, fault, method
        self.failed = 0

    def __call__(self, _number: int, method: str, _path: str) -> Fault:
        """Decides about a request."""
        if self.failed >= self._num or not method.startswith(self._method):
            return Fault.none
        self.failed += 1
        return self._fault


def read(objects: Objects) -> bool:
    return isinstance(objects.read("there"), Document)


def create(objects: Objects) -> bool:
    return bool(objects.create("x", b"first"))


def put(objects: Objects) -> bool:
    objects.put("x", b"first")
    return True


def listed(objects: Objects) -> bool:
    return [key for key, _ in objects.listed()] == ["there"]


def delete(objects: Objects) -> bool:
    objects.delete(["there"])
    return True


EACH = (read, create, put, listed, delete)
"""What changes least comes first."""
OUTAGES = pytest.mark.parametrize("fault", [Fault.refused, Fault.unheard])


@every_store
@OUTAGES
def test_a_short_outage_ends_nothing(bucket: Bucket, fault: Fault) -> None:
    bucket.objects().put("there", b"content")
    with proxied(bucket.port, Outage(0, fault)) as proxy:
        bucket.go_through(proxy.url)
        for ask in EACH:
            proxy.plan = outage = Outage(TRIES - 1, fault)
            assert ask(bucket.objects()), ask.__name__
            assert outage.failed == TRIES - 1, ask.__name__
            bucket.objects().delete(["x"])


@every_store
@OUTAGES
def test_an_outage_that_lasts_is_told(bucket: Bucket, fault: Fault) -> None:
    bucket.objects().put("there", b"content")
    with proxied(bucket.port, Outage(0, fault)) as proxy:
        bucket.go_through(proxy.url)
        for ask in EACH:
            proxy.plan = outage = Outage(1000, fault)
            with pytest.raises(UserError, match=r"the store (does not work|cannot be reached)"):
                ask(bucket.objects())
            assert outage.failed == TRIES, ask.__name__


@pytest.mark.parametrize("bucket", ["gs", "az"], indirect=True)
def test_the_clock_of_a_store_is_asked_for_as_often(bucket: Bucket) -> None:
    bucket.objects().put("there", b"content")
    outage = Outage(TRIES - 1, Fault.unheard, "HEAD")
    with proxied(bucket.port, outage) as proxy:
        bucket.go_through(proxy.url)
        assert read(bucket.objects())
    assert outage.failed == TRIES - 1


@every_store
def test_an_answer_that_is_cut_off_is_asked_for_again(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects().put("there", bytes(1000))
    with proxied(bucket.port, Outage(0, Fault.cut_off)) as proxy:
        bucket.go_through(proxy.url)
        for ask in (read, listed):
            proxy.plan = outage = Outage(TRIES - 1, Fault.cut_off)
            assert ask(bucket.objects())
            assert outage.failed == TRIES - 1, ask.__name__
        proxy.plan = Outage(TRIES - 1, Fault.cut_off)
        bucket.objects().download("there", tmp_path / "there")
        assert (tmp_path / "there").read_bytes() == bytes(1000)
        proxy.plan = Outage(1000, Fault.cut_off)
        with pytest.raises(UserError, match="the store cannot be reached"):
            read(bucket.objects())


def test_it_is_waited_longer_each_time_up_to_half_a_minute_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    waits = [patience.wait_seconds(number) for number in range(1, patience.TRIES)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert patience.wait_seconds(patience.TRIES) == patience.LONGEST_WAIT_SECONDS
