"""A stand-in for Google Cloud Storage on loopback: of its XML API what obstore sends, with the conditions honoured.

Faults are the proxy's before it (`object_store.py`). Like the real one it numbers the generations of an object, says
412 where a condition on that number does not hold, forgets an upload in pieces once it is whole, and lists a page of
keys at a time. `GCE_METADATA_HOST` may lead to it too: it hands out its token as the server of a machine's role does.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

TOKEN = "planted-token-of-a-test"
"""Whoever has it may do everything here, and others nothing."""


@dataclass(frozen=True)
class Stored:
    """An object."""

    body: bytes
    generation: int
    modified: datetime

    @property
    def headers(self) -> dict[str, str]:
        """Returns what is told of it with each answer."""
        return {
            "ETag": f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"',
            "x-goog-generation": str(self.generation),
            "Last-Modified": format_datetime(self.modified, usegmt=True),
        }


class RefusedError(Exception):
    """The answer to a request is an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


Answer = tuple[int, dict[str, str], bytes]


class GoogleServer(ThreadingHTTPServer):
    """Buckets in memory.

    Args:
        page: the keys that one request lists.
    """

    daemon_threads = True

    def __init__(self, page: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = page
        self.buckets: dict[str, dict[str, Stored]] = {}
        self.turn = threading.Lock()
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._numbers = itertools.count(1)

    @property
    def port(self) -> int:
        """Returns where it listens."""
        return int(self.server_address[1])

    def do(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answers a request; headers have names in small letters."""
        if path.startswith("/computeMetadata/"):
            return 200, {}, f'{{"access_token": "{TOKEN}", "expires_in": 3600, "token_type": "Bearer"}}'.encode()
        if headers.get("authorization") != f"Bearer {TOKEN}":
            raise RefusedError(401, "InvalidAuthentication")
        url = urlsplit(path)
        bucket, _, key = (unquote(part) for part in url.path[1:].partition("/"))
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if not key and method == "PUT":
            self.buckets[bucket] = {}
            return 200, {}, b""
        if bucket not in self.buckets:
            raise RefusedError(404, "NoSuchBucket")
        objects = self.buckets[bucket]
        if not key:
            return 200, {}, self._list(objects, query)
        if "uploads" in query or "uploadId" in query:
            return self._in_pieces(objects, key, query, body)
        return self._one(method, objects, key, headers, body)

    def _one(self, method: str, objects: dict[str, Stored], key: str, headers: dict[str, str], body: bytes) -> Answer:
        if method == "PUT":
            there = str(objects[key].generation) if key in objects else "0"
            if headers.get("x-goog-if-generation-match", there) != there:
                raise RefusedError(412, "PreconditionFailed")
            if source := unquote(headers.get("x-goog-copy-source", "")):
                body = self._found(objects, source.partition("/")[2]).body
            return 200, self._keep(objects, key, body), b""
        stored = self._found(objects, key)
        if method == "DELETE":
            del objects[key]
            return 204, {}, b""
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", "")):
            first, last = int(match[1]), int(match[2] or len(stored.body) - 1)
            content_range = f"bytes {first}-{last}/{len(stored.body)}"
            return 206, {**stored.headers, "Content-Range": content_range}, stored.body[first : last + 1]
        return 200, stored.headers, stored.body

    def _keep(self, objects: dict[str, Stored], key: str, body: bytes) -> dict[str, str]:
        objects[key] = Stored(body, next(self._numbers), datetime.now(UTC))
        return objects[key].headers

    def _in_pieces(self, objects: dict[str, Stored], key: str, query: dict[str, str], body: bytes) -> Answer:
        if "uploads" in query:
            name = f"upload-{next(self._numbers)}"
            self._uploads[name] = {}
            return (
                200,
                {},
                f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>".encode(),
            )
        pieces = self._uploads.get(query["uploadId"])
        if pieces is None:
            raise RefusedError(404, "NoSuchUpload")
        if "partNumber" in query:
            pieces[int(query["partNumber"])] = body
            return 200, {"ETag": f'"{len(body)}"'}, b""
        del self._uploads[query["uploadId"]]
        kept = self._keep(objects, key, b"".join(pieces[number] for number in sorted(pieces)))
        etag = escape(kept["ETag"])
        return 200, kept, f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>".encode()

    def _list(self, objects: dict[str, Stored], query: dict[str, str]) -> bytes:
        after = query.get("continuation-token", query.get("start-after", ""))
        keys = sorted(key for key in objects if key.startswith(query.get("prefix", "")) and key > after)
        page, rest = keys[: self.page], keys[self.page :]
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key].body)}</Size>"
            f"<LastModified>{objects[key].modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>{escape(objects[key].headers['ETag'])}</ETag></Contents>"
            for key in page
        )
        goes_on = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        is_cut = str(bool(rest)).lower()
        return f"<ListBucketResult><IsTruncated>{is_cut}</IsTruncated>{goes_on}{entries}</ListBucketResult>".encode()

    @staticmethod
    def _found(objects: dict[str, Stored], key: str) -> Stored:
        if key not in objects:
            raise RefusedError(404, "NoSuchKey")
        return objects[key]


@contextmanager
def google_server(page: int = 1000) -> Iterator[GoogleServer]:
    """Runs one while the block lasts."""
    server = GoogleServer(page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True  # else each answer waits 40 ms for an acknowledgement
    server: GoogleServer

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.turn:
            try:
                status, told, answer = self.server.do(self.command, self.path, headers, body)
            except RefusedError as refused:
                status, told = refused.status, {}
                answer = f"<?xml version='1.0'?><Error><Code>{refused.code}</Code></Error>".encode()
        self.send_response(status)
        for name, value in {**told, "Content-Length": str(len(answer))}.items():
            if not (name == "Content-Length" and status == 204):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815  # the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Writes nothing."""
