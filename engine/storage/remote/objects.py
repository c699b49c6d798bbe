"""Objects below a URL: read, listed, made where there is none, and replaced where nobody else has.

In: keys and contents. Out: the same from a store, whatever it speaks: `s3_objects.py` knows S3, `cloud_objects.py` what
Google and Azure have, and `stores.py` which of them a URL means. Two kinds of writes are told apart. *Documents* are
small and conditional: `create` and `replace` succeed for one writer only. *Files* are large and named after their
content, or after their only writer, so that writing one twice changes nothing.

A request that is repeated, because the answer to the first was an error or none at all, meets what the first one
wrote: the store then says that the condition does not hold. So whoever is told so looks at what is there, and a
document with just the content that was to be written was written. For this no two documents may be equal.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.errors import UserError
from engine.storage.remote.address import Address


@dataclass(frozen=True)
class Document:
    """A small object as it was read."""

    body: bytes
    etag: str
    """What tells this content from any other under the same key: an ETag, or Google's number of a generation."""
    age_seconds: float
    """How long ago it was written, by the clock of the store."""


class Objects(Protocol):
    """Everything below an address. It can be sent to other processes: each makes a client, with its own credentials."""

    @property
    def address(self) -> Address:
        """Returns what the objects lie below."""

    def url(self, key: str = "") -> str:
        """Returns the URL of an object, for messages."""

    def read(self, key: str) -> Document | None:
        """Reads a small object; None where there is none."""

    def create(self, key: str, body: bytes) -> str | None:
        """Makes a document where there is none.

        Returns:
            Its ETag, or None where there is another one.
        """

    def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Replaces a document that is still as it was read.

        Returns:
            The new ETag, or None where somebody has changed it.
        """

    def put(self, key: str, body: bytes) -> None:
        """Writes a document whatever is there."""

    def upload(self, key: str, file: Path) -> None:
        """Writes a file, in several pieces where it is large; it is there whole or not at all."""

    def download(self, key: str, file: Path) -> None:
        """Reads an object into a file, which is not synced."""

    def copy(self, source: str, key: str) -> None:
        """Copies an object inside the store."""

    def listed(self, below: str = "", after: str = "") -> Iterator[tuple[str, int]]:
        """Gives key and bytes of every object whose key begins with a text, in the order of their keys.

        Args:
            below: the text.
            after: the key after which the list begins; empty for all of it.
        """

    def etags(self, below: str = "") -> Iterator[tuple[str, str]]:
        """Gives key and ETag of the object of that key, and of every object below it; others may be among them."""

    def beginnings(self, below: str, delimiter: str) -> list[str]:
        """Lists how keys that begin with a text go on up to the next delimiter, each once.

        Returns:
            That text, how it goes on, and the delimiter.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; one that is gone already is no matter.

        Raises:
            UserError: the store did not delete one of them.
        """


def require_conditions(objects: Objects, key: str) -> None:
    """Tries whether a store honours conditions, with an object that is deleted again.

    Raises:
        UserError: it does not, so that two runs could both believe that they alone write a folder.
    """
    body = f"{time.time_ns()}".encode()
    first = objects.create(key, body)
    honours = first is not None and objects.create(key, body + b"x") is None
    if first is not None and honours:
        honours = objects.replace(key, body + b"y", first) is not None
        honours = honours and objects.replace(key, body + b"z", first) is None
    objects.delete([key])
    if not honours:
        remedy = "use one that does (S3, MinIO, R2, Ceph from Squid on, Google Cloud Storage, Azure), or a folder"
        raise UserError("the store ignores If-None-Match or If-Match", where=objects.url(), remedy=remedy)
