"""URLs of object stores, as users write them.

In: `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`. Out: bucket and prefix; or one line about
what is wrong with the URL. Credentials have no place in a URL, since commands and configs are written down. A
container of Azure is called a bucket here; its account is named by the environment (`cloud_objects.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from engine.errors import UserError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
S3, GOOGLE, AZURE = "s3", "gs", "az"
_SCHEMES = {
    S3: "the environment, a profile (AWS_PROFILE) or the machine's role",
    GOOGLE: "GOOGLE_APPLICATION_CREDENTIALS or the machine's service account",
    AZURE: "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or the machine's identity",
}
"""The stores that can be used, and where each finds credentials."""
_SIGNED = re.compile(r"[?&](?:[\w-]*-)?(?:sig|signature|security-token)=", re.IGNORECASE)
"""What the query of a URL asks with that whoever holds it may use."""
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""The names that are passed on; which of them there are, the store knows."""


def is_url(path: str) -> bool:
    """Tells whether what a user wrote in the place of a path is a URL."""
    return _URL.fullmatch(path) is not None


def is_address(text: str) -> bool:
    """Tells whether a text, which may be anything, is the URL of a store that can be used."""
    beginnings = tuple(f"{scheme}://" for scheme in _SCHEMES)
    return text.lower().startswith(beginnings) and len(text.split()) == 1


def require_inside(name: str, *, where: str) -> None:
    """Refuses the name of a file that came from a store and leads out of the folder that it is to lie in.

    Raises:
        UserError: it does.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        remedy = "delete it there: synthmill has written no such name"
        raise UserError(f"names a file {name!r}, which leads out of its folder", where=where, remedy=remedy)


@dataclass(frozen=True)
class Address:
    """A place in a bucket: everything whose key begins with the prefix, or the one object that has it as its key."""

    bucket: str
    prefix: str = ""
    """Names joined by slashes, without one at either end; empty for the whole bucket."""
    scheme: str = S3
    """Which store it is of."""

    def __str__(self) -> str:
        """Returns the URL."""
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    def below(self, *names: str) -> Address:
        """Returns a place below this one."""
        return self.at("/".join(name for name in (self.prefix, *names) if name))

    def at(self, prefix: str) -> Address:
        """Returns a place in the same bucket."""
        return replace(self, prefix=prefix)

    def way_to(self, other: Address) -> str:
        """Returns the way from here down to another place, empty where that does not lie below this one."""
        beginning = f"{self.prefix}/" if self.prefix else ""
        is_same = (other.scheme, other.bucket) == (self.scheme, self.bucket)
        is_below = is_same and other.prefix.startswith(beginning)
        return other.prefix.removeprefix(beginning) if is_below else ""


def read_address(url: str, *, where: str) -> Address:
    """Reads a URL.

    Args:
        url: as the user wrote it.
        where: the key that it was written under, with the URL, for messages.

    Raises:
        UserError: it is of no store that can be used, names no bucket, or holds credentials.
    """
    match = _URL.fullmatch(url)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", url)
    if scheme not in _SCHEMES:
        forms = "s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER"
        remedy = f"write {forms}; other stores that speak S3 are named with AWS_ENDPOINT_URL"
        raise UserError(f"{scheme}:// is no store that synthmill can commit to", where=where, remedy=remedy)
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or _SIGNED.search(prefix):
        remedy = f"leave them out: they are read from {_SCHEMES[scheme]}"
        raise UserError("holds credentials", where=f"{where.partition('=')[0]}={scheme}://...", remedy=remedy)
    if bucket and not _BUCKET.fullmatch(bucket):
        remedy = "use letters, digits, dots, dashes and underscores"
        raise UserError(f"{bucket!r} is no name of a bucket", where=where, remedy=remedy)
    names = prefix.strip("/").split("/") if prefix.strip("/") else []
    if not bucket or not all(names) or {".", ".."} & set(names):
        raise UserError("names no folder of a bucket", where=where, remedy=f"write {scheme}://BUCKET/FOLDER")
    return Address(bucket, "/".join(names), scheme)
