"""What package indexes say of a release: its files with their SHA-256, and what its wheel asks for.

In: the address of an index that pip is set up for, names and versions. Out: files and requirements. Only pages about
projects are read (PEP 503), and of a wheel the parts with its metadata, since it may have a GB.
"""

from __future__ import annotations

import base64
import io
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from functools import cache
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pip._internal.models.index import PyPI

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

    from _typeshed import WriteableBuffer

TIMEOUT_SECONDS = 60
READ_AHEAD_BYTES = 2**16
LINK = re.compile(r'<a\s[^>]*href="([^"#]+)#sha256=([0-9a-f]{64})')
"""A link on an index's page about a project, with its SHA-256 (PEP 503)."""


class LockError(Exception):
    """What does not fit together and what to do about it, for one line on the terminal."""


@dataclass(frozen=True)
class File:
    """A file of a release, as an index names it."""

    name: str
    url: str
    sha256: str


@cache
def certificates() -> ssl.SSLContext:
    """Returns this machine's certificates, which take longer to read than a page."""
    return ssl.create_default_context()


def without_login(url: str) -> str:
    """Returns an address as it may be shown: without the name and the password or token that pip takes in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def request_for(url: str) -> urllib.request.Request:
    """Makes the request for an address; a login in it becomes a header, which another server is not sent on to."""
    request = urllib.request.Request(without_login(url))
    login, _, _ = urlsplit(url).netloc.rpartition("@")
    if login:
        encoded = base64.b64encode(unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    return request


def connect(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Opens a connection to an address.

    Raises:
        LockError: nothing answers there.
    """
    request = request_for(url)
    request.method = method
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=certificates())
    except (urllib.error.URLError, TimeoutError) as error:
        raise LockError(
            f"{request.full_url} cannot be read: {error}. Check the network and the index that pip is set up for"
        ) from error
    return answer


def index_url() -> str:
    """Returns the address of the package index that pip is set up for."""
    if "PIP_INDEX_URL" in os.environ:
        return os.environ["PIP_INDEX_URL"]
    asking = (sys.executable, "-m", "pip", "config", "get", "global.index-url")
    told = subprocess.run(asking, capture_output=True, text=True, check=False)  # it fails where nothing is set
    return told.stdout.strip() or PyPI.simple_url


@cache
def release(index: str, name: str, version: str) -> tuple[File, ...]:
    """Returns the files of a release, as the index names them.

    Raises:
        LockError: the index cannot be read, or has no such release.
    """
    page = f"{index.rstrip('/')}/{name}/"
    with connect(page) as answer:
        links = [(urljoin(page, unescape(url)), sha256) for url, sha256 in LINK.findall(answer.read().decode())]
    named = (File(unquote(url.rpartition("/")[2]), url, sha256) for url, sha256 in links)
    files = tuple(file for file in named if is_of(file.name, name, Version(version)))
    if not files:
        raise LockError(
            f"{name} {version} has no file in {without_login(index)}. Correct its version in constraints.txt"
        )
    return files


def is_of(file: str, name: str, version: Version) -> bool:
    """Tells whether a file is a wheel or a source archive of this release."""
    try:
        return bool(parse_wheel_filename(file)[1] == version)
    except (InvalidWheelFilename, InvalidVersion):
        source = re.fullmatch(rf"{name.replace('-', '[-_.]+')}-(.+)\.(tar\.gz|zip)", file, re.IGNORECASE)
    try:
        return source is not None and Version(source[1]) == version
    except InvalidVersion:
        return False


class RemoteFile(io.RawIOBase):
    """A file behind a URL, of which only the bytes that are asked for are fetched."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.position = 0
        with connect(url, method="HEAD") as answer:
            self.size_bytes = int(answer.headers["Content-Length"])

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position in bytes."""
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves, and returns the position in bytes."""
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size_bytes}[whence]
        return self.position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fetches as many bytes as fit into `buffer`, and returns their number.

        Raises:
            LockError: the server sends something else than the bytes that were asked for.
        """
        view = memoryview(buffer).cast("B")
        end = min(self.position + len(view), self.size_bytes)
        if end <= self.position:
            return 0
        with connect(self.url, headers={"Range": f"bytes={self.position}-{end - 1}"}) as answer:
            data = answer.read()
        if answer.status != HTTPStatus.PARTIAL_CONTENT or len(data) != end - self.position:
            remedy = "Name another index (PIP_INDEX_URL)"
            raise LockError(f"{without_login(self.url)}: the server gives no parts of a file. {remedy}")
        view[: len(data)] = data
        self.position = end
        return len(data)


@cache
def requirements_in(wheel: str) -> tuple[Requirement, ...]:
    """Reads what the wheel at this URL asks for; nothing where there is no wheel."""
    if not wheel:
        return ()
    with zipfile.ZipFile(io.BufferedReader(RemoteFile(wheel), READ_AHEAD_BYTES)) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = Parser().parsestr(archive.read(name).decode(), headersonly=True)
    return tuple(map(Requirement, metadata.get_all("Requires-Dist") or []))
