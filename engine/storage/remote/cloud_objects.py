"""Objects of Google Cloud Storage (`gs://`) and of Azure's blob storage (`az://`).

In: keys and contents. Out: the same from the store; what is promised stands in `objects.py`. obstore is what speaks to
both: a condition is the number of a generation for the one and an ETag for the other, and it knows which. It lists
whole folders only, in the order of their keys, so that what begins with a text is cut out of such a list here.

Credentials are found where obstore looks for them, and nowhere else. It works with threads of its own, which a fork
does not copy: a process that was forked off one that has used it would wait for ever, and is told so.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.errors import BrokenInvariantError, UserError
from engine.storage.remote import patience
from engine.storage.remote.address import AZURE, GOOGLE, Address
from engine.storage.remote.cloud_refusals import is_of_the_bucket, is_of_the_pieces, naming_refusals, was_asked_once
from engine.storage.remote.objects import Document
from engine.storage.remote.store_clock import store_now

_WAITS_GROW = 2.5
"""obstore draws each wait between the first one and so many times the last one: on average they take a quarter of a
minute together, as boto3's do."""
_PIECE_BYTES = 8 * 2**20
_MOST_PIECES = 9000
"""Google takes 10,000 pieces of a file."""
_PIECES_AT_ONCE = 4
_MOST_DELETED = 256
"""The keys that one request of Azure's may delete."""
_PAGE = 1000
_THREADS = 8
_COPY_SECONDS = 600.0
"""How long to wait for Azure where it copies later than it says."""
_COPY_LOOK_SECONDS = 1.0
_GOOGLE = "https://storage.googleapis.com"
_ENDPOINT = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")


def endpoint_set(scheme: str) -> str | None:
    """Returns where the environment says that the store of a URL of this scheme is; None where it names no account."""
    if scheme == GOOGLE:
        return os.environ.get("GOOGLE_BASE_URL") or _GOOGLE
    account = account_set()
    given = os.environ.get("AZURE_STORAGE_ENDPOINT") or os.environ.get("AZURE_ENDPOINT")
    return given or (f"https://{account}.blob.core.windows.net" if account else None)


def account_set() -> str | None:
    """Returns the account of Azure that the environment names."""
    return os.environ.get("AZURE_STORAGE_ACCOUNT_NAME") or os.environ.get("AZURE_STORAGE_ACCOUNT")


