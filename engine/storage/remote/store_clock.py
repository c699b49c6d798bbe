"""What time it is for a store that a library speaks to which does not tell.

In: where a store is. Out: the time by its own clock. Any answer says so in `Date`, also one that refuses: so it is
asked for nothing, without credentials, once in ten minutes; meanwhile a clock of this process counts that nobody sets.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from engine.errors import UserError
from engine.storage.remote import patience

_ANSWER_SECONDS = 10.0
_GOOD_FOR_SECONDS = 600.0


def store_now(endpoint: str, *, where: str) -> datetime:
    """Tells what time it is by the clock of a store.

    Args:
        endpoint: the URL of the store.
        where: the URL of what it is about, for messages.

    Raises:
        UserError: it cannot be reached.
    """
    try:
        said, at = _asked(endpoint, os.getpid(), int(time.monotonic() // _GOOD_FOR_SECONDS))
    except OSError as error:
        what = f"the store cannot be asked for the time ({type(error).__name__} at {endpoint})"
        remedy = "check the network, then start the same command again: it continues"
        raise UserError(what, where=where, remedy=remedy) from error
    return said + timedelta(seconds=time.monotonic() - at)


class _Staying(HTTPRedirectHandler):
    """Follows no redirection: it would lead to another server's clock."""

    def redirect_request(self, *_: Any) -> None:
        return None


@functools.lru_cache(maxsize=8)
def _asked(endpoint: str, _process: int, _period: int) -> tuple[datetime, float]:
    """Asks a store, and notes when that was by this process's clock."""
    for number in itertools.count(1):
        try:
            said = _date_of(endpoint)
        except OSError:  # URLError and TimeoutError are among these
            if number >= patience.TRIES:
                raise
            time.sleep(patience.wait_seconds(number))
        else:
            break
    return (parsedate_to_datetime(said) if said else datetime.now(UTC)), time.monotonic()


def _date_of(endpoint: str) -> str | None:
    """Returns what a store says of the time, whatever else it says."""
    request = Request(endpoint, method="HEAD")  # it was looked at: http or https
    try:
        with build_opener(_Staying).open(request, timeout=_ANSWER_SECONDS) as answer:
            return str(answer.headers["Date"]) if "Date" in answer.headers else None
    except HTTPError as refused:
        with refused:
            return refused.headers.get("Date")
