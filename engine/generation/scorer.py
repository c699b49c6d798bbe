"""What a scored request needs of a model, as forward passes over tokens; no engine is known here.

In: scored requests as tokens, and what each forward pass gave. Out: the passes to send, and finished scores. A pass
over `tokens` gives the log-probability of every token of it that was computed, and of any tokens that may come next.
What an engine took from its prefix cache it did not compute, so such positions have none. So that prompts still come
from the cache:

- the last token of a text is not sent, but asked for as one that may come next. Then an engine, which computes the last
  block of a prompt in any case, has computed all that is asked for, unless it has met the continuation before;
- what a pass lacks is asked for again by a pass that ends before the last token that is missing, and so computes it;
- choices begin with one pass over the prompt, which gives the first token of each; only choices of several tokens
  need passes of their own, and find the prompt in the cache.

Requests with the same prompt may be sent at once: vLLM finds the blocks of one that was scheduled earlier in a step.

Every log-probability is of one text: the tokens of the prompt, and behind them those of the continuation, each encoded
for itself (`continuation_tokens`). The prompt is then what it is where a model writes, whatever stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_NEXT = 128
"""The most tokens that a pass may ask for as those that come next (vLLM's MAX_LOGPROB_TOKEN_IDS)."""
_BEFORE = "\n"
"""A text that no tokenizer joins with what stands behind it, but for further white space."""


class Tokenizer(Protocol):
    """The part of a tokenizer of transformers that is used."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Returns the tokens of a text."""


def continuation_tokens(text: str, tokenizer: Tokenizer) -> list[int]:
    """Encodes a text that stands behind a prompt: apart from it, without BOS.

    Some tokenizers (SentencePiece, as of Llama 2) put a blank before a text. It is left out, since a continuation is
    no beginning: such a text is encoded behind a line break, whose tokens are then taken away.
    """
    before = tokenizer.encode(_BEFORE, add_special_tokens=False)
    together = tokenizer.encode(_BEFORE + text, add_special_tokens=False)
    is_apart = bool(before) and together[: len(before)] == before
    return together[len(before) :] if is_apart else tokenizer.encode(text, add_special_tokens=False)


@dataclass(frozen=True)
class ForwardPass:
    """A pass of the model over tokens."""

    pass_id: str
    tokens: list[int]
    next_tokens: tuple[int, ...]
    """Tokens whose log-probability right behind `tokens` is asked for."""
    first: int
    """The first position of `tokens` whose log-probability is asked for; the number of tokens where none is."""

    @property
    def asks_for_tokens(self) -> bool:
        """Tells whether the log-probability of any of `tokens` is asked for."""
        return self.first < len(self.tokens)

    @property
    def may_read_cache(self) -> bool:
        """Tells whether the beginning may come from a cache: not where it is asked for."""
        return self.first > 1 or not self.asks_for_tokens


@dataclass(frozen=True)
class PassResult:
    """What a forward pass gave."""

    pass_id: str
    logprobs: Sequence[float | None]
    """By position of the pass's tokens, None where it was not computed; empty where none was asked for."""
    next_logprobs: Mapping[int, float]
    """By token."""
    cached_tokens: int


@dataclass(frozen=True)
class TokenScores:
    """A request of which all is scored."""

    request_id: str
    continuations: list[list[float]]
    """The log-probability of each token of each continuation."""
    prompt: list[float | None]
    """That of each token of the prompt, the first of which has none; empty where it was not asked for."""
    prompt_tokens: int
    """Tokens of all passes, those that came from a cache included."""
    cached_tokens: int


class _Text:
    """Tokens of which those from a position on are scored, as far as they are known."""

    def __init__(self, tokens: list[int], first: int) -> None:
        self.tokens, self.first = tokens, first
        self._known: dict[int, float] = {}

    def next_pass(self, pass_id: str) -> ForwardPass | None:
        """Returns a pass that computes the last token that is missing; None where nothing is missing."""
        for end in range(len(self.tokens) - 1, self.first - 1, -1):
            if end not in self._known:
                return ForwardPass(pass_id, self.tokens[:end], (self.tokens[end],), self.first)
        return None

    def learn(self, tokens: Sequence[int], result: PassResult) -> None:
        """Takes from a pass over the beginning of this text what it gave."""
        for position in range(self.first, len(result.logprobs)):
            logprob = result.logprobs[position]
            if logprob is not None:
                self._known[position] = logprob
        if (end := len(tokens)) < len(self.tokens) and self.tokens[end] in result.next_logprobs:
            self._known[end] = result.next_logprobs[self.tokens[end]]

    def logprobs(self) -> list[float]:
        """Returns the log-probabilities from `first` on, once none is missing."""
        return [self._known[position] for position in range(self.first, len(self.tokens))]


class _Request:
    """A scored request on its way through its passes."""

    def __init__(self, request_id: str, prompt: list[int], continuations: Iterable[list[int]], whole: bool) -> None:
        self.request_id, self._prompt = request_id, prompt
        self._whole = _Text(prompt, 1) if whole else None
        self._continuations = [_Text([*prompt, *tokens], len(prompt)) for tokens in continuations]
        self._has_compared = len(self._continuations) < 2
        self._open: dict[str, tuple[ForwardPass, list[_Text]]] = {}
        self._num_passes = self._prompt_tokens = self._cached_tokens = 0

    def passes(self) -> list[ForwardPass]:
        """Returns the passes to send now, after each of those before has come back; none where all is known."""
        if self._whole and (first := self._whole.next_pass(self._name())):
            return [self._sent(first, [self._whole])]
        if not self._has_compared:
            self._has_compared = True
            size = len(self._prompt)
            beginnings = tuple(dict.fromkeys(text.tokens[size] for text in self._continuations))[:MOST_NEXT]
            return [self._sent(ForwardPass(self._name(), self._prompt, beginnings, size), self._continuations)]
        made = ((text.next_pass(self._name()), text) for text in self._continuations)
        return [self._sent(each, [text]) for each, text in made if each]

    def take(self, result: PassResult) -> bool:
        """Takes in what a pass gave; returns whether it was the last one out."""
        sent, texts = self._open.pop(result.pass_id)
        self._prompt_tokens += len(sent.tokens)
        self._cached_tokens += result.cached_tokens
        for text in texts:
            text.learn(sent.tokens, result)
        return not self._open

    def scores(self) -> TokenScores:
        """Returns the scores, once nothing is missing."""
        continuations = [text.logprobs() for text in self._continuations]
        prompt = [None, *self._whole.logprobs()] if self._whole else []
        return TokenScores(self.request_id, continuations, prompt, self._prompt_tokens, self._cached_tokens)

    def _name(self) -> str:
        self._num_passes += 1
        return f"{self.request_id}:{self._num_passes}"

    def _sent(self, sent: ForwardPass, texts: list[_Text]) -> ForwardPass:
        self._open[sent.pass_id] = (sent, texts)
        return sent


class Scorer:
    """The scored requests that an engine has in hand.

    Args:
        send: hands a pass to the engine.
        context_tokens: the most tokens of a prompt with its continuation.
    """

    def __init__(self, send: Callable[[ForwardPass], None], context_tokens: int) -> None:
        self._send, self._context_tokens = send, context_tokens
        self._requests: dict[str, _Request] = {}
        """By each pass that is out."""

    def add(self, request_id: str, prompt: list[int], continuations: Sequence[list[int]], *, whole: bool) -> None:
        """Takes in a request.

        Args:
            request_id: its name, under which its passes are named.
            prompt: the tokens of the prompt.
            continuations: the tokens of each text that is scored behind it.
            whole: whether the tokens of the prompt are scored too.

        Raises:
            ValueError: the prompt or a continuation has no tokens, or they are too long together.
        """
        if not prompt or not all(continuations):
            raise ValueError("the continuation has no tokens" if prompt else "the prompt has no tokens")
        if not continuations and len(prompt) == 1:
            raise ValueError("the prompt has one token, and nothing before it")
        length = len(prompt) + max(map(len, continuations), default=0)
        if length > self._context_tokens:
            what = f"the prompt has {length} tokens with its continuation"
            raise ValueError(f"{what}, the context {self._context_tokens}")
        self._send_passes(_Request(request_id, prompt, continuations, whole))

    def take(self, result: PassResult) -> TokenScores | None:
        """Takes in what a pass gave, and sends what follows from it.

        Returns:
            The scores of the request, where this was its last pass.
        """
        request = self._requests.pop(result.pass_id)
        if not request.take(result) or self._send_passes(request):
            return None
        return request.scores()

    def _send_passes(self, request: _Request) -> bool:
        """Sends what a request needs now; returns whether it needs anything."""
        passes = request.passes()
        for each in passes:
            self._send(each)
            self._requests[each.pass_id] = request
        return bool(passes)
