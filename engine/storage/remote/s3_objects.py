"""Objects of S3, or of a store that speaks it (`AWS_ENDPOINT_URL`).

In: keys and contents. Out: the same from the store; what is promised stands in `objects.py`. boto3 is what speaks to
it: conditional writes are headers that pyarrow's file systems do not pass on, and with fsspec's they would be set in
boto3's words all the same. Credentials are found where boto3 looks for them, and nowhere else.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.storage.remote import patience
from engine.storage.remote.address import Address
from engine.storage.remote.objects import Document
from engine.storage.remote.s3_refusals import code_of, naming_refusals, status_of

_CONFLICT_TRIES = 10
_CONFLICT_SECONDS = 0.2
"""Two conditional writes at the same moment may both be told to come again."""
_MOST_DELETED = 1000
"""The keys that one request may delete."""


def endpoint_set() -> str | None:
    """Returns where the environment says that the store is; None where it does not."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class S3Objects:
    """Everything below an address. It can be sent to other processes: each makes a client, with its own credentials.

    Raises:
        UserError: boto3 is not installed.
    """

    address: Address
    endpoint: str | None = field(default_factory=endpoint_set)
    """Where the store is, if that is not for boto3 to find out."""

    def __post_init__(self) -> None:
        """Refuses to go on without boto3, before anything of it is imported."""
        if importlib.util.find_spec("boto3") is None:
            what = "boto3, which speaks to object stores, is not installed"
            raise UserError(what, where=self.url(), remedy="install it: pip install boto3")

    @property
    def _client(self) -> Any:
        return _make_client(self.endpoint, os.getpid())

    def url(self, key: str = "") -> str:
        """Returns the URL of an object, for messages."""
        return str(self.address.below(key))

    def read(self, key: str) -> Document | None:
        """Reads a small object; None where there is none."""
        from botocore.exceptions import ClientError

        number = 1
        with naming_refusals(self.url(key)):
            while True:
                try:
                    answer = self._client.get_object(**self._of(key))
                except ClientError as error:
                    if code_of(error) == "NoSuchKey":
                        return None
                    raise
                body = _body_of(answer, is_last=number >= patience.TRIES)
                if body is not None:
                    return Document(body, answer["ETag"], _age_seconds(answer))
                time.sleep(patience.wait_seconds(number))
                number += 1

    def create(self, key: str, body: bytes) -> str | None:
        """Makes a document where there is none.

        Returns:
            Its ETag, or None where there is another one.
        """
        return self._write(key, body, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Replaces a document that is still as it was read.

        Returns:
            The new ETag, or None where somebody has changed it.
        """
        return self._write(key, body, IfMatch=etag)

    def put(self, key: str, body: bytes) -> None:
        """Writes a document whatever is there."""
        with naming_refusals(self.url(key)):
            self._client.put_object(**self._of(key), Body=body)

    def _write(self, key: str, body: bytes, **condition: str) -> str | None:
        from botocore.exceptions import ClientError

        with naming_refusals(self.url(key)):
            for _ in range(_CONFLICT_TRIES):
                try:
                    return str(self._client.put_object(**self._of(key), Body=body, **condition)["ETag"])
                except ClientError as error:
                    if status_of(error) == 409:
                        time.sleep(_CONFLICT_SECONDS)
                    elif status_of(error) == 412 or code_of(error) == "NoSuchKey":
                        break
                    else:
                        raise
        there = self.read(key)  # a request of ours that seemed to have failed may have written it
        return there.etag if there and there.body == body else None

    def upload(self, key: str, file: Path) -> None:
        """Writes a file, in several pieces where it is large; it is there whole or not at all."""
        with naming_refusals(self.url(key)), file.open("rb") as stream:
            self._client.upload_fileobj(stream, self.address.bucket, self._of(key)["Key"])

    def download(self, key: str, file: Path) -> None:
        """Reads an object into a file, which is not synced."""
        with naming_refusals(self.url(key)), file.open("wb") as stream:
            self._client.download_fileobj(self.address.bucket, self._of(key)["Key"], stream)

    def copy(self, source: str, key: str) -> None:
        """Copies an object inside the store."""
        with naming_refusals(self.url(key)):
            self._client.copy(self._of(source), self.address.bucket, self._of(key)["Key"])

    def listed(self, below: str = "", after: str = "") -> Iterator[tuple[str, int]]:
        """Gives key and bytes of every object whose key begins with a text, in the order of their keys.

        Args:
            below: the text.
            after: the key after which the list begins; empty for all of it.
        """
        return ((key, entry["Size"]) for key, entry in self._entries(below, after))

    def etags(self, below: str = "") -> Iterator[tuple[str, str]]:
        """Gives key and ETag of every object whose key begins with a text, in the order of their keys."""
        return ((key, entry["ETag"]) for key, entry in self._entries(below))

    def beginnings(self, below: str, delimiter: str) -> list[str]:
        """Lists how keys that begin with a text go on up to the next delimiter, each once: that text and delimiter too.

        However many keys begin so, the store reads and sends no more than that.
        """
        pages = self._pages(below, Delimiter=delimiter)
        return [self._key(each["Prefix"]) for page in pages for each in page.get("CommonPrefixes", ())]

    def _entries(self, below: str, after: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        begins = {"StartAfter": self._of(after)["Key"]} if after else {}
        return (
            (self._key(entry["Key"]), entry)
            for page in self._pages(below, **begins)
            for entry in page.get("Contents", ())
        )

    def _pages(self, below: str, **more: str) -> Iterator[dict[str, Any]]:
        with naming_refusals(self.url(below)):
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self.address.bucket, Prefix=self._folder + below, **more)

    @property
    def _folder(self) -> str:
        return f"{self.address.prefix}/" if self.address.prefix else ""

    def _key(self, full: str) -> str:
        return full.removeprefix(self._folder)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; one that is gone already is no matter.

        Raises:
            UserError: the store did not delete one of them.
        """
        from botocore.exceptions import ClientError

        named = [{"Key": self._of(key)["Key"]} for key in keys]
        with naming_refusals(self.url()):
            for first in range(0, len(named), _MOST_DELETED):
                several = {"Objects": named[first : first + _MOST_DELETED], "Quiet": True}
                answer = self._client.delete_objects(Bucket=self.address.bucket, Delete=several)
                for refused in answer.get("Errors", ()):  # the answer as a whole is no error
                    raise ClientError({"Error": refused}, "DeleteObjects")

    def _of(self, key: str) -> dict[str, str]:
        return {"Bucket": self.address.bucket, "Key": "/".join(name for name in (self.address.prefix, key) if name)}


@functools.lru_cache(maxsize=4)
def _make_client(endpoint: str | None, _process: int) -> Any:
    """Makes the client of one process; its threads share it."""
    import boto3
    from botocore.config import Config

    settings = Config(
        # Of its modes this one waits up to 1, 2, 4, 8 and 16 seconds, as `patience` wants it; the others give up within
        # two seconds, and sooner where many requests fail at once.
        retries={"mode": "legacy", "total_max_attempts": patience.TRIES},
        connect_timeout=patience.CONNECT_SECONDS,
        read_timeout=patience.READ_SECONDS,
        # What is read is compared with a SHA-256 of our own; stores other than S3 do not all know these sums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, config=settings)


def _body_of(answer: dict[str, Any], *, is_last: bool) -> bytes | None:
    """Reads the body of an answer; None where it was cut off, unless that was the last try: boto3 leaves that to us."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    try:
        return bytes(answer["Body"].read())
    except (HTTPClientError, IncompleteReadError):
        if is_last:
            raise
        return None


def _age_seconds(answer: dict[str, Any]) -> float:
    """Tells how old an object is, both times by the store's clock where it says what time it is."""
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(said) if said else datetime.now(UTC)
    return float((now - answer["LastModified"]).total_seconds())
