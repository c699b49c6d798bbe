"""Claims: the right to write something, held by one driver at a time and lost when it is not renewed.

    store/samples/3f2a.../claim.json    {"fence": 4, "holder": "node7/4211/9c1f...", "content": null, "write": "..."}

In: the key of an object. Out: the right to change it. The same object says who holds the claim and what was committed
under it, and every write of it replaces the one before (`If-Match`): a holder that has lost its claim knows an ETag
that is not there any more, so that it cannot commit, however late it wakes up. `fence` grows with every holder.

A claim is over when it was not renewed for a while, by the clock of the store alone: the time of the last write and the
present one are both in its answer. A claim that this cache held is over at once: a lock on this disk tells that whoever
held it is gone.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

from engine.errors import UserError
from engine.storage.remote.objects import Objects

LEASE_SECONDS = 60.0
"""A claim that was not renewed for so long is over."""
_RENEWALS = 4
"""So often it is renewed in that time."""


class LostClaimError(UserError):
    """Another driver has taken over what this one claimed: whoever meets this commits nothing more."""

    def __init__(self, where: str) -> None:
        remedy = "let that one finish; this one was not heard of for too long, and has committed nothing since"
        super().__init__("another run has taken over", where=where, remedy=remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return LostClaimError, (self.where,)


class HeldError(Exception):
    """Another driver holds the claim, which ends in `seconds` unless it is renewed."""

    def __init__(self, holder: str, seconds: float) -> None:
        super().__init__(f"{holder}, {seconds:.0f} s")
        self.holder, self.seconds = holder, seconds


@dataclass(frozen=True)
class State:
    """What the object of a claim says."""

    fence: int = 0
    """How many holders there were."""
    holder: str = ""
    """HOST/PROCESS/CACHE; empty where nobody holds it."""
    content: Any = None
    """What was committed, as JSON values; None before anything was."""
    write: str = ""
    """Differs with each write."""

    def body(self) -> bytes:
        """Returns what is written, which differs from every other write."""
        return json.dumps(asdict(replace(self, write=uuid.uuid4().hex)), ensure_ascii=False).encode()


def read_state(objects: Objects, key: str) -> State:
    """Reads what an object of a claim says; an empty state where there is none."""
    there = objects.read(key)
    return _state_of(objects, key, there.body) if there else State()


def _state_of(objects: Objects, key: str, body: bytes) -> State:
    try:
        return State(**json.loads(body))
    except (ValueError, TypeError) as error:
        remedy = "bring the object back, or delete it: what it vouches for is then made anew"
        raise UserError(f"is no claim of synthmill's ({error})", where=objects.url(key), remedy=remedy) from error


class Claim:
    """A claim that is held, and renewed by a thread while the block of its `with` lasts. `take` makes it.

    Args:
        objects: where its object lies.
        key: of its object.
        held: its state, whose holder is this driver.
        etag: of that state.
        lease_seconds: how long it lasts without being renewed.
    """

    def __init__(self, objects: Objects, key: str, held: State, etag: str, lease_seconds: float) -> None:
        self._objects, self._key, self._state, self._etag = objects, key, held, etag
        self._pause_seconds = lease_seconds / _RENEWALS
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"claim {key}", daemon=True)
        self._is_lost = False

    @classmethod
    def take(cls, objects: Objects, key: str, holder: str, lease_seconds: float = LEASE_SECONDS) -> Claim:
        """Takes a claim that nobody holds, or whose holder is over.

        Raises:
            HeldError: another driver holds it.
        """
        while True:
            there = objects.read(key)
            state = _state_of(objects, key, there.body) if there else State()
            if there and state.holder and not _is_same_cache(state.holder, holder):
                rest = lease_seconds - there.age_seconds
                if rest > 0:
                    raise HeldError(state.holder, rest)
            held = replace(state, fence=state.fence + 1, holder=holder)
            body = held.body()
            etag = objects.replace(key, body, there.etag) if there else objects.create(key, body)
            if etag:  # else another one was quicker
                return cls(objects, key, held, etag, lease_seconds)

    @property
    def content(self) -> Any:
        """Returns what was committed last, as JSON values."""
        return self._state.content

    @property
    def fence(self) -> int:
        """Returns the number of this holder, higher than that of any before."""
        return self._state.fence

    def write(self, content: Any) -> None:
        """Commits, and keeps the claim.

        Raises:
            LostClaimError: another driver has taken over; nothing is written.
        """
        self._replace(content=content)

    def end(self, content: Any) -> None:
        """Commits, and gives the claim back with the same write.

        Raises:
            LostClaimError: another driver has taken over; nothing is written.
        """
        self._ended.set()
        self._replace(content=content, holder="")

    def __enter__(self) -> Claim:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the claim back, so that nobody waits for its end; where that fails, others wait."""
        self._ended.set()
        self._thread.join()
        if not self._state.holder or self._is_lost:
            return
        try:
            self._replace(holder="")
        except UserError:
            if error is None:
                raise

    def _renew(self) -> None:
        while not self._ended.wait(self._pause_seconds):
            try:
                self._replace()
            except LostClaimError:
                return  # the next commit says so
            except UserError:
                continue  # no network: it is tried again, and the claim is lost if others find it over

    def _replace(self, **changes: Any) -> None:
        """Writes the state with some changes, or as it is, to renew the claim."""
        with self._turn:
            if not (changes or self._state.holder):
                return  # it was given back while this waited for its turn
            etag = None
            while not self._is_lost and etag is None:
                state = replace(self._state, **changes)
                etag = self._objects.replace(self._key, state.body(), self._etag)
                if etag:
                    self._state, self._etag = state, etag
                else:
                    self._is_lost = not self._finds_itself()
            if self._is_lost:
                raise LostClaimError(self._objects.url(self._key))

    def _finds_itself(self) -> bool:
        """Takes over what an earlier write of this holder has left that seemed to have failed, and did not."""
        there = self._objects.read(self._key)
        state = _state_of(self._objects, self._key, there.body) if there else State()
        if not there or (state.fence, state.holder) != (self._state.fence, self._state.holder):
            return False
        self._state, self._etag = state, there.etag
        return True


def _is_same_cache(holder: str, other: str) -> bool:
    return holder.rpartition("/")[2] == other.rpartition("/")[2]
