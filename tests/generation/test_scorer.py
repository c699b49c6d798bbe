"""The forward passes of scored requests, on a model of few lines whose cache holds blocks of four tokens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tokenizers import Tokenizer, models, normalizers
from transformers import PreTrainedTokenizerFast

from engine.generation.scorer import (
    MOST_NEXT,
    ForwardPass,
    PassResult,
    Scorer,
    TokenScores,
    continuation_tokens,
)
from tests.support.tokenizers import LLAMA_CHAT, llama_tokenizer

BLOCK = 4


def logprob(before: Sequence[int], token: int) -> float:
    """What the model says of a token: it depends on all tokens before it."""
    return -1 - (hash((*before, token)) % 1000) / 1000


class Engine:
    """Answers passes as vLLM does: it computes at least the last token, and nothing of a block that it has."""

    def __init__(self) -> None:
        self.scorer = Scorer(self._take_in, context_tokens=64)
        self.blocks: set[tuple[int, ...]] = set()
        self.sent: list[ForwardPass] = []
        self._queue: list[ForwardPass] = []

    def _take_in(self, sent: ForwardPass) -> None:
        self.sent.append(sent)
        self._queue.append(sent)

    def run(self) -> dict[str, TokenScores]:
        done = {}
        while self._queue:
            batch, self._queue = self._queue, []
            for result in [self._compute(sent) for sent in batch]:
                if scores := self.scorer.take(result):
                    done[scores.request_id] = scores
        return done

    def _compute(self, sent: ForwardPass) -> PassResult:
        tokens, cached = sent.tokens, 0
        while sent.may_read_cache and cached + BLOCK < len(tokens) and tuple(tokens[: cached + BLOCK]) in self.blocks:
            cached += BLOCK
        self.blocks |= {tuple(tokens[:end]) for end in range(BLOCK, len(tokens) + 1, BLOCK)}
        known = [logprob(tokens[:at], token) if at > cached else None for at, token in enumerate(tokens)]
        behind = {token: logprob(tokens, token) for token in sent.next_tokens}
        return PassResult(sent.pass_id, known if sent.asks_for_tokens else [], behind, cached)


def expected(prompt: list[int], continuation: list[int]) -> list[float]:
    text = [*prompt, *continuation]
    return [logprob(text[:at], text[at]) for at in range(len(prompt), len(text))]


@pytest.mark.parametrize("length", range(1, 14))
@pytest.mark.parametrize("continuation", [[90], [90, 91], list(range(90, 103))])
def test_scores_are_those_of_the_model_whatever_the_cache_holds(length: int, continuation: list[int]) -> None:
    engine, prompt = Engine(), list(range(length))
    for name in ("cold", "warm"):
        engine.scorer.add(name, prompt, [continuation], whole=False)
        scores = engine.run()[name]
        assert scores.continuations == [expected(prompt, continuation)]
    assert scores.prompt_tokens - scores.cached_tokens <= max(len(prompt) + len(continuation), BLOCK)


@pytest.mark.parametrize("length", [3, 4, 5, 8, 9])
def test_choices_share_the_pass_over_their_prompt(length: int) -> None:
    engine, prompt = Engine(), list(range(length))
    choices = [[50], [51], [52, 53, 54], [50, 55]]
    engine.scorer.add("r", prompt, choices, whole=False)
    assert engine.run()["r"].continuations == [expected(prompt, choice) for choice in choices]
    assert [sent.next_tokens for sent in engine.sent] == [(50, 51, 52), (54,), (55,)], "single tokens need no pass"


def test_more_choices_than_an_engine_compares_at_once() -> None:
    engine = Engine()
    choices = [[token] for token in range(100, 100 + MOST_NEXT + 2)]
    engine.scorer.add("r", [1, 2, 3], choices, whole=False)
    assert engine.run()["r"].continuations == [expected([1, 2, 3], choice) for choice in choices]
    assert len(engine.sent) == 3


@pytest.mark.parametrize("length", [2, 3, 8, 9])
def test_every_token_of_a_prompt_is_scored_even_when_the_cache_holds_it(length: int) -> None:
    engine, prompt = Engine(), list(range(length))
    for name in ("cold", "warm"):
        engine.scorer.add(name, prompt, [[70], [71, 72]], whole=True)
        scores = engine.run()[name]
        assert scores.prompt == [None, *expected(prompt[:1], prompt[1:])]
        assert scores.continuations == [expected(prompt, [70]), expected(prompt, [71, 72])]
    engine.scorer.add("alone", prompt, [], whole=True)
    assert engine.run()["alone"].prompt == scores.prompt


def test_a_prompt_of_many_requests_is_computed_once() -> None:
    engine, prompt = Engine(), list(range(40))
    for number in range(20):
        engine.scorer.add(str(number), prompt, [[60 + number, 61]], whole=False)
    done = engine.run()
    computed = sum(scores.prompt_tokens - scores.cached_tokens for scores in done.values())
    assert computed <= 41 + 19 * (BLOCK + 1)
    assert all(done[str(number)].continuations == [expected(prompt, [60 + number, 61])] for number in range(20))


def test_what_cannot_be_scored_is_refused_and_leaves_nothing_behind() -> None:
    engine = Engine()
    for prompt, continuations, what in [
        ([], [[1]], "the prompt has no tokens"),
        ([1], [[2], []], "the continuation has no tokens"),
        ([1], [], "the prompt has one token"),
        ([1] * 60, [[2], [2] * 5], "the prompt has 65 tokens with its continuation, the context 64"),
    ]:
        with pytest.raises(ValueError, match=what):
            engine.scorer.add("r", prompt, continuations, whole=not continuations)
    assert not engine.sent


def test_a_continuation_is_encoded_apart_and_without_a_beginning() -> None:
    tokenizer = llama_tokenizer(LLAMA_CHAT)
    assert tokenizer.decode(continuation_tokens(" yes", tokenizer)) == " yes"
    assert tokenizer.bos_token_id not in continuation_tokens(" yes", tokenizer)


def test_a_blank_that_a_tokenizer_puts_before_a_text_is_no_part_of_a_continuation() -> None:
    """As Llama 2 does: `no` is the token of ` no` where it begins a text, and another one behind a line break."""
    pieces = {"<unk>": 0, "\u2581": 1, "\n": 2, "n": 3, "o": 4, "no": 5, "\u2581no": 6}
    model = models.BPE(pieces, [("n", "o"), ("\u2581", "no")], unk_token="<unk>")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    assert tokenizer.encode("no", add_special_tokens=False) == [6]
    assert continuation_tokens("no", tokenizer) == [5]
    assert continuation_tokens(" no", tokenizer) == [6]
