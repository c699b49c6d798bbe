"""What writes text, as the engine loop sees it: the seam behind which vLLM stands, or the fake generator.

In: requests, one prompt each, for n samples, which are written, or scored where the request says so. Out: finished
requests with every sample. A generator is driven by
`add` and `step` from a single thread, so that requests of different work units share one continuous batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.task.render import Messages
from engine.task.scores import Scores, Scoring

if TYPE_CHECKING:
    from engine.task.sampling import Sampling


@dataclass(frozen=True)
class Request:
    """One prompt, and how many samples it is to give."""

    request_id: str
    prompt: str | Messages
    n: int
    sampling: Sampling
    model: str = ""
    """The name of the model that answers, where an engine has several (engine/generation/load.py)."""
    scoring: Scoring | None = None
    """What is scored in place of writing; None where text is written."""
    replicates: tuple[int, ...] = ()
    """Which samples of its passage and cell these are; only a generator that computes its texts looks at them."""


@dataclass(frozen=True)
class Written:
    """One sample of a finished request."""

    text: str
    output_tokens: int
    logprob: float
    """Mean log-probability per output token; NaN where not asked for."""
    finish_reason: str
    """`stop`, or `length` where the limit of output tokens ended it."""
    scores: Scores | None = None
    """What was scored, where nothing was written."""


@dataclass(frozen=True)
class Finished:
    """A request whose samples are all written."""

    request_id: str
    prompt_tokens: int
    cached_tokens: int
    samples: list[Written]


def finished_scores(request: Request, scores: Scores, prompt_tokens: int, cached_tokens: int) -> Finished:
    """Makes the answer to a scored request: each of its samples has the same scores.

    Args:
        request: the request.
        scores: what the model gave.
        prompt_tokens: the tokens that it read, those of the continuations included.
        cached_tokens: how many of these came from the prefix cache.
    """
    sample = Written("", 0, float("nan"), "stop", scores)
    return Finished(request.request_id, prompt_tokens, cached_tokens, [sample] * request.n)


class Generator(Protocol):
    """A continuous batch of requests."""

    @property
    def can_sleep(self) -> bool:
        """Tells whether `sleep` gives the memory of its GPU back."""

    def add(self, request: Request) -> str:
        """Admits a request; returns the hash of its prompt, as the model reads it.

        Raises:
            ValueError: this prompt cannot be served (too long, empty, not encodable); others still can.
        """

    def step(self) -> list[Finished]:
        """Advances the batch by one step; returns the requests that are finished by it."""

    def num_unfinished(self) -> int:
        """Returns the number of requests that are admitted and not finished."""

    def counters(self) -> dict[str, int]:
        """Counters since the generator was loaded: `prefix_cache_queries` and `prefix_cache_hits`, in tokens."""

    def sleep(self) -> None:
        """Gives the memory of its GPU back; nothing is in flight, and nothing is added before `wake`.

        Its prefix cache is lost.
        """

    def wake(self) -> None:
        """Takes the memory of its GPU again; that has to be free."""


def prompt_hash(text: str) -> str:
    """Hashes a prompt, as the model reads it, into 16 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Weights:
    """Where the files of a model lie."""

    model: str
    """The folder of the model."""
    adapter: str
    """The folder of its LoRA adapter; empty for none."""
