"""Buckets of servers on loopback, and a proxy before these that lets requests fail as networks and stores do."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from engine.storage import digests
from engine.storage.remote.address import read_address
from engine.storage.remote.objects import Objects
from engine.storage.remote.stores import objects_at
from tests.support.azurite import ACCOUNT, KEY, make_container
from tests.support.google_server import TOKEN

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-of-a-test",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:9",
    "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
    "AZURE_STORAGE_ACCOUNT_KEY": KEY,
    "GOOGLE_BASE_URL": "http://127.0.0.1:9",
    "GOOGLE_BEARER_TOKEN": TOKEN,
    "GCE_METADATA_HOST": "127.0.0.1:9",
    "GCE_METADATA_IP": "127.0.0.1:9",
}
"""What boto3 and obstore find in tests, and nothing of the machine that they run on."""
OTHERS = ("AWS_", "AZURE_", "GOOGLE_", "GCE_")
"""How the names of variables begin that these look at."""
_MODELS = digests.CACHE / "models"
"""Where this machine has its bundled models."""
_LATE_SECONDS = 1.0


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own for one test."""

    scheme: str
    """s3, gs or az."""
    name: str
    port: int
    _monkeypatch: pytest.MonkeyPatch

    @classmethod
    def make(cls, scheme: str, port: int, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
        """Makes a bucket, and an environment in which libraries and the cache find it."""
        bucket = cls(scheme, f"bucket-{uuid.uuid4().hex[:12]}", port, monkeypatch)
        bucket.go_through(f"http://127.0.0.1:{port}")
        bucket.use_cache(cache)
        _MAKE[scheme](port, bucket.name)
        return bucket

    @property
    def url(self) -> str:
        """Returns a `runs_dir` in it."""
        return f"{self.scheme}://{self.name}/some/runs"

    def objects(self) -> Objects:
        """Returns what lies below that `runs_dir`."""
        return objects_at(read_address(self.url, where="test"))

    def go_through(self, url: str) -> None:
        """Has libraries speak to another endpoint from now on."""
        variable = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}[self.scheme]
        self._monkeypatch.setenv(variable, f"{url}/{ACCOUNT}" if self.scheme == "az" else url)

    def use_cache(self, folder: Path) -> None:
        """Sets the user's cache, as another machine has another one."""
        self._monkeypatch.setattr(digests, "CACHE", folder)

    def use_models(self) -> None:
        """Gives the cache the bundled models of this machine, whose conversion takes longer than a small run."""
        _MODELS.mkdir(parents=True, exist_ok=True)
        digests.CACHE.mkdir(parents=True, exist_ok=True)
        (digests.CACHE / _MODELS.name).symlink_to(_MODELS)

    def all_keys(self) -> list[str]:
        """Lists all keys below `url`."""
        return [key for key, _ in self.objects().listed()]


def _make_of_s3(port: int, name: str) -> None:
    import boto3

    endpoint = f"http://127.0.0.1:{port}"
    boto3.session.Session().client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)


def _make_of_google(port: int, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", f"/{name}", headers={"Authorization": f"Bearer {TOKEN}"})
    assert connection.getresponse().status == 200
    connection.close()


_MAKE: Mapping[str, Callable[[int, str], None]] = {"s3": _make_of_s3, "gs": _make_of_google, "az": make_container}


class Fault(Enum):
    """What becomes of a request."""

    none = auto()
    refused = auto()
    """It is answered with an error and never reaches the store."""
    denied = auto()
    """It is answered that the credentials do not allow it."""
    unheard = auto()
    """The connection ends before it reaches the store."""
    done_with_error = auto()
    """The store does it, and the answer says that it failed."""
    done_unheard = auto()
    """The store does it, and the connection ends before the answer."""
    late = auto()
    """Nothing comes for a while, and the store does not do it."""
    done_late = auto()
    """The store does it, and nothing comes for a while."""
    cut_off = auto()
    """The connection ends in the middle of the answer."""
    conflict = auto()
    """It is answered that something else is going on with the object."""


every_store = pytest.mark.parametrize("bucket", ["s3", "gs", "az"], indirect=True)
"""Runs a test with a bucket of each kind of store."""
Plan = Callable[[int, str, str], Fault]
"""Decides about a request by its number, from 1, its method and its path."""


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, but for what a plan says."""

    daemon_threads = True

    def __init__(self, port: int, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.plan = port, plan
        self.requests: list[tuple[str, str]] = []
        self.num_bytes = 0
        """Of the bodies of requests."""
        self._turn = threading.Lock()

    @property
    def url(self) -> str:
        """Returns where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self, method: str, path: str, num_bytes: int) -> Fault:
        """Counts a request, and decides about it."""
        with self._turn:
            self.requests.append((method, path))
            self.num_bytes += num_bytes
            return self.plan(len(self.requests), method, unquote(path))


@contextmanager
def proxied(port: int, plan: Plan) -> Iterator[Proxy]:
    """Runs a proxy before a server while the block lasts."""
    proxy = Proxy(port, plan)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def once(fault: Fault, method: str, part_of_path: str, nth: int = 1) -> Plan:
    """Plans a fault for one request of this kind, by default the first."""
    matching = itertools.count(1)

    def plan(_number: int, asked: str, path: str) -> Fault:
        is_one = asked == method and part_of_path in path
        return fault if is_one and next(matching) == nth else Fault.none

    return plan


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client to acknowledge its headers
    server: Proxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.next_fault(self.command, self.path, len(body))
        if fault is Fault.refused:
            self._answer(503, {}, b"")
        elif fault is Fault.denied:
            self._answer(403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
        elif fault is Fault.conflict:
            self._answer(409, {}, b"<Error><Code>PendingCopyOperation</Code></Error>")
        elif fault in {Fault.unheard, Fault.late}:
            time.sleep(_LATE_SECONDS if fault is Fault.late else 0)
            self.close_connection = True
        else:
            self._done(fault, *self._ask(body))

    def _done(self, fault: Fault, status: int, headers: dict[str, str], answer: bytes) -> None:
        """Answers, or not, when the store has done it."""
        if fault in {Fault.done_unheard, Fault.done_late}:
            time.sleep(_LATE_SECONDS if fault is Fault.done_late else 0)
            self.close_connection = True
        elif fault is Fault.done_with_error:
            self._answer(500, {}, b"")
        elif fault is Fault.cut_off:
            self._answer(status, headers, answer, len(answer) // 2)
            self.close_connection = True
        else:
            self._answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815  # the names that http.server looks for

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "expect")}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    def _answer(self, status: int, headers: dict[str, str], body: bytes, num_sent: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:num_sent])

    def log_message(self, *_: object) -> None:
        """Writes nothing: tests look at `requests`."""