@dataclass(frozen=True)
class CloudObjects:
    """Everything below an address. It can be sent to other processes: each makes a client, with its own credentials.

    Raises:
        UserError: obstore is not installed, no account is named, or where the store is to be makes no sense.
    """

    address: Address
    endpoint: str = ""
    """Where the store is; filled in from the environment."""
    account: str | None = field(default_factory=account_set)
    """The account of Azure."""

    def __post_init__(self) -> None:
        """Looks at what is set before anything is asked."""
        if importlib.util.find_spec("obstore") is None:
            what = "obstore, which speaks to gs:// and az://, is not installed"
            raise UserError(what, where=self.url(), remedy="install it: pip install obstore")
        if self.address.scheme == AZURE and not self.account:
            remedy = "set AZURE_STORAGE_ACCOUNT_NAME to the account that has the container"
            raise UserError("no account is named", where=self.url(), remedy=remedy)
        endpoint = self.endpoint or endpoint_set(self.address.scheme) or ""
        if not _ENDPOINT.fullmatch(endpoint):
            name = "GOOGLE_BASE_URL" if self.address.scheme == GOOGLE else "AZURE_STORAGE_ENDPOINT"
            raise UserError(f"{name}={endpoint} is no URL", where=self.url(), remedy="write http(s)://HOST:PORT")
        object.__setattr__(self, "endpoint", endpoint.rstrip("/"))

    @property
    def _store(self) -> Any:
        return _make_store(self.address.scheme, self.address.bucket, self.endpoint, self.account, os.getpid())

    def _naming(self, key: str = "") -> Any:
        return naming_refusals(self.url(key), self.address.scheme)

    def url(self, key: str = "") -> str:
        """Returns the URL of an object, for messages."""
        return str(self.address.below(key))

    def read(self, key: str) -> Document | None:
        """Reads a small object; None where there is none."""
        with self._naming(key):
            try:
                answer = self._store.get(self._full(key))
            except FileNotFoundError as error:
                if is_of_the_bucket(error):
                    raise
                return None
            body, meta = bytes(answer.bytes()), answer.meta
        age = store_now(self.endpoint, where=self.url(key)) - meta["last_modified"]
        return Document(body, self._etag_of(meta), max(0.0, age.total_seconds()))  # both times are in whole seconds

    def create(self, key: str, body: bytes) -> str | None:
        """Makes a document where there is none.

        Returns:
            Its ETag, or None where there is another one.
        """
        return self._write(key, body, "create")

    def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Replaces a document that is still as it was read.

        Returns:
            The new ETag, or None where somebody has changed it.
        """
        return self._write(key, body, {"version" if self.address.scheme == GOOGLE else "e_tag": etag})

    def put(self, key: str, body: bytes) -> None:
        """Writes a document whatever is there."""
        with self._naming(key):
            self._store.put(self._full(key), body, use_multipart=False)

    def _write(self, key: str, body: bytes, mode: str | Mapping[str, str]) -> str | None:
        """Writes on a condition. The library does not repeat such a write when its answer takes too long: this does."""
        from obstore.exceptions import AlreadyExistsError, GenericError, PreconditionError

        with self._naming(key):
            for number in itertools.count(1):
                try:
                    return self._etag_of(self._store.put(self._full(key), body, mode=mode, use_multipart=False))
                except (AlreadyExistsError, PreconditionError):
                    break
                except FileNotFoundError as error:
                    if is_of_the_bucket(error):
                        raise
                    break
                except GenericError as error:
                    if number >= patience.TRIES or not was_asked_once(error):
                        raise
                    time.sleep(patience.wait_seconds(number))
        there = self.read(key)  # a request of ours that seemed to have failed may have written it
        return there.etag if there and there.body == body else None

    def upload(self, key: str, file: Path) -> None:
        """Writes a file, in several pieces where it is large; it is there whole or not at all."""
        from obstore.exceptions import BaseError

        piece = max(_PIECE_BYTES, -(-file.stat().st_size // _MOST_PIECES))
        with self._naming(key):
            for number in itertools.count(1):
                try:
                    self._store.put(self._full(key), file, chunk_size=piece, max_concurrency=_PIECES_AT_ONCE)
                except (BaseError, FileNotFoundError) as error:
                    if number >= patience.TRIES or not is_of_the_pieces(error):
                        raise  # else the answer that it is whole was lost, and the store has forgotten the pieces
                else:
                    return

    def download(self, key: str, file: Path) -> None:
        """Reads an object into a file, which is not synced."""
        with file.open("wb") as stream, self._naming(key):
            for piece in self._store.get(self._full(key)).stream(min_chunk_size=_PIECE_BYTES):
                stream.write(piece)

    def copy(self, source: str, key: str) -> None:
        """Copies an object inside the store, and returns once it can be read."""
        with self._naming(key):
            self._store.copy(self._full(source), self._full(key))
            if self.address.scheme == AZURE:
                _wait_until_readable(self._store, self._full(key))

    def listed(self, below: str = "", after: str = "") -> Iterator[tuple[str, int]]:
        """Gives key and bytes of every object whose key begins with a text, in the order of their keys.

        Args:
            below: the text.
            after: the key after which the list begins; empty for all of it.
        """
        return ((self._key(entry["path"]), entry["size"]) for entry in self._entries(below, after))

    def etags(self, below: str = "") -> Iterator[tuple[str, str]]:
        """Gives key and ETag of the object of that key, and of every object below it."""
        full = self._full(below)
        with self._naming(below):
            itself = self._head(full) if full else None
            entries = [itself] if itself else []
            for entry in itertools.chain(entries, self._pages(full)):
                if entry["size"] or entry is itself or self._head(entry["path"]):  # else it stands for an empty folder
                    yield self._key(entry["path"]), str(entry["e_tag"])

    def beginnings(self, below: str, delimiter: str) -> list[str]:
        """Lists how keys that begin with a text go on up to the next delimiter, each once.

        Returns:
            That text, how it goes on, and the delimiter. Google is asked once for each, Azure for all keys.
        """
        found: dict[str, None] = {}
        keys = (key for key, _ in self.listed(below))
        while key := next(keys, ""):
            rest, is_there, _ = key.removeprefix(below).partition(delimiter)
            beginning = f"{below}{rest}{delimiter}"
            if is_there and beginning not in found:
                found[beginning] = None
                if self._lists_on:  # behind all that go on so
                    keys = (key for key, _ in self.listed(below, f"{beginning[:-1]}{chr(ord(delimiter) + 1)}"))
        return list(found)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; one that is gone already is no matter.

        Raises:
            UserError: the store did not delete one of them.
        """
        full = [self._full(key) for key in keys]
        with self._naming(), ThreadPoolExecutor(_THREADS) as pool:
            for first in range(0, len(full), _MOST_DELETED):
                several = full[first : first + _MOST_DELETED]
                try:
                    self._store.delete(several)
                except FileNotFoundError:  # one of them, and others may have been left for that
                    list(pool.map(self._delete_one, several))

    def _delete_one(self, full: str) -> None:
        try:
            self._store.delete(full)
        except FileNotFoundError as error:
            if is_of_the_bucket(error):
                raise

    def _head(self, full: str) -> Any:
        try:
            return self._store.head(full)
        except FileNotFoundError:
            return None

    def _entries(self, below: str, after: str) -> Iterator[Any]:
        """Gives what begins with a text out of the folder that the text leads to, asking for little else."""
        begins = self._folder + below
        after = self._folder + after if after else begins[:-1]
        with self._naming(below):
            for entry in self._pages(begins.rpartition("/")[0], after if self._lists_on else ""):
                if entry["path"].startswith(begins):
                    if entry["path"] > after:
                        yield entry
                elif entry["path"] > begins:
                    return

    def _pages(self, folder: str, after: str = "") -> Iterator[Any]:
        """Lists a folder, and goes on behind what is listed where an answer was cut off: the library does not.

        Where names do not come in the order of their characters (Azure's emulator sorts by UTF-16), nobody knows what
        is behind: such a list is not gone on with, and has every name all the same.
        """
        from obstore.exceptions import GenericError

        last, number, in_order = after, 1, True
        failed: GenericError | None = None
        while True:
            behind, begins, before = last, last if self._lists_on else after, ""
            pages: Iterable[Sequence[Any]] = self._store.list(folder or None, offset=begins or None, chunk_size=_PAGE)
            try:
                for entry in itertools.chain.from_iterable(pages):
                    path = entry["path"]
                    in_order, before = in_order and path > before, path
                    if failed and not in_order:
                        raise failed
                    if path > behind:
                        yield entry
                        last, number = path, 1
            except GenericError as error:
                if number >= patience.TRIES or not in_order or not was_asked_once(error):
                    raise
                failed = error
                time.sleep(patience.wait_seconds(number))
                number += 1
            else:
                return

    @property
    def _lists_on(self) -> bool:
        """Tells whether a list may begin behind a key: Azure knows that in versions that obstore does not ask for."""
        return self.address.scheme == GOOGLE

    @property
    def _folder(self) -> str:
        return f"{self.address.prefix}/" if self.address.prefix else ""

    def _key(self, full: str) -> str:
        return full.removeprefix(self._folder)

    def _full(self, key: str) -> str:
        return self.address.below(key).prefix

    def _etag_of(self, answer: Mapping[str, Any]) -> str:
        return str(answer["version" if self.address.scheme == GOOGLE else "e_tag"])


