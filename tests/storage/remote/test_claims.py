"""Claims: one holder at a time, numbers that grow, and commits that come too late."""

import pickle
import threading
from typing import Any

import pytest

from engine.errors import UserError
from engine.storage.remote.claims import Claim, HeldError, Lease, LostClaimError, State, read_state, to_stderr
from tests.support.object_store import Bucket, Fault, every_store, once, proxied
from tests.support.waiting import wait_until

HERE, ELSEWHERE = "node1/1/cache1", "node2/1/cache2"


def ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has no library repeat a request."""
    monkeypatch.setattr("engine.storage.remote.patience.TRIES", 1)


@every_store
def test_a_claim_is_held_by_one(bucket: Bucket) -> None:
    objects = bucket.objects()
    with Claim.take(objects, "x", HERE) as claim:
        assert (claim.fence, claim.content) == (1, None)
        with pytest.raises(HeldError) as held:
            Claim.take(objects, "x", ELSEWHERE)
        assert held.value.holder == HERE
        assert 0 < held.value.seconds <= 61
        claim.write({"a": 1})
        assert read_state(objects, "x").content == {"a": 1}
    assert read_state(objects, "x").holder == "", "it was given back"
    with Claim.take(objects, "x", ELSEWHERE) as claim:
        assert (claim.fence, claim.content) == (2, {"a": 1})
        claim.end({"a": 2})
    assert (read_state(objects, "x").content, read_state(objects, "x").holder) == ({"a": 2}, "")


@every_store
def test_who_has_lost_a_claim_commits_nothing(bucket: Bucket) -> None:
    objects = bucket.objects()
    late = Claim.take(objects, "x", HERE)  # a driver that stands still: nothing renews it
    with Claim.take(objects, "x", ELSEWHERE, lease=Lease(0.0)) as claim:
        assert claim.fence == late.fence + 1
        for commit in (late.write, late.end, late.write):
            with pytest.raises(LostClaimError, match="another run has taken over"):
                commit("too late")
        claim.end("in time")
    with pytest.raises(LostClaimError):
        late.end("too late")
    assert read_state(objects, "x").content == "in time"


def test_a_claim_of_a_killed_driver_of_this_cache_is_over_at_once(bucket: Bucket) -> None:
    Claim.take(bucket.objects(), "x", "node1/1/cache1")
    assert Claim.take(bucket.objects(), "x", "node1/2/cache1").fence == 2
    with pytest.raises(HeldError):  # it sees the same cache, and no lock of the first machine
        Claim.take(bucket.objects(), "x", "node2/1/cache1")


def test_a_claim_is_renewed(bucket: Bucket) -> None:
    objects = bucket.objects()
    with Claim.take(objects, "x", HERE, lease=Lease(0.4)):
        first = read_state(objects, "x").write
        wait_until(lambda: read_state(objects, "x").write != first, "a renewal")


@every_store
@pytest.mark.parametrize("fault", [Fault.done_with_error, Fault.done_unheard])
def test_a_commit_whose_answer_is_lost_is_no_other_run(bucket: Bucket, fault: Fault) -> None:
    with proxied(bucket.port, once(fault, "PUT", "/x", nth=2)) as proxy:
        bucket.go_through(proxy.url)
        claim = Claim.take(bucket.objects(), "x", HERE)
        claim.write("content")
        claim.end("more")
    assert read_state(bucket.objects(), "x").content == "more"


@every_store
def test_a_renewal_that_failed_for_good_and_was_done_is_no_other_run(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_once(monkeypatch)
    with proxied(bucket.port, once(Fault.done_with_error, "PUT", "/x", nth=2)) as proxy:
        bucket.go_through(proxy.url)
        claim = Claim.take(bucket.objects(), "x", HERE)
        with pytest.raises(UserError, match="does not work"):
            claim.write("content")
        claim.end("content")
    assert read_state(bucket.objects(), "x").content == "content"


@every_store
def test_a_store_that_is_away_for_a_while_loses_no_claim(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_once(monkeypatch)
    is_away = False
    with proxied(bucket.port, lambda *_: Fault.refused if is_away else Fault.none) as proxy:
        bucket.go_through(proxy.url)
        with Claim.take(bucket.objects(), "x", HERE, lease=Lease(0.2)) as claim:
            is_away, before = True, len(proxy.requests)
            wait_until(lambda: len(proxy.requests) >= before + 2, "a second renewal")
            is_away = False
            claim.end("content")
        assert read_state(bucket.objects(), "x").content == "content"


def test_who_loses_a_claim_while_working_is_told_at_once(bucket: Bucket) -> None:
    warnings: list[str] = []
    with Claim.take(bucket.objects(), "x", HERE, Lease(0.2, warnings.append)) as claim:
        claim.check()
        bucket.objects().put("x", State(9, ELSEWHERE).body())
        wait_until(lambda: len(warnings) == 1, "a warning")
        with pytest.raises(LostClaimError):
            claim.check()
    assert "another run has taken over" in warnings[0]


def test_who_cannot_renew_a_claim_is_told_once(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_once(monkeypatch)
    warnings: list[str] = []
    is_away = False
    with proxied(bucket.port, lambda *_: Fault.refused if is_away else Fault.none) as proxy:
        bucket.go_through(proxy.url)
        with Claim.take(bucket.objects(), "x", HERE, Lease(0.2, warnings.append)):
            is_away, before = True, len(proxy.requests)
            wait_until(lambda: bool(warnings) and len(proxy.requests) >= before + 6, "more renewals after the warning")
            is_away = False
    assert len(warnings) == 1
    assert "another run may take over" in warnings[0]


def test_a_store_that_does_not_answer_does_not_hold_the_end_and_gets_the_claim_back_when_it_does(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.remote.last_words.LAST_SECONDS", 0.1)
    answers, objects, warnings = threading.Event(), bucket.objects(), list[str]()
    kind = type(objects)
    replace, is_away = kind.replace, threading.Event()

    def replace_late(store: Any, key: str, body: bytes, etag: str) -> str | None:
        if is_away.is_set():
            answered.append(answers.wait(10))
        return replace(store, key, body, etag)

    def work_until_interrupted() -> None:
        with Claim.take(objects, "x", HERE, Lease(60.0, warnings.append)) as claim:
            is_away.set()
            claim.write_last("what is said last")
            raise KeyboardInterrupt

    answered: list[bool] = []
    monkeypatch.setattr(kind, "replace", replace_late)
    with pytest.raises(KeyboardInterrupt):
        work_until_interrupted()
    assert answered == [], "the store has answered nothing"
    assert len(warnings) == 1
    assert "could not be given back, since the store does not answer" in warnings[0]
    answers.set()
    wait_until(lambda: read_state(objects, "x").holder == "", "the claim to be given back")
    assert read_state(objects, "x").content == "what is said last"


def test_somebody_elses_object_is_no_claim(bucket: Bucket) -> None:
    bucket.objects().put("x", b"[1]")
    with pytest.raises(UserError, match=r"s3://.*/x: is no claim of synthmill's"):
        read_state(bucket.objects(), "x")
    with pytest.raises(UserError, match="is no claim"):
        Claim.take(bucket.objects(), "x", HERE)


@pytest.mark.parametrize("state", ['{"fence": "two"}', '{"holder": "node1"}', '{"holder": 3}', '{"fence": null}'])
def test_a_damaged_claim_is_refused(bucket: Bucket, state: str) -> None:
    bucket.objects().put("x", state.encode())
    with pytest.raises(UserError, match=r"is no claim of synthmill's .*; bring the object back, or delete it"):
        Claim.take(bucket.objects(), "x", HERE)


def test_a_lost_claim_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(LostClaimError("s3://x")))
    assert (type(error), error.where) == (LostClaimError, "s3://x")


@every_store
def test_a_claim_ends_by_the_clock_of_the_store(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    Claim.take(bucket.objects(), "x", HERE)
    for module in ("s3_objects", "store_clock"):  # nobody looks at the clock of this machine
        monkeypatch.setattr(f"engine.storage.remote.{module}.datetime", None)
    with pytest.raises(HeldError):
        Claim.take(bucket.objects(), "x", ELSEWHERE)


def test_what_is_told_without_a_console_makes_a_terminal_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    to_stderr("host\x1b]0;x\x07 holds it")
    assert capsys.readouterr().err == "synthmill: host\\u001b]0;x\\u0007 holds it\n"
