"""What a row filter is: a pure function from one sample to a verdict.

In: what a model wrote, its passage, and the words of its prompt, as a `Row`. Out: a `Verdict`, which is KEEP or a named
reason with the figure behind it. A filter sees one row and nothing else, so a sample's verdict is the same on one core,
on a cluster, and in whatever batch it comes.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import UserError, check_setting
from engine.text.spans import fold
from engine.text.words import is_unspaced, words

_JINJA_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SHORTEST_DEMONSTRATION_WORDS = 3
"""A shorter demonstration could be anybody's query, so that repeating it proves nothing."""


@dataclass(frozen=True)
class Thresholds:
    """The values at which the row filters draw the line.

    With the defaults, real queries beside their own passages pass: 1,834 of 1,837 of Cranfield, 5,743 of 5,774 of
    KorQuAD, 781 of 796 of CACM (those that do not are paragraphs). What is rejected is how models fail.
    """

    min_words: int = 2
    max_words: int = 50
    """Words are what stands between spaces; scripts without spaces are bounded by characters alone."""
    min_characters: int = 4
    max_characters: int = 400
    max_repeated_share: float = 0.3
    """The largest share of the query's 3-grams that occurred before in it. (Gopher's page filter, Rae et al. 2021,
    allows 0.18 of the characters in the most frequent 3-gram; a short question repeats function words more easily.)"""
    max_copied_share: float = 0.8
    """The largest share of the query's words in spans of five or more that stand verbatim in the passage."""
    min_logprob: float | None = None
    """The least mean log-probability per token, by which InPars (Bonifacio et al. 2022) ranks its queries; off by
    default, since the right bound depends on the model. Samples without a log-probability pass."""

    def __post_init__(self) -> None:
        """Refuses bounds that let nothing through."""
        for low, high in (("min_words", "max_words"), ("min_characters", "max_characters")):
            if getattr(self, low) > getattr(self, high):
                what = f"{getattr(self, low)} is more than {high}={getattr(self, high)}, so nothing can be kept"
                raise UserError(what, where=f"examples.filters.{low}", remedy=f"set it to at most {high}")
        for name in ("max_repeated_share", "max_copied_share"):
            value = getattr(self, name)
            check_setting(value >= 0, f"examples.filters.{name}", value, "a share from 0 to 1")


class PromptWords(NamedTuple):
    """The words that a model would repeat if it leaked its prompt; each text is folded by `fold`."""

    demonstrations: tuple[str, ...] = ()
    """The queries of the demonstrations."""
    template: str = ""
    """All templates of the task, without their placeholders."""


def prompt_words(demonstration_queries: Iterable[str], templates: Iterable[str] = ()) -> PromptWords:
    """Collects what the prompt-leak filter looks for.

    Args:
        demonstration_queries: queries that prompts show; those of fewer than three words are left out.
        templates: Jinja2 sources of everything else that prompts say.
    """
    long_enough = (query for query in demonstration_queries if len(words(query)) >= _SHORTEST_DEMONSTRATION_WORDS)
    template = _JINJA_MARKUP.sub("\n", "\n".join(templates))
    return PromptWords(tuple(sorted(set(map(fold, long_enough)))), fold(template))


@dataclass(frozen=True)
class Row:
    """A sample as filters see it."""

    query: str
    """The text that the model wrote, cleaned by `clean_query`."""
    passage: str = ""
    """The passage that the query was written from, title included."""
    logprob: float = math.nan
    """The mean log-probability per token; NaN when the engine was not asked for it."""
    cut_off: bool = False
    """Whether the token limit ended the query, rather than the model."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    prompt: PromptWords = field(default_factory=PromptWords)

    @functools.cached_property
    def words(self) -> list[str]:
        """Returns the lower-cased words of the query; characters where the script has no spaces."""
        return words(self.query)

    @functools.cached_property
    def unspaced(self) -> bool:
        """Tells whether most of the query is in a script without spaces between words."""
        return is_unspaced(self.query)


class Verdict(NamedTuple):
    """The answer of a filter about a row: KEEP, or why the row is rejected."""

    reason: str
    """The name of the filter that rejects; empty when the row is kept."""
    detail: str
    """The figure or the words behind the verdict, for people."""


KEEP = Verdict("", "")

Check = Callable[[Row], Verdict]


class RowFilter(NamedTuple):
    """A check with its name, which users write in `examples.filters.use` and read as the reason of a rejection."""

    name: str
    check: Check
    setting: str
    """The config key that makes the filter milder; a run that keeps nothing names it."""
