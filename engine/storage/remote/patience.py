"""How patiently a store is asked again that does not answer, or says that it does not work: each kind of store alike.

In: nothing. Out: how often a request is sent, and how long to wait in between. What speaks to a store asks again by
itself; this sets it so that an outage of some seconds ends no run, whichever kind of store it is.
"""

from __future__ import annotations

TRIES = 6
"""How often a request is sent at most."""
FIRST_WAIT_SECONDS = 1.0
"""Before the second time, at most; it doubles with each further time. boto3 has the same, and it cannot be set."""
LONGEST_WAIT_SECONDS = 16.0
CONNECT_SECONDS = 10.0
"""How long a connection may take."""
READ_SECONDS = 60.0
"""Without hearing anything; how long an answer takes as a whole is not limited."""


def wait_seconds(number: int) -> float:
    """Returns how long to wait at most behind the request of a number, from 1: all of it together is half a minute."""
    return min(FIRST_WAIT_SECONDS * 2.0 ** (number - 1), LONGEST_WAIT_SECONDS)
