"""Which store a URL means.

In: an address. Out: its objects, from the class that speaks to such a store; and where the environment says that the
store is, which tells two stores apart whose URLs are the same.
"""

from __future__ import annotations

from engine.storage.remote import cloud_objects, s3_objects
from engine.storage.remote.address import S3, Address
from engine.storage.remote.objects import Objects


def objects_at(address: Address) -> Objects:
    """Returns everything below an address.

    Raises:
        UserError: what speaks to such a store is not installed, or cannot know where it is.
    """
    return s3_objects.S3Objects(address) if address.scheme == S3 else cloud_objects.CloudObjects(address)


def endpoint_of(url: str) -> str | None:
    """Returns where the store of a URL is: of Azure, the account too; None for S3 unless the environment says so."""
    scheme = url.partition("://")[0]
    return s3_objects.endpoint_set() if scheme == S3 else cloud_objects.endpoint_set(scheme)
