"""Row-wise filters for generated queries: each is one small pure function, `(row) -> Verdict`.

In: what a model wrote, its passage, the words of the prompt. Out: a cleaned query, and KEEP or a named reason
with the figure behind it. Filters run in the order of REGISTRY, cheap to costly, and the first that rejects
gives the reason. Nothing here looks at another row, so a batch can be any slice of the samples: a sample's
verdict is the same on one core, on a cluster, or while generation still runs.

A new filter is a function under `@row_filter(name, setting)`; the name goes into `examples.filters.use`.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import UserError, suggest
from engine.query_text import (
    clean_query,
    copied_share,
    fold,
    is_unspaced,
    join_tokens,
    looping_span,
    repeated_share,
    tokenize,
)

if TYPE_CHECKING:
    import pyarrow as pa


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
                raise UserError(f"{name!r} is no filter", place="examples.filters.use", remedy=remedy)
            if self.use.count(name) > 1:
                raise UserError(f"{name!r} is listed twice", place="examples.filters.use", remedy="list it once")
        for low, high in (("min_words", "max_words"), ("min_characters", "max_characters")):
            if getattr(self, low) > getattr(self, high):
                what = f"{getattr(self, low)} is more than {high}={getattr(self, high)}, so nothing can be kept"
                raise UserError(what, place=f"examples.filters.{low}", remedy=f"set it to at most {high}")


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


REGISTRY: dict[str, RowFilter] = {}
"""Filters by name, cheap to costly."""


def row_filter(name: str, setting: str) -> Callable[[Check], Check]:
    """Registers a filter under `name`; a second one of the same name is a defect."""

    def register(check: Check) -> Check:
        assert name not in REGISTRY, f"filter {name!r} is registered twice"
        REGISTRY[name] = RowFilter(check, setting)
        return check

    return register


_WORD_CHARACTER = re.compile(r"\w")
_ODDITIES = {
    "control or undecodable character": re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]"),
    "code fence": re.compile(r"```|~~~"),
    "marker": re.compile(
        r"\{\{\s*\w[\w.]*\s*\}\}|\{%.*?%\}|<\|[^|>]*\|>|\[/?INST\]|<</?SYS>>|</?s>|###"
        r"|</?(?:query|passage|document|think)>",
        re.IGNORECASE,
    ),
}
_ASCII_SYMBOL = re.compile(r"[!-/:-@\[-`{-~]")
_OPENING, _CLOSING = re.compile(r"[(\[{]"), re.compile(r"[)\]}]")
_CHARACTER_LOOP = re.compile(r"(\S)\1{7,}")
_REFUSAL = re.compile(
    r"^(?:i'?m sorry|i am sorry|sorry,|i apologi[sz]e|(?:unfortunately,? )?i (?:am|'m) (?:not able|unable) to"
    r"|i can(?:no|')t (?:help|assist|comply|fulfil)"
    r"|i can(?:no|')t (?:provide|generate|write|answer) (?:an? |any |the |this |that )?(?:search |relevant )?"
    r"(?:quer|question|answer|information)"
    r"|(?:sure|certainly|of course)[,!.]? (?:here|i )"
    r"|here(?:'s| is| are) (?:an?|some|the|your) (?:\w+ )?(?:quer|question))"
    r"|\bas an (?:ai|artificial intelligence)(?:,| language| model| assistant)"
    r"|\bas a (?:large )?language model\b"
    r"|\bi(?:'m| am) an? (?:ai|language model)\b",
    re.IGNORECASE,
)
_LEAKED_LABEL = re.compile(
    r"\b(?:passage|document|query|question|answer|example)\s*\d*\s*[:\uff1a](?=\s|$)", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def prompt_words(demonstration_queries: Iterable[str], templates: Iterable[str] = ()) -> PromptWords:
    """What the prompt-leak filter looks for. Demonstrations of fewer than three words could be anybody's query."""
    queries = {query for query in demonstration_queries if len(tokenize(query)) >= 3}
    return PromptWords(tuple(sorted(map(fold, queries))), fold(_PLACEHOLDER.sub("\n", "\n".join(templates))))


@row_filter("format", setting="examples.filters.use (leave out 'format')")
def check_format(row: Row) -> Verdict:
    """Rejects what is no line of text: nothing, symbols, control characters, markup of templates and code."""
    detail = _oddity(row.query)
    return Verdict("format", detail) if detail else KEEP


def _oddity(query: str) -> str:
    if not query:
        return "empty"
    if not _WORD_CHARACTER.search(query):
        return "no letter or digit"
    for name, pattern in _ODDITIES.items():
        if found := pattern.search(query):
            return f"{name} {found[0]!r}"
    symbols = len(_ASCII_SYMBOL.findall(query))
    if 2 * symbols > len(query):
        return f"{symbols} of {len(query)} characters are symbols"
    # One bracket alone may be asked about ("match ( in a regex"); two are what is left of something.
    surplus = len(_OPENING.findall(query)) - len(_CLOSING.findall(query))
    return "unbalanced brackets" if abs(surplus) > 1 else ""


