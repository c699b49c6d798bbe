"""The row filters: each is one small pure function, `(row) -> Verdict`, cheap ones first.

In: a `Row`. Out: KEEP, or the filter's name and the figure behind its verdict. Their order is written down in chain.py,
their thresholds in contract.py. A new filter is one function here, one entry in `chain.FILTERS`, and one field of
`contract.Thresholds` where it has something to set.
"""

from __future__ import annotations

import re

from engine.filters.contract import KEEP, Row, Verdict
from engine.text.spans import copied_share, fold, join_words, looping_span, repeated_share

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


def check_format(row: Row) -> Verdict:
    """Rejects what is no line of text: nothing, symbols, control characters, markup of templates and code."""
    detail = _oddity(row.query)
    return Verdict("format", detail) if detail else KEEP


def _oddity(query: str) -> str:
    """Names what keeps a query from being a line of text; empty when nothing does."""
    if not query:
        return "empty"
    if not _WORD_CHARACTER.search(query):
        return "no letter or digit"
    for name, pattern in _ODDITIES.items():
        if match := pattern.search(query):
            return f"{name} {match[0]!r}"
    num_symbols = len(_ASCII_SYMBOL.findall(query))
    if 2 * num_symbols > len(query):
        return f"{num_symbols} of {len(query)} characters are symbols"
    # One bracket alone may be asked about ("match ( in a regex"); two are what is left of something.
    surplus = len(_OPENING.findall(query)) - len(_CLOSING.findall(query))
    return "unbalanced brackets" if abs(surplus) > 1 else ""


def check_length(row: Row) -> Verdict:
    """Rejects what is too short to ask for anything or too long to be typed."""
    bounds, num_characters, num_words = row.thresholds, len(row.query), row.query.count(" ") + 1
    if not bounds.min_characters <= num_characters <= bounds.max_characters:
        return Verdict("length", f"{num_characters} characters")
    if not bounds.min_words <= num_words <= bounds.max_words and not row.unspaced:
        return Verdict("length", f"{num_words} word{'s' * (num_words != 1)}")
    return KEEP


def check_cut_off(row: Row) -> Verdict:
    """Rejects a query that the token limit ended in the middle."""
    return Verdict("cut_off", "ended by the token limit") if row.cut_off else KEEP


def check_logprob(row: Row) -> Verdict:
    """Rejects what the model itself found unlikely; a log-probability that was not asked for (NaN) passes."""
    if row.thresholds.min_logprob is not None and row.logprob < row.thresholds.min_logprob:
        return Verdict("logprob", f"{row.logprob:.2f}")
    return KEEP


def check_refusal(row: Row) -> Verdict:
    """Rejects an assistant that talks to the user instead of writing a query."""
    match = _REFUSAL.search(row.query.replace("\u2019", "'"))
    return Verdict("refusal", match[0]) if match else KEEP


def check_repetition(row: Row) -> Verdict:
    """Rejects loops: a span three times in a row, a character eight times, or too many 3-grams seen before."""
    if loop := _CHARACTER_LOOP.search(row.query):
        return Verdict("repetition", f"{loop[1]!r} {len(loop[0])} times in a row")
    row_words = row.words
    if len(set(row_words)) == len(row_words):
        return KEEP
    # A single character may well be doubled and tripled where characters count as words.
    if length := looping_span(row_words, shortest=2 if row.unspaced else 1):
        return Verdict("repetition", f"a span of {length} three times in a row")
    share = repeated_share(row_words)
    return Verdict("repetition", f"{share:.0%} repeated 3-grams") if share > row.thresholds.max_repeated_share else KEEP


def check_prompt_leak(row: Row) -> Verdict:
    """Rejects what repeats the prompt: a label, a demonstration's query, most of a sentence of a template."""
    if label := _LEAKED_LABEL.search(row.query):
        return Verdict("prompt_leak", f"label {label[0].strip()!r}")
    folded = join_words(row.words)
    for demonstration in row.prompt.demonstrations:
        if demonstration in folded:
            return Verdict("prompt_leak", f"demonstration {demonstration.strip()!r}")
    share = copied_share(row.words, row.prompt.template, span=5)
    return Verdict("prompt_leak", f"{share:.0%} from the instruction") if share > 0.5 else KEEP


def check_copy(row: Row) -> Verdict:
    """Rejects a query that is a piece of its passage: it would teach string matching and pass every round trip.

    Queries of fewer words than a span pass: a keyword query is made of the passage's words.
    """
    share = copied_share(row.words, fold(row.passage), span=10 if row.unspaced else 5)
    return Verdict("copy", f"{share:.0%} verbatim") if share > row.thresholds.max_copied_share else KEEP
