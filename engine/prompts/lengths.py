"""Forecasts the length of planned prompts from counts of passages, demonstration sets and values of conditions.

In: the renderer of a task's first turn, its conditions, a tokenizer. Out: a function from planned rows to tokens, which
planning calls chunk by chunk. No prompt is rendered, so a sum is a few tokens off: pieces that meet may share a token.
The values of one condition are counted in the prompt itself, with those of the others fixed and a passage of median
length, so that a template which names the passage's title once more is counted with a typical title.

It also finds the conditions that a template mentions, in its syntax tree: prompts share their start exactly when they
show the same demonstrations and have the same values of the conditions that the instruction mentions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.prompts.conditions.conditions import Conditions
from engine.prompts.conditions.draws import Drawn
from engine.task.render import Renderer
from engine.task.templates import names_used
from engine.text.hashes import Integers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_KEPT_COUNTS = 20_000
"""The most counts kept per condition; of more values the longest so far stands for the rest."""
_BATCH_PASSAGES = 1024
"""The number of passages that are tokenised at a time."""
_PROBE_CHARACTERS = 200
"""The characters of the passage with which values of conditions are counted."""
_EMPTY_PASSAGE = {"title": "", "text": ""}


@dataclass(frozen=True)
class PassageCounts:
    """The lengths of all passages, and the passage that stands for them where a template is measured."""

    tokens: Integers
    """(n,) tokens of each passage with its title."""
    probe: Mapping[str, str]
    """The title and the start of the text of a passage of median length."""


def mentioned_conditions(sources: Iterable[str], names: Sequence[str]) -> list[str]:
    """Names the conditions that templates mention as `condition.NAME`; all where one uses `condition` in another way.

    Args:
        sources: Jinja2 templates that parse.
        names: all conditions.
    """
    mentioned: set[str] = set()
    for source in sources:
        try:
            used = names_used(source, "condition")
        except LookupError:
            return list(names)
        if not used <= {*names}:  # a method, as in condition.values()
            return list(names)
        mentioned |= used
    return [name for name in names if name in mentioned]


def prefix_conditions(renderer: Renderer, names: Sequence[str]) -> list[str]:
    """Names the conditions whose values a prompt's prefix depends on, beside its demonstration set.

    These are what the instruction mentions: a demonstration, in a chat too, is rendered with the conditions that it was
    written under, not with those of the sample.
    """
    return mentioned_conditions([renderer.turn.config.instruction or ""], names)


def count_passages(passages: pa.Table, tokenizer: Tokenizer) -> PassageCounts:
    """Counts the tokens of each passage.

    Args:
        passages: title, text.
        tokenizer: of the generator.
    """
    counts: list[int] = []
    for start in range(0, passages.num_rows, _BATCH_PASSAGES):
        rows = passages.slice(start, _BATCH_PASSAGES).select(["title", "text"]).to_pylist()
        counts += _count(tokenizer, [_joined(row) for row in rows])
    tokens = np.array(counts, np.int64)
    [median] = passages.select(["title", "text"]).take([int(np.argsort(tokens)[len(tokens) // 2])]).to_pylist()
    return PassageCounts(tokens, {"title": median["title"], "text": median["text"][:_PROBE_CHARACTERS]})


def _joined(passage: Mapping[str, str]) -> str:
    return f"{passage['title']} {passage['text']}"


class PromptLengths:
    """Forecasts the tokens of planned prompts, from counts that are made once.

    Args:
        renderer: of the task's first turn, with the demonstration sets that are shown.
        conditions: those of the task; a value is counted when it is first drawn.
        tokenizer: of the generator.
        passages: counts of all passages.
    """

    def __init__(
        self, renderer: Renderer, conditions: Conditions, tokenizer: Tokenizer, passages: PassageCounts
    ) -> None:
        self._probe = conditions.probe()
        prefixes = [renderer.prefix(index, self._probe) for index in range(max(1, len(renderer.sets)))]
        self.set_tokens = np.array(_count(tokenizer, prefixes), np.int64)
        """(sets,) tokens up to the passage, for one combination of conditions."""
        [alone] = _count(tokenizer, [_joined(passages.probe)])
        suffixes = [renderer.suffix(passage, self._probe) for passage in (passages.probe, _EMPTY_PASSAGE)]
        around, least = _count(tokenizer, suffixes)
        self.suffix_tokens = np.maximum(passages.tokens + around - alone, least)
        """(passages,) tokens from the passage on, for one combination of conditions."""

        def start(values: Mapping[str, str]) -> str:
            return renderer.instruction({**self._probe, **values})

        def end(values: Mapping[str, str]) -> str:
            return renderer.suffix(passages.probe, {**self._probe, **values})

        config, names = renderer.turn.config, conditions.names
        ends = [config.prompt, *(message["content"] for message in config.messages)]
        mentioned = [(name, end) for name in mentioned_conditions(ends, names)]
        mentioned += [(name, start) for name in mentioned_conditions([config.instruction or ""], names)]
        self._surplus = [(name, _Surplus(name, text, tokenizer)) for name, text in mentioned]

    def __call__(self, passages: Integers, set_index: Integers, drawn: Mapping[str, Drawn]) -> Integers:
        """Forecasts the tokens of n prompts.

        Args:
            passages: (n,) rows of the passages that were counted.
            set_index: (n,) demonstration sets.
            drawn: conditions, (n,) values each.

        Returns:
            (n,) tokens.
        """
        tokens: Integers = self.set_tokens[set_index] + self.suffix_tokens[passages]
        for name, surplus in self._surplus:
            tokens += surplus.tokens(drawn[name])
        return tokens


class _Surplus:
    """Counts by how many tokens each value of a condition makes a text longer than the probe's value does."""

    def __init__(self, name: str, text: Callable[[Mapping[str, str]], str], tokenizer: Tokenizer) -> None:
        self._name, self._text, self._tokenizer = name, text, tokenizer
        [self._base] = _count(tokenizer, [text({})])
        self._known: dict[str, int] = {}

    def tokens(self, drawn: Drawn) -> Integers:
        """The tokens to add, (n,), which are below 0 where a value is shorter than the probe's."""
        used, rows = np.unique(drawn.codes, return_inverse=True)
        values = drawn.texts.take(pa.array(used)).to_pylist()
        new = [value for value in dict.fromkeys(values) if value not in self._known][: _KEPT_COUNTS - len(self._known)]
        counts = _count(self._tokenizer, [self._text({self._name: value}) for value in new])
        self._known |= {value: count - self._base for value, count in zip(new, counts, strict=True)}
        longest = max(self._known.values())
        surplus: Integers = np.array([self._known.get(value, longest) for value in values], np.int64)[rows]
        return surplus


def _count(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    return [len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
