"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import UserError, suggest
from engine.text.words import is_unspaced, tokenize

REGISTRY: dict[str, RowFilter] = {}
"""Filters by name, cheap to costly."""


@dataclass(frozen=True)
class FiltersConfig:
    """Which filters run and where they draw the line.

    With the defaults, real queries beside their own passages pass: 1,834 of 1,837 of Cranfield, 5,743 of 5,774 of
    KorQuAD, 781 of 796 of CACM (those that do not are paragraphs). What is rejected is how models fail.
    """

    use: list[str] = field(default_factory=lambda: list(REGISTRY))
    """Names of filters; they always run in the registry's order."""
    min_words: int = 2
    max_words: int = 50
    """Words are what stands between spaces; scripts without spaces are bounded by characters alone."""
    min_characters: int = 4
    max_characters: int = 400
    max_repeated_share: float = 0.3
    """Share of the query's 3-grams that occurred before in it. (Gopher's page filter, Rae et al. 2021, allows
    0.18 of the characters in the most frequent 3-gram; a short question repeats function words more easily.)"""
    max_copied_share: float = 0.8
    """Share of the query's words that lie in spans of five or more which stand verbatim in the passage."""
    min_logprob: float | None = None
    """Mean log-probability per token, as InPars (Bonifacio et al. 2022) ranks its queries; off by default, since
    the right bound depends on the model. Samples without a log-probability pass."""

    def __post_init__(self) -> None:
        """Refuses names that are no filter, names listed twice, and bounds that let nothing through."""
        for name in self.use:
            if name not in REGISTRY:
                remedy = suggest(name, REGISTRY)
                raise UserError(f"{name!r} is no filter", where="examples.filters.use", remedy=remedy)
            if self.use.count(name) > 1:
                raise UserError(f"{name!r} is listed twice", where="examples.filters.use", remedy="list it once")
        for low, high in (("min_words", "max_words"), ("min_characters", "max_characters")):
            if getattr(self, low) > getattr(self, high):
                what = f"{getattr(self, low)} is more than {high}={getattr(self, high)}, so nothing can be kept"
                raise UserError(what, where=f"examples.filters.{low}", remedy=f"set it to at most {high}")


class Verdict(NamedTuple):
    """KEEP, or why not."""

    reason: str
    """Name of the filter that rejects; empty when kept."""
    detail: str
    """The figure or the words behind the verdict, for people."""


KEEP = Verdict("", "")


class PromptWords(NamedTuple):
    """What a leaking model would repeat of its prompt, each folded by `fold`."""

    demonstrations: tuple[str, ...] = ()
    """Queries of the demonstrations."""
    template: str = ""
    """Instruction and template without their placeholders."""


@dataclass(frozen=True)
class Row:
    """One sample as filters see it."""

    query: str
    """Cleaned by `clean_query`."""
    passage: str = ""
    logprob: float = math.nan
    cut_off: bool = False
    """Whether the token limit ended the query, rather than the model."""
    config: FiltersConfig = field(default_factory=FiltersConfig)
    prompt: PromptWords = field(default_factory=PromptWords)

    @functools.cached_property
    def tokens(self) -> list[str]:
        """Lower-cased words of the query; characters where the script has no spaces."""
        return tokenize(self.query)

    @functools.cached_property
    def unspaced(self) -> bool:
        """Whether most of the query is in a script without spaces between words."""
        return is_unspaced(self.query)


Check = Callable[[Row], Verdict]


class RowFilter(NamedTuple):
    """An entry of the registry."""

    check: Check
    setting: str
    """The config key that makes it milder, named when a run keeps nothing."""


def row_filter(name: str, setting: str) -> Callable[[Check], Check]:
    """Registers a filter under `name`; a second one of the same name is a defect."""

    def register(check: Check) -> Check:
        assert name not in REGISTRY, f"filter {name!r} is registered twice"
        REGISTRY[name] = RowFilter(check, setting)
        return check

    return register
