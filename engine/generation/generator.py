"""What writes text: the seam between the engine loop and vLLM, and the only room that imports vllm.

In: requests, one prompt each, for n samples. Out: finished requests with every sample. A generator is driven by
`add` and `step` from a single thread, so that requests of different work units share one continuous batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.task.render import Messages

if TYPE_CHECKING:
    from engine.task.sampling import Sampling


@dataclass(frozen=True)
class Request:
    """One prompt, asked `n` times."""

    request_id: str
    prompt: str | Messages
    n: int
    sampling: Sampling
    model: str = ""
    """Which of an engine's models answers (engine/generation/load.py)."""


@dataclass(frozen=True)
class Written:
    """One sample of a finished request."""

    text: str
    output_tokens: int
    logprob: float
    """Mean log-probability per output token; NaN where not asked for."""
    finish_reason: str


@dataclass(frozen=True)
class Finished:
    """A request whose samples are all written."""

    request_id: str
    prompt_tokens: int
    cached_tokens: int
    samples: list[Written]


class Generator(Protocol):
    """A continuous batch of requests."""

    def add(self, request: Request) -> str:
        """Admits a request.

        Returns:
            The hash of the rendered prompt.

        Raises:
            ValueError: this prompt cannot be served (too long, empty, not encodable); others still can.
        """

    def step(self) -> list[Finished]:
        """Advances the batch by one step."""

    def num_unfinished(self) -> int:
        """Requests admitted and not finished."""

    def counters(self) -> dict[str, int]:
        """The generator's own counters; vLLM: `prefix_cache_queries` and `prefix_cache_hits`, in tokens."""


def prompt_hash(text: str) -> str:
    """16 hex digits of a rendered prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Weights:
    """Where a model lies."""

    model: str
    """Its folder."""
    adapter: str
    """The folder of its LoRA adapter; empty for none."""
