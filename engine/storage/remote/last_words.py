"""What a store is asked at the end of something: nobody waits for that longer than a few seconds.

In: a call. Out: whether it was done in time. A store that does not answer is asked again for minutes (patience.py).
That is right for what a run commits. What is left to say when it has ended, or is interrupted, is not worth it: others
wait out the claim of whoever said nothing more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

LAST_SECONDS = 4.0
"""How long the end of something may take."""


def say_in_time(call: Callable[[], None]) -> bool:
    """Does something in a thread of its own, which is left to itself where it takes too long.

    Args:
        call: what is done. Left to itself it may be done later, as long as this process lives; what it raises then is
            lost.

    Returns:
        Whether it was done in time.

    Raises:
        Exception: what the call raises in time.
    """
    raised: list[Exception] = []

    def say() -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=say, name="last words", daemon=True)
    thread.start()
    thread.join(LAST_SECONDS)
    if thread.is_alive():
        return False
    if raised:
        raise raised[0]
    return True