@row_filter("length", setting="examples.filters.min_words, max_words, min_characters or max_characters")
def check_length(row: Row) -> Verdict:
    """Rejects what is too short to ask for anything or too long to be typed."""
    characters, words = len(row.query), row.query.count(" ") + 1
    if not row.config.min_characters <= characters <= row.config.max_characters:
        return Verdict("length", f"{characters} characters")
    if not row.config.min_words <= words <= row.config.max_words and not row.unspaced:
        return Verdict("length", f"{words} word{'s' * (words != 1)}")
    return KEEP


@row_filter("cut_off", setting="samples.max_tokens (a larger one)")
def check_cut_off(row: Row) -> Verdict:
    """Rejects a query that the token limit ended in the middle."""
    return Verdict("cut_off", "ended by the token limit") if row.cut_off else KEEP


@row_filter("logprob", setting="examples.filters.min_logprob")
def check_logprob(row: Row) -> Verdict:
    """Rejects what the model itself found unlikely; a log-probability that was not asked for (NaN) passes."""
    if row.config.min_logprob is not None and row.logprob < row.config.min_logprob:
        return Verdict("logprob", f"{row.logprob:.2f}")
    return KEEP


@row_filter("refusal", setting="examples.filters.use (leave out 'refusal')")
def check_refusal(row: Row) -> Verdict:
    """Rejects an assistant that talks to the user instead of writing a query."""
    found = _REFUSAL.search(row.query.replace("\u2019", "'"))
    return Verdict("refusal", found[0]) if found else KEEP


@row_filter("repetition", setting="examples.filters.max_repeated_share")
def check_repetition(row: Row) -> Verdict:
    """Rejects loops: a span three times in a row, a character eight times, or too many 3-grams seen before."""
    if loop := _CHARACTER_LOOP.search(row.query):
        return Verdict("repetition", f"{loop[1]!r} {len(loop[0])} times in a row")
    tokens = row.tokens
    if len(set(tokens)) == len(tokens):
        return KEEP
    # A single character may well be doubled and tripled where characters are the tokens.
    if length := looping_span(tokens, shortest=2 if row.unspaced else 1):
        return Verdict("repetition", f"a span of {length} three times in a row")
    share = repeated_share(tokens)
    return Verdict("repetition", f"{share:.0%} repeated 3-grams") if share > row.config.max_repeated_share else KEEP


@row_filter("prompt_leak", setting="examples.filters.use (leave out 'prompt_leak')")
def check_prompt_leak(row: Row) -> Verdict:
    """Rejects what repeats the prompt: a label, a demonstration's query, most of a sentence of the instruction."""
    if label := _LEAKED_LABEL.search(row.query):
        return Verdict("prompt_leak", f"label {label[0].strip()!r}")
    folded = join_tokens(row.tokens)
    for demonstration in row.prompt.demonstrations:
        if demonstration in folded:
            return Verdict("prompt_leak", f"demonstration {demonstration.strip()!r}")
    share = copied_share(row.tokens, row.prompt.template, span=5)
    return Verdict("prompt_leak", f"{share:.0%} from the instruction") if share > 0.5 else KEEP


@row_filter("copy", setting="examples.filters.max_copied_share")
def check_copy(row: Row) -> Verdict:
    """Rejects a query that is a piece of its passage: it would teach string matching and pass every round trip.

    Queries of fewer words than a span pass: a keyword query is made of the passage's words.
    """
    share = copied_share(row.tokens, fold(row.passage), span=10 if row.unspaced else 5)
    return Verdict("copy", f"{share:.0%} verbatim") if share > row.config.max_copied_share else KEEP


def judge(row: Row) -> Verdict:
    """The verdict of the first filter that rejects, or KEEP."""
    for name, entry in REGISTRY.items():
        if name in row.config.use and (verdict := entry.check(row)) is not KEEP:
            return verdict
    return KEEP


def filter_batch(samples: pa.Table, passages: Sequence[str], prompt: PromptWords, config: FiltersConfig) -> pa.Table:
    """Judges a batch of generated samples.

    Args:
        samples: any slice, with the columns of `records.SAMPLES`.
        passages: the text of every row's passage, as encoders read it.
        prompt: what must not come back.
        config: thresholds.

    Returns:
        Columns `sample_id`, `query` (cleaned), `reason` ("" when kept), `detail`; one row per row of `samples`.
    """
    import pyarrow as pa

    queries, verdicts = [], []
    columns = (samples[name].to_pylist() for name in ("text", "logprob", "finish_reason"))
    for raw, logprob, finish, passage in zip(*columns, passages, strict=True):
        cut_off = finish == "length" and "\n" not in raw.strip()
        row = Row(clean_query(raw), passage, math.nan if logprob is None else logprob, cut_off, config, prompt)
        queries.append(row.query)
        verdicts.append(judge(row))
    reasons, details = ([verdict[part] for verdict in verdicts] for part in (0, 1))
    text = pa.string()
    return pa.table(
        {
            "sample_id": samples["sample_id"],
            "query": pa.array(queries, text),
            "reason": pa.array(reasons, text),
            "detail": pa.array(details, text),
        }
    )
