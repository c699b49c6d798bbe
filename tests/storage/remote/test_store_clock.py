"""The clock of a store, whatever else the store says."""

from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from engine.errors import UserError
from engine.storage.remote import patience
from engine.storage.remote.store_clock import store_now
from tests.support.object_store import Bucket, Fault, every_store, once, proxied

WRONG = "Sun, 06 Nov 1994 08:49:37 GMT"


@every_store
def test_it_is_asked_once_and_again_where_no_answer_came(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.01)
    with proxied(bucket.port, once(Fault.unheard, "HEAD", "")) as proxy:
        told = [store_now(proxy.url, where="") for _ in range(3)]
        assert len(proxy.requests) == 2
    assert told == sorted(told)
    assert abs(told[0] - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("status", [200, 302, 400, 403])
def test_a_refusal_tells_the_time_too(status: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(status)
            self.send_header("Date", WRONG)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Writes nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    now = store_now(f"http://127.0.0.1:{server.server_address[1]}", where="gs://x")
    server.shutdown()
    thread.join()
    server.server_close()
    assert abs(now - datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)) < timedelta(minutes=1)


def test_a_store_that_nobody_runs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.001)
    with pytest.raises(UserError, match=r"gs://x: the store cannot be asked for the time \(URLError at http"):
        store_now("http://127.0.0.1:9", where="gs://x")
