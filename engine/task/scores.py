"""A turn that is scored in place of written: how likely a model finds a text right after a prompt.

In: a turn's settings, and the log-probabilities that a generator gave. Out: what the generator is asked for, and the
answer: of a `continuation` its log-probability, of a `choice` with `score` the probability of each, and with
`prompt_logprobs` the log-probability of every token of the prompt. All logarithms are natural ones (nats).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from engine.errors import UserError
from engine.task.answers import Answer, TurnError
from engine.task.config import ParserKind, ScoreKind, TurnConfig
from engine.task.sampling import sampling_of_turn

PROMPT_LOGPROBS = "prompt_logprobs"
"""The field that holds the log-probability of each token of the prompt."""


@dataclass(frozen=True)
class Scoring:
    """What a generator is asked to score in place of writing."""

    continuations: tuple[str, ...] = ()
    """Texts that are scored right after the prompt, each for itself."""
    prompt: bool = False
    """Whether every token of the prompt is scored."""


@dataclass(frozen=True)
class Score:
    """How likely a model finds a text right after a prompt."""

    text: str
    logprob: float
    """The sum over its tokens, in nats."""
    tokens: int
    """The number of its tokens, 1 or more."""

    @property
    def mean(self) -> float:
        """Returns the mean log-probability per token, in nats."""
        return self.logprob / self.tokens


@dataclass(frozen=True)
class Scores:
    """What a generator gave for a Scoring."""

    continuations: tuple[Score, ...] = ()
    """In the order in which they were asked for."""
    prompt: tuple[float | None, ...] = ()
    """The log-probability of each token of the prompt given those before it; None for the first, which has none."""


def is_scored(config: TurnConfig) -> bool:
    """Tells whether a turn is scored: no text is written at it."""
    return bool(config.continuation or config.score or config.prompt_logprobs)


def check_scored(config: TurnConfig, where: str) -> None:
    """Refuses what a scored turn cannot have: all that decides how text is written or read.

    Args:
        config: a turn's own settings, as the task writes them.
        where: its key, for messages.

    Raises:
        UserError: settings contradict each other, two choices would have the same name, or one begins another whose
            probability is compared with its own.
    """
    if config.score and not config.choice:
        remedy = "add `choice`, the texts to compare; one text by itself is a `continuation`"
        raise UserError("has no choice to score", where=f"{where}.score", remedy=remedy)
    if not is_scored(config):
        return
    key = next(name for name in ("continuation", "score", PROMPT_LOGPROBS) if getattr(config, name))
    parser = {} if config.parser is ParserKind.text else {"parser": config.parser}
    others = {name: getattr(config, name) for name in ("stop", "json_schema", "regex", "answer_after")} | parser
    if config.choice and not config.score:
        others["choice"] = config.choice
    elif config.continuation and config.score:
        others["continuation"] = config.continuation
    if wrong := [*(name for name, value in others.items() if value), *sampling_of_turn(config)]:
        what = f"is scored (`{key}`) and has `{wrong[0]}`"
        remedy = "leave it out: a scored turn writes nothing" + _way_out(wrong[0])
        raise UserError(what, where=f"{where}.{wrong[0]}", remedy=remedy)
    if config.score:
        _check_choices(config.choice, f"{where}.choice")
    if config.score is ScoreKind.sum:
        _check_beginnings(config.choice, f"{where}.choice")


def _way_out(setting: str) -> str:
    return {"choice": ", or set score: sum to score the choices", "continuation": ", or leave `score` out"}.get(
        setting, ""
    )


def _check_choices(choices: Sequence[str], where: str) -> None:
    labels: dict[str, str] = {}
    for choice in choices:
        label = choice_label(choice)
        if not choice.strip():
            raise UserError("a choice is blank", where=where, remedy="write the texts to compare")
        if label in labels:
            what = f"the choices {labels[label]!r} and {choice!r} would both be called {label!r}"
            raise UserError(what, where=where, remedy="let them differ in letters or digits")
        labels[label] = choice


def _check_beginnings(choices: Sequence[str], where: str) -> None:
    """Refuses a choice that begins another: a model that is about to write the longer one writes the shorter as well.

    So the probability of the shorter one would hold that of the longer, and the two would not be two answers. (A token
    that ends an answer would part them, and which one a model writes there differs between chats and texts.)
    """
    for choice in choices:
        longer = [other for other in choices if other != choice and other.startswith(choice)]
        if longer:
            what = f"the choice {choice!r} begins {longer[0]!r}, so its probability would hold that of the longer one"
            remedy = "let none begin another (01 beside 10), or compare means per token: score: mean"
            raise UserError(what, where=where, remedy=remedy)


def choice_label(choice: str) -> str:
    """Returns the name of a choice as a field: without blanks around it, `_` for all but letters and digits."""
    return re.sub(r"\W+", "_", choice.strip())


def scoring_of(config: TurnConfig, continuation: str, where: str) -> Scoring | None:
    """Makes what a generator is asked for at a turn; None where the turn is written.

    Args:
        config: the turn.
        continuation: its continuation, rendered.
        where: the key of the turn, for messages.

    Raises:
        UserError: the continuation is blank.
    """
    if not is_scored(config):
        return None
    if config.continuation:
        check_continuation(continuation, where)
    texts = config.choice if config.score else [continuation] if config.continuation else []
    return Scoring(tuple(texts), config.prompt_logprobs)


def check_continuation(continuation: str, where: str) -> None:
    """Refuses a rendered continuation that is blank.

    Raises:
        UserError: it is; `where` is the key of the turn.
    """
    if not continuation.strip():
        remedy = "let it name the text to score, as in ' {{ turns.query.text }}'"
        raise UserError("the continuation is empty", where=f"{where}.continuation", remedy=remedy)


def score_fields(config: TurnConfig) -> dict[str, pa.DataType]:
    """Returns the names and column types of the fields of a scored turn's answer; of any other turn none."""
    fields: dict[str, pa.DataType] = {}
    if config.score:
        fields = {choice_label(choice): pa.float64() for choice in config.choice}
    elif config.continuation:
        fields = {"logprob": pa.float64(), "tokens": pa.int64(), "mean": pa.float64()}
    return fields | ({PROMPT_LOGPROBS: pa.list_(pa.float32())} if config.prompt_logprobs else {})


