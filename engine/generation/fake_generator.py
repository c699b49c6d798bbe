"""A generator that is no model: text computed from the prompt's hash, behind the same loop, actor and parts.

In: requests, as for a model. Out: the same words for the same prompt and replicate, on any engine, so that a run that
was killed, and asks for some replicates again, ends with the samples of one that was not. For tests of the machinery
and dry runs; it never claims to be a model: its rows carry the model name `fake`. Variables of the environment make it
behave like a slower, a larger or a broken one in tests: SYNTHMILL_FAKE_SAMPLES_PER_SECOND and those beside it.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.generation.generator import Finished, Request, Written, finished_scores, prompt_hash
from engine.task.sampling import Sampling
from engine.task.scores import Score, Scores, Scoring

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig

SAMPLES_PER_SECOND = "SYNTHMILL_FAKE_SAMPLES_PER_SECOND"
"""Slows the fake generator down, for tests of what happens in between; as fast as it can where it is not set."""
MEMORY_BYTES = "SYNTHMILL_FAKE_MEMORY_BYTES"
"""The fake generator refuses a larger KV cache than this, and is killed with a far larger; no limit where not set."""
LOAD_SECONDS = "SYNTHMILL_FAKE_LOAD_SECONDS"
"""How long the fake generator takes to load; not at all where not set."""
STEPS_BEFORE_HANG = "SYNTHMILL_FAKE_STEPS_BEFORE_HANG"
"""After so many steps the next one never ends; it does not hang where not set."""

_VARIABLES = (SAMPLES_PER_SECOND, MEMORY_BYTES, LOAD_SECONDS, STEPS_BEFORE_HANG)
_KILL_FACTOR = 8
"""A cache that is so many times larger than the memory has the process killed."""
_WORD = re.compile(r"\w{4,}")
_ONE_TOKEN_LETTERS = 9
"""A longer word is two tokens."""


def fake_environment() -> dict[str, str]:
    """Returns the variables of the fake generator that are set here, for the processes of its engines."""
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


class FakeGenerator:
    """Writes a few words of the prompt's last lines: the same ones for a prompt and replicate, on any engine."""

    can_sleep = True
    """It has no memory to give back, and refuses to work while it sleeps."""

    def __init__(self, config: GeneratorConfig) -> None:
        time.sleep(float(os.environ.get(LOAD_SECONDS, "0")))
        _need_memory(config.kv_cache_bytes)
        self._config = config
        self._samples_per_second = float(os.environ.get(SAMPLES_PER_SECOND, "0"))
        self._waiting: list[tuple[Request, str]] = []
        self._tokens = 0
        self._is_asleep = False
        self._steps_left = int(os.environ.get(STEPS_BEFORE_HANG, "-1"))

    def add(self, request: Request) -> str:
        """Admits a request; a prompt longer than the context is refused as an engine would."""
        assert not self._is_asleep, "a generator that sleeps is asked for nothing"
        prompt = request.prompt
        text = prompt if isinstance(prompt, str) else "\n".join(turn["content"] for turn in prompt)
        num_tokens = len(text.split())
        if num_tokens > self._config.context_tokens:
            raise ValueError(f"the prompt has {num_tokens} tokens, the context {self._config.context_tokens}")
        self._waiting.append((request, text))
        return prompt_hash(text)

    def step(self) -> list[Finished]:
        """Finishes up to `max_num_seqs` requests, or one at a time where SYNTHMILL_FAKE_SAMPLES_PER_SECOND is set."""
        while self._steps_left == 0:
            time.sleep(1.0)
        self._steps_left -= 1
        batch, self._waiting = self._waiting[: self._config.max_num_seqs], self._waiting[self._config.max_num_seqs :]
        if self._samples_per_second > 0:
            batch, rest = batch[:1], batch[1:]
            self._waiting = rest + self._waiting
            time.sleep(sum(request.n for request, _ in batch) / self._samples_per_second)
        return [self._finish(request, text) for request, text in batch]

    def num_unfinished(self) -> int:
        """Returns the number of requests that are admitted and not finished; see Generator."""
        return len(self._waiting)

    def counters(self) -> dict[str, int]:
        """Returns the counters of a generator without a cache: it looked for every prompt token, and none was there."""
        return {"prefix_cache_queries": self._tokens, "prefix_cache_hits": 0}

    def sleep(self) -> None:
        """Refuses to work until `wake`; see Generator."""
        assert not self._waiting, "nothing is in flight when a generator is put to sleep"
        self._is_asleep = True

    def wake(self) -> None:
        """Works again; see Generator."""
        self._is_asleep = False

    def _finish(self, request: Request, text: str) -> Finished:
        num_tokens = len(text.split())
        if request.scoring:
            num_tokens += sum(len(continuation.split()) for continuation in request.scoring.continuations)
        self._tokens += num_tokens
        if request.scoring:
            return finished_scores(request, _score(text, request.scoring), num_tokens, 0)
        numbers = request.replicates or range(request.n)
        samples = [self._write(text, number, request.sampling) for number in numbers]
        return Finished(request.request_id, num_tokens, 0, samples)

    def _write(self, text: str, replicate: int, sampling: Sampling) -> Written:
        # The passage stands at the prompt's end; its last line is only the cue to write.
        words = _WORD.findall(text.rsplit("\n", 1)[0][-600:]) or ["nothing"]
        number = int(prompt_hash(f"{replicate}:{text}"), 16)
        chosen = [words[(number >> (7 * k)) % len(words)].lower() for k in range(6)]
        form = sampling.structured
        return _cut(
            _in_form(form, chosen, number).split(" ") if form else ["where", "is", *chosen], sampling.max_tokens
        )


