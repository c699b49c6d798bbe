"""Row-wise filters for generated queries: each is one small pure function, `(row) -> Verdict`.

In: what a model wrote, its passage, the words of the prompt. Out: a cleaned query, and KEEP or a named reason
with the figure behind it. Filters run in the order of REGISTRY, cheap to costly, and the first that rejects
gives the reason. Nothing here looks at another row, so a batch can be any slice of the samples: a sample's
verdict is the same on one core, on a cluster, or while generation still runs.

A new filter is a function under `@row_filter(name, setting)`; the name goes into `examples.filters.use`.
"""

from __future__ import annotations

import re

from engine.examples.filters.contract import KEEP, Row, Verdict, row_filter
from engine.text.words import copied_share, fold, join_tokens, looping_span, repeated_share

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