def best_score(config: TurnConfig, scores: Scores) -> Score | None:
    """Returns the continuation, or the likeliest choice; None where the prompt alone was scored."""
    return max(scores.continuations, key=lambda score: _compared(config, score), default=None)


def _compared(config: TurnConfig, score: Score) -> float:
    """Returns the log-probability by which choices are compared."""
    return score.mean if config.score is ScoreKind.mean else score.logprob


def read_scores(config: TurnConfig, scores: Scores) -> Answer:
    """Makes the answer of a scored turn: its text is the continuation, or the likeliest choice without blanks.

    Raises:
        TurnError: a log-probability is no number, or not one of the choices is possible. Weights that overflow in half
            precision give this; what is made of it would be NaN, or whichever choice comes first.
    """
    logprobs = [*(score.logprob for score in scores.continuations), *scores.prompt]
    if any(logprob is not None and math.isnan(logprob) for logprob in logprobs):
        raise TurnError("the model gave nan as a log-probability")
    if scores.continuations and all(math.isinf(score.logprob) for score in scores.continuations):
        raise TurnError("the model takes what is scored for impossible")
    fields: dict[str, Any] = {PROMPT_LOGPROBS: list(scores.prompt)} if config.prompt_logprobs else {}
    best = best_score(config, scores)
    if best is None:
        return Answer("", fields=fields)
    if not config.score:
        return Answer(best.text, fields={"logprob": best.logprob, "tokens": best.tokens, "mean": best.mean} | fields)
    shares = softmax([_compared(config, score) for score in scores.continuations])
    named = dict(zip(map(choice_label, config.choice), shares, strict=True))
    return Answer(best.text.strip(), fields=named | fields)


def softmax(logprobs: Sequence[float]) -> list[float]:
    """Returns probabilities that are in the ratios of some log-probabilities, and sum to 1."""
    highest = max(logprobs)
    weights = [math.exp(logprob - highest) for logprob in logprobs]
    total = sum(weights)
    return [weight / total for weight in weights]
