"""How the driver asks an engine, and how it learns that an engine has ended.

In: references to calls of a Ray actor. Out: the answer, or one exception for all ways in which an actor can end: its
process or its node died, Ray's memory monitor ended it, it is out of reach, or our own code raised in it. No call waits
without end. Every question to an engine goes through `answer_of`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from engine.generation.limits import KILLED, is_out_of_memory

BROKE = "the engine broke: "
"""Begins the last line in the log of an engine that ended itself, because its loop raised."""

_ANSWER_SECONDS = 10.0
"""An answer that is there is small: one that takes longer to fetch lies on a node that is gone."""
_POLL_SECONDS = 0.2
_LOG_TAIL_BYTES = 20_000
"""The end of a log in which the cause of an end is looked for."""
_NODE_GONE = ("node has died", "node was preempted", "node was terminated")


class EngineEndedError(Exception):
    """An engine has ended, or is out of reach; the text says why in one line.

    Args:
        reason: the line.
        error: what Ray raised; None where the driver gave the engine up.
    """

    def __init__(self, reason: str, error: Exception | None = None) -> None:
        super().__init__(reason)
        self.error = error

    @property
    def is_gone(self) -> bool:
        """Tells whether Ray is sure that the actor does nothing more; otherwise it has to be killed."""
        import ray

        sure = (ray.exceptions.ActorDiedError, ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError)
        return isinstance(self.error, sure)

    @property
    def was_killed(self) -> bool:
        """Tells whether the engine's process ended without a word, while its node lives on."""
        import ray

        silent = (ray.exceptions.ActorDiedError, ray.exceptions.WorkerCrashedError)
        return isinstance(self.error, silent) and not (_node_is_gone(self.error) or _raised_in_actor(self.error))

    @property
    def was_lost(self) -> bool:
        """Tells whether neither the engine nor its config is to blame: its node died, or cannot be reached."""
        import ray

        to_blame = (
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.RuntimeEnvSetupError,
            ray.exceptions.ActorUnschedulableError,
        )
        if self.error is None or isinstance(self.error, to_blame):
            return False
        return not (self.was_killed or _raised_in_actor(self.error))


def answer_of(reference: Any, timeout_seconds: float = _ANSWER_SECONDS) -> Any:
    """Fetches the answer to a call of an engine.

    Args:
        reference: what the call returned at once.
        timeout_seconds: how long to wait for the answer.

    Raises:
        EngineEndedError: there is no answer, and whatever Ray says of it, none will come.
    """
    import ray

    try:
        return ray.get(reference, timeout=timeout_seconds)
    except ray.exceptions.RayError as error:
        raise EngineEndedError(_one_line(error), error) from error


def wait_for(
    references: Collection[Any], timeout_seconds: float, *, every: bool = False, gather_seconds: float = 0.0
) -> set[Any]:
    """Waits until one call is answered, or every one, or the time is over.

    Args:
        references: what the calls returned; without any the time passes, unless all of none are waited for.
        timeout_seconds: how long to wait; 0 only looks.
        every: wait for all answers.
        gather_seconds: how long to wait for further answers once there is one.

    Returns:
        All references whose answers are there, or never will be because their engines have ended.
    """
    import ray

    if not references:
        time.sleep(0.0 if every else timeout_seconds)
        return set()
    waiting = list(references)
    number = len(waiting) if every else 1
    ray.wait(waiting, num_returns=number, timeout=timeout_seconds, fetch_local=False)
    return set(ray.wait(waiting, num_returns=len(waiting), timeout=gather_seconds, fetch_local=False)[0])


def end_actors(actors: Sequence[Any], timeout_seconds: float = 5.0) -> None:
    """Kills actors and waits until they are gone.

    Those that cannot be reached are given up after a time: what they write later counts nowhere
    (engine/storage/parts_log.py).
    """
    import ray

    for actor in actors:
        ray.kill(actor)
    deadline, remaining = time.monotonic() + timeout_seconds, list(actors)
    while remaining and time.monotonic() < deadline:
        calls = {actor.report.remote(): actor for actor in remaining}
        answered = wait_for(calls, _POLL_SECONDS, every=True)
        remaining = [actor for call, actor in calls.items() if call not in answered or not _says_gone(call)]


def _says_gone(call: Any) -> bool:
    """Tells whether the answer to a call is that its actor is gone."""
    try:
        answer_of(call)
    except EngineEndedError as ended:
        return ended.is_gone
    time.sleep(_POLL_SECONDS)  # it was asked before it was ended
    return False


def why_ended(ended: EngineEndedError, log: Path, log_start: int) -> str:
    """Says in one line why an engine ended that had been loaded: its own last words, or else what Ray says.

    Args:
        ended: what asking it raised.
        log: its log.
        log_start: size of the log before it started; what an earlier run wrote there is not its own.
    """
    last_words = [line.removeprefix(BROKE) for line in _log_tail(log, log_start) if line.startswith(BROKE)]
    return last_words[-1] if last_words else str(ended)


def why_no_start(ended: EngineEndedError, log: Path, log_start: int) -> str:
    """Says why an engine did not start: the exception, and what only its log has; the last line sums it up.

    Args:
        ended: what waiting for it raised.
        log: its log.
        log_start: size of the log before it started; what an earlier run wrote there is not its own.
    """
    text = "\n".join(_lines(str(ended.error or ended)))
    if ended.was_killed:
        return f"{text}\n{KILLED}"
    if is_out_of_memory(text) or not _raised_in_actor(ended.error):
        return f"{text}\n{ended}"
    # vLLM's engine core names the cause only in the log
    return "\n".join([text, *(line for line in _log_tail(log, log_start) if is_out_of_memory(line))])


def _log_tail(log: Path, log_start: int) -> list[str]:
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(log_start, log.stat().st_size - _LOG_TAIL_BYTES))
        return _lines(stream.read().decode(errors="replace"))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _node_is_gone(error: Exception | None) -> bool:
    return any(sign in str(error) for sign in _NODE_GONE)


def _raised_in_actor(error: Exception | None) -> bool:
    """Tells whether our code, or a library in the actor, raised an exception."""
    import ray

    creation_failed = isinstance(error, ray.exceptions.RayActorError) and error.actor_init_failed
    return creation_failed or isinstance(error, ray.exceptions.RayTaskError)


def _one_line(error: Exception) -> str:
    """Says in one line what an error of Ray's means: the exception that was raised, or what happened to the process."""
    import ray

    lines = _lines(str(error)) or [type(error).__name__]
    if _raised_in_actor(error):
        return lines[-1]
    if _node_is_gone(error):
        return "its node is gone"
    if is_out_of_memory(str(error)):
        return "Ray ended it, because its node was running low on memory"
    if isinstance(error, ray.exceptions.ActorDiedError | ray.exceptions.WorkerCrashedError):
        return "its process was killed"
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "its node or its process cannot be reached"
    return f"{type(error).__name__}: {lines[0]}"
