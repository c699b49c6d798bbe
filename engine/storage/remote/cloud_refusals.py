"""What a person reads where Google's or Azure's store does not do what it was asked.

In: an exception of obstore, whose text is all that it says. Out: one line, with what to do about it. Texts are shown
only up to their first line, where obstore has put `REDACTED` in the place of signed URLs.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from engine.errors import UserError
from engine.storage.remote.address import GOOGLE

_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"}
_NO_PIECES = {"NoSuchUpload", "InvalidBlockList"}
_REFUSED = {"AuthenticationFailed", "InvalidAuthenticationInfo", "ExpiredToken", "InvalidSecurity"}
_BAD_NAME = {"InvalidBucketName", "InvalidResourceName", "InvalidUri", "OutOfRangeInput"}
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d+)|\(code: (\d+)\)")
_CONTAINER = "specified container does not exist"
_CREDENTIALS = re.compile(r"token request|service account|credential|access key|SAS|az account", re.IGNORECASE)
_UNHEARD = "HTTP error"
_AGAIN = "then start the same command again: it continues"


@contextlib.contextmanager
def naming_refusals(where: str, scheme: str) -> Iterator[None]:
    """Turns what a store answers, or that it does not answer, into a UserError.

    Args:
        where: the URL of what was asked for.
        scheme: of the URL.

    Raises:
        UserError: no credentials, no permission, no bucket, no network, a name that no object can have, or an answer
            that makes no sense.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise _in_words(error, where, scheme) from error
    except ValueError as error:  # how obstore says that a name is none; it asks the store for nothing then
        if "parse path" not in str(error):
            raise
        raise UserError(
            f"cannot be asked for ({_first_line(error)})", where=where, remedy="name another place"
        ) from error


def code_of(error: Exception) -> str:
    """Returns the code with which a store refused a request, such as `NoSuchBucket`; empty where it gave none."""
    match = _CODE.search(str(error))
    return match[1] if match else ""


def status_of(error: Exception) -> int:
    """Returns the HTTP status with which a store refused a request; 0 where it did not answer."""
    match = _STATUS.search(_text_of(error))
    return int(match[1] or match[2]) if match else 0


def is_of_the_bucket(error: Exception) -> bool:
    """Tells whether the bucket itself is missing, where an object was asked for."""
    return code_of(error) in _NO_BUCKET or _CONTAINER in _text_of(error)


def is_of_the_pieces(error: Exception) -> bool:
    """Tells whether the store does not know the pieces of an upload, or does not any more."""
    return code_of(error) in _NO_PIECES


def was_asked_once(error: Exception) -> bool:
    """Tells whether a store did not answer, and the library did not ask it again."""
    text = _text_of(error)
    return _UNHEARD in text and "retries" not in text and not _CREDENTIALS.search(text)


def _in_words(error: Exception, where: str, scheme: str) -> UserError:
    what, remedy = _about_credentials(error, scheme) or _about_the_store(error, scheme)
    return UserError(what, where=where, remedy=remedy)


def _about_credentials(error: Exception, scheme: str) -> tuple[str, str] | None:
    """Says what is wrong with credentials and how to mend it; None where nothing is."""
    code, status = code_of(error), status_of(error)
    if code in _REFUSED or status == 401:
        return (
            f"the store refuses the credentials ({code or status})",
            f"renew them, or set {_ways_in(scheme)}, {_AGAIN}",
        )
    if _CREDENTIALS.search(_text_of(error)) and not code:
        return f"there are no credentials ({_first_line(error)})", f"set {_ways_in(scheme)}, {_AGAIN}"
    if status == 403:
        remedy = f"let them list, read, write and delete there, or set {_ways_in(scheme)}, {_AGAIN}"
        return f"the credentials do not allow it ({code or status})", remedy
    return None


def _about_the_store(error: Exception, scheme: str) -> tuple[str, str]:
    code, status = code_of(error), status_of(error)
    if is_of_the_bucket(error):
        if scheme == GOOGLE:
            return "there is no such bucket", "make it, or name another one"
        return "the account has no such container", "make it, name another one, or set AZURE_STORAGE_ACCOUNT_NAME"
    if status >= 500 or status == 429:
        return f"the store does not work ({code or status})", f"wait a while, {_AGAIN}"
    if code in _BAD_NAME:
        return f"cannot be asked for ({code})", "name another place"
    if not status and "HTTP" in _text_of(error):
        names = "GOOGLE_BASE_URL" if scheme == GOOGLE else "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ENDPOINT"
        return (
            f"the store cannot be reached ({_last_words(error)})",
            f"check the network, and what {names} say, {_AGAIN}",
        )
    return f"the store refused a request ({code or _first_line(error)})", "see its manual"


def _ways_in(scheme: str) -> str:
    """Says what can be set for a store to let somebody in."""
    if scheme == GOOGLE:
        return "GOOGLE_APPLICATION_CREDENTIALS, or give the machine a service account"
    return "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or give the machine an identity"


def _text_of(error: Exception) -> str:
    return str(error).partition("Debug source")[0].strip()


def _first_line(error: Exception) -> str:
    return _text_of(error).partition("\n")[0].partition(": <?xml")[0]


def _last_words(error: Exception) -> str:
    """Returns the end of a chain of causes, which is what went wrong."""
    return _first_line(error).rpartition(" - ")[2]