def _wait_until_readable(store: Any, full: str) -> None:
    """Waits for a copy that Azure has promised only; whoever reads it before is told that there is a conflict."""
    from obstore.exceptions import AlreadyExistsError

    ends = time.monotonic() + _COPY_SECONDS
    while True:
        try:
            store.get(full)
        except AlreadyExistsError:
            if time.monotonic() > ends:
                raise
            time.sleep(_COPY_LOOK_SECONDS)
        else:
            return


@functools.cache
def _first_process() -> int:
    return os.getpid()


@functools.lru_cache(maxsize=8)
def _make_store(scheme: str, bucket: str, endpoint: str, account: str | None, process: int) -> Any:
    """Makes the client of one process; its threads share it."""
    from obstore.store import AzureStore, GCSStore

    if _first_process() != process:
        raise BrokenInvariantError("a process was forked off one that uses gs:// or az://, and cannot use them")
    settings: dict[str, Any] = {
        "client_options": {
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=patience.CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=patience.READ_SECONDS),
            "timeout": timedelta(days=1),
        },
        "retry_config": {
            "max_retries": patience.TRIES - 1,
            "retry_timeout": timedelta(seconds=patience.TRIES * patience.READ_SECONDS),
            "backoff": {
                "init_backoff": timedelta(seconds=patience.FIRST_WAIT_SECONDS),
                "max_backoff": timedelta(seconds=patience.LONGEST_WAIT_SECONDS),
                "base": _WAITS_GROW,
            },
        },
    }
    if scheme == GOOGLE:
        return GCSStore(bucket, base_url=endpoint, **settings)
    return AzureStore(bucket, account_name=account, endpoint=endpoint, **settings)