def _score(prompt: str, scoring: Scoring) -> Scores:
    """Scores words by what stands before them: -1 to -2 nats each."""

    def logprobs(before: str, words: list[str]) -> list[float]:
        return [-1 - int(prompt_hash(f"{before} {words[:k]}"), 16) % 1000 / 1000 for k in range(1, len(words) + 1)]

    continuations = []
    for text in scoring.continuations:
        scored = logprobs(prompt, text.split())
        continuations.append(Score(text, sum(scored), len(scored)))
    whole = (None, *logprobs("", prompt.split())[1:]) if scoring.prompt else ()
    return Scores(tuple(continuations), whole)


def _in_form(form: Mapping[str, Any], words: list[str], number: int) -> str:
    """Writes text of a structured output; a regular expression is beyond it, so that such an answer fails."""
    if "choice" in form:
        return str(form["choice"][number % len(form["choice"])])
    return json.dumps(_value(form["json"], words, number)) if "json" in form else " ".join(words)


def _value(schema: Mapping[str, Any], words: list[str], number: int) -> object:
    """Makes a value that fits the plain parts of a JSON schema."""
    if "enum" in schema:
        return schema["enum"][number % len(schema["enum"])]
    kind = schema.get("type")
    if kind == "object":
        parts = schema.get("properties", {}).items()
        return {name: _value(part, words, number >> index) for index, (name, part) in enumerate(parts)}
    if kind == "array":
        return [_value(schema.get("items", {}), words, number)] * max(1, schema.get("minItems", 1))
    if kind in {"integer", "number"}:
        low = schema.get("minimum", 0)
        return low + number % (schema.get("maximum", low + 9) - low + 1)
    return bool(number % 2) if kind == "boolean" else " ".join(words)


def _need_memory(kv_cache_bytes: int) -> None:
    """Runs out of memory as an engine does, where SYNTHMILL_FAKE_MEMORY_BYTES is set: with an error, or killed."""
    memory = int(os.environ.get(MEMORY_BYTES, "0"))
    if not memory or kv_cache_bytes <= memory:
        return
    if kv_cache_bytes > _KILL_FACTOR * memory:
        os.kill(os.getpid(), signal.SIGKILL)
    raise MemoryError(f"{kv_cache_bytes} bytes for the KV cache, {memory} there")


def _cut(words: list[str], max_tokens: int) -> Written:
    """Cuts off words that do not fit; a long word is two tokens, so that a tight limit cuts some samples, not all."""
    ends = list(itertools.accumulate(2 if len(word) > _ONE_TOKEN_LETTERS else 1 for word in words))
    kept = sum(end <= max_tokens for end in ends)
    text = "".join(f" {word}" for word in words[:kept])
    return Written(text, ends[kept - 1] if kept else 0, -1.0, "stop" if kept == len(words) else "length")
