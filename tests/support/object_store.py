"""An S3 server on loopback, and a proxy before it that lets requests fail as networks and stores do."""

from __future__ import annotations

import http.client
import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.storage import digests
from engine.storage.remote.address import read_address
from engine.storage.remote.objects import Objects

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-of-a-test",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
"""What boto3 finds in tests, and nothing of the machine that they run on."""
_MODELS = digests.CACHE / "models"
"""Where this machine has its bundled models."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own for one test."""

    name: str
    port: int
    _monkeypatch: pytest.MonkeyPatch

    @classmethod
    def make(cls, port: int, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
        """Makes a bucket, and an environment in which boto3 and the cache find it."""
        import boto3

        bucket = cls(f"bucket-{uuid.uuid4().hex[:12]}", port, monkeypatch)
        bucket.go_through(f"http://127.0.0.1:{port}")
        bucket.use_cache(cache)
        boto3.session.Session().client("s3").create_bucket(Bucket=bucket.name)
        return bucket

    @property
    def url(self) -> str:
        """Returns a `runs_dir` in it."""
        return f"s3://{self.name}/some/runs"

    def objects(self) -> Objects:
        """Returns what lies below that `runs_dir`."""
        return Objects(read_address(self.url, where="test"))

    def go_through(self, url: str) -> None:
        """Has boto3 speak to another endpoint from now on."""
        self._monkeypatch.setenv("AWS_ENDPOINT_URL", url)

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


Plan = Callable[[int, str, str], Fault]
"""Decides about a request by its number, from 1, its method and its path."""


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, but for what a plan says."""

    daemon_threads = True

    def __init__(self, port: int, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.plan = port, plan
        self.requests: list[tuple[str, str]] = []
        self._turn = threading.Lock()

    @property
    def url(self) -> str:
        """Returns what AWS_ENDPOINT_URL is to be."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self, method: str, path: str) -> Fault:
        """Counts a request, and decides about it."""
        with self._turn:
            self.requests.append((method, path))
            return self.plan(len(self.requests), method, path)


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
        fault = self.server.next_fault(self.command, self.path)
        if fault is Fault.refused:
            self._answer(503, {}, b"")
        elif fault is Fault.denied:
            self._answer(403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
        elif fault is Fault.unheard:
            self.close_connection = True
        else:
            status, headers, answer = self._ask(body)
            if fault is Fault.done_unheard:
                self.close_connection = True
            elif fault is Fault.done_with_error:
                self._answer(500, {}, b"")
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

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Writes nothing: tests look at `requests`."""
