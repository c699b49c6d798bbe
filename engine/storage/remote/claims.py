"""Claims: the right to write something, held by one driver at a time and lost when it is not renewed.

    store/samples/3f2a.../claim.json    {"fence": 4, "holder": "node7/4211/9c1f...", "content": null, "write": "..."}

In: the key of an object. Out: the right to change it. The same object says who holds the claim and what was committed
under it, and every write of it replaces the one before (`If-Match`): a holder that has lost its claim knows an ETag
that is not there any more, so that it cannot commit, however late it wakes up. `fence` grows with every holder.

A claim is over when it was not renewed for a while, by the clock of the store alone: the time of the last write and the
present one are both in its answer. A claim that this machine held with this cache is over at once: a lock on this disk
tells that whoever held it is gone. A cache that several machines see tells that of none but the own one.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

from engine.errors import UserError
from engine.storage.remote.last_words import say_in_time
from engine.storage.remote.objects import Objects
from engine.visible import visible

LEASE_SECONDS = 60.0
"""A claim that was not renewed for so long is over."""
_RENEWALS = 4
"""So often it is renewed in that time."""
_PARTS_OF_HOLDER = 3
"""HOST/PROCESS/CACHE."""


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

    def __post_init__(self) -> None:
        """Refuses a damaged number or holder, which nobody could take over from."""
        is_holder = self.holder == "" or str(self.holder).count("/") == _PARTS_OF_HOLDER - 1
        if not (isinstance(self.fence, int) and isinstance(self.holder, str) and is_holder):
            raise ValueError(f"fence {self.fence!r}, holder {self.holder!r}")

    def body(self) -> bytes:
        """Returns what is written, which differs from every other write."""
        return json.dumps(asdict(replace(self, write=uuid.uuid4().hex)), ensure_ascii=False).encode()


def to_stderr(text: str) -> None:
    """Tells whoever started this process, where there is no console."""
    sys.stderr.write(visible(f"synthmill: {text}\n"))


def read_state(objects: Objects, key: str) -> State:
    """Reads what an object of a claim says; an empty state where there is none."""
    return look_at(objects, key)[0]


def look_at(objects: Objects, key: str) -> tuple[State, float]:
    """Reads the same, and how many seconds ago it was written, by the clock of the store."""
    there = objects.read(key)
    return (_state_of(objects, key, there.body), there.age_seconds) if there else (State(), 0.0)


def _state_of(objects: Objects, key: str, body: bytes) -> State:
    try:
        return State(**json.loads(body))
    except (ValueError, TypeError) as error:
        remedy = "bring the object back, or delete it: what it vouches for is then made anew"
        raise UserError(f"is no claim of synthmill's ({error})", where=objects.url(key), remedy=remedy) from error


@dataclass(frozen=True)
class Lease:
    """How claims last."""

    seconds: float = LEASE_SECONDS
    """How long without being renewed."""
    warn: Callable[[str], None] = to_stderr
    """Is told, once for each claim, that it could not be renewed, or is lost: hours before the commit may come."""


class Claim:
    """A claim that is held, and renewed by a thread while the block of its `with` lasts. `take` makes it.

    Args:
        objects: where its object lies.
        key: of its object.
        held: its state, whose holder is this driver.
        etag: of that state.
        lease: how long it lasts without being renewed, and who is told where that fails.
    """

    def __init__(self, objects: Objects, key: str, held: State, etag: str, lease: Lease) -> None:
        self._objects, self._key, self._state, self._etag = objects, key, held, etag
        self._lease, self._renewed, self._has_warned = lease, time.monotonic(), False
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"claim {key}", daemon=True)
        self._is_lost = self._is_left = False
        self._last: dict[str, Any] = {}
        """What of the state changes with the write that gives the claim back."""

    @classmethod
    def take(cls, objects: Objects, key: str, holder: str, lease: Lease | None = None) -> Claim:
        """Takes a claim that nobody holds, or whose holder is over.

        Raises:
            HeldError: another driver holds it.
        """
        lease = lease or Lease()
        while True:
            there = objects.read(key)
            state = _state_of(objects, key, there.body) if there else State()
            if there and state.holder and not _is_same_place(state.holder, holder):
                rest = lease.seconds - there.age_seconds
                if rest > 0:
                    raise HeldError(state.holder, rest)
            held = replace(state, fence=state.fence + 1, holder=holder)
            body = held.body()
            etag = objects.replace(key, body, there.etag) if there else objects.create(key, body)
            if etag:  # else another one was quicker
                return cls(objects, key, held, etag, lease)

    @property
    def content(self) -> Any:
        """Returns what was committed last, as JSON values."""
        return self._state.content

    @property
    def fence(self) -> int:
        """Returns the number of this holder, higher than that of any before."""
        return self._state.fence

    def check(self) -> None:
        """Looks whether the claim is known to be lost, before work that would be in vain.

        Raises:
            LostClaimError: another driver has taken over.
        """
        if self._is_lost:
            raise LostClaimError(self._objects.url(self._key))

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

    def write_last(self, content: Any) -> None:
        """Has the end of the block commit this, with the same write that gives the claim back."""
        self._last = {"content": content}

    def leave(self) -> None:
        """Has the block end without giving the claim back, so that whoever finds it knows that work was left undone."""
        self._is_left = True

    def __enter__(self) -> Claim:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the claim back unless it is left, so that nobody waits for its end; where that fails, others wait.

        A store that does not answer is waited for some seconds, and its claim is over in a minute.
        """
        self._ended.set()
        try:
            is_done = say_in_time(self._give_back)
        except UserError:
            if error is None:
                raise
            return
        if not is_done:
            where = self._objects.url(self._key)
            others = f"others may wait for it, {self._lease.seconds:.0f} s at most"
            self._lease.warn(f"{where} could not be given back, since the store does not answer: {others}")

    def _give_back(self) -> None:
        self._thread.join()
        if self._state.holder and not self._is_lost and not self._is_left:
            self._replace(holder="", **self._last)

    def _renew(self) -> None:
        while not self._ended.wait(self._lease.seconds / _RENEWALS):
            try:
                self._replace()
                self._renewed = time.monotonic()
            except LostClaimError as error:
                self._warn_once(f"{error}; what this run makes of it now will not count")
                return  # the next commit raises it
            except UserError as error:  # it is tried again, and the claim is lost if others find it over
                if time.monotonic() - self._renewed > self._lease.seconds:
                    self._warn_once(f"a claim was not renewed for too long, and another run may take over: {error}")

    def _warn_once(self, text: str) -> None:
        if not self._has_warned and not self._ended.is_set():
            self._lease.warn(text)
        self._has_warned = True

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


def _is_same_place(holder: str, other: str) -> bool:
    """Tells whether two holders, HOST/PROCESS/CACHE each, have the locks of one machine's cache in common."""
    (host, _, cache), (other_host, _, other_cache) = holder.split("/"), other.split("/")
    return (host, cache) == (other_host, other_cache)
