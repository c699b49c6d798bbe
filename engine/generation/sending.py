"""Parts on their way from an engine to where they are shared: a few at a time, and none is lost for another's sake.

In: parts that are written. Out: how many rows have arrived. A thread sends them in their order, since the driver lists
by it: a store that is slow for minutes must not pass for an engine that hangs. A part that is refused is tried again;
one that is refused for good is an error once all parts behind it have been tried.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.errors import UserError

MOST_SENT = 2
"""The parts that are on their way at most: an engine that writes faster than its store takes waits."""
_PAUSES_SECONDS = (2.0, 10.0, 30.0)
"""The pauses before a part that was refused is tried again; a request that got no answer is repeated below that."""


class PartSender:
    """Sends the parts of one job.

    Args:
        upload: shares a part; a UserError says that it could not.
    """

    def __init__(self, upload: Callable[[Path], None]) -> None:
        self._upload = upload
        self._thread = ThreadPoolExecutor(1, "upload")
        self._sent = deque[tuple[Future[None], int]]()
        self._refused: UserError | None = None

    @property
    def num_sent(self) -> int:
        """Returns the number of parts that are on their way."""
        return len(self._sent)

    @property
    def is_full(self) -> bool:
        """Tells whether no other part is to be handed in for now."""
        return len(self._sent) >= MOST_SENT or self._refused is not None

    def send(self, part: Path, num_rows: int) -> None:
        """Hands in a part, which is sent after those before it."""
        self._sent.append((self._thread.submit(self._send, part), num_rows))

    def arrived(self, *, wait: bool = False) -> int:
        """Returns the rows of the oldest part, if it has arrived since the last call, and 0 where none has.

        Args:
            wait: whether to wait for it.

        Raises:
            UserError: a part was refused for good, and all those behind it have been tried.
        """
        while self._sent and (wait or self._sent[0][0].done()):
            sent, num_rows = self._sent[0]
            try:
                sent.result()
            except UserError as error:
                self._refused = self._refused or error
                continue
            else:
                return num_rows
            finally:
                self._sent.popleft()
        if self._refused is not None and not self._sent:
            raise self._refused
        return 0

    def _send(self, part: Path) -> None:
        for pause in _PAUSES_SECONDS:
            try:
                self._upload(part)
            except UserError as error:
                sys.stderr.write(f"{part.name} is tried again in {pause:g} s: {error}\n")
                sys.stderr.flush()
                time.sleep(pause)
            else:
                return
        self._upload(part)
