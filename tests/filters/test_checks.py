"""Every filter rejects what it is named after, keeps real queries, and gives the figure behind its verdict."""

import dataclasses
import math

import pytest

from engine.filters.chain import FILTER_NAMES, FILTERS, judge
from engine.filters.checks import check_logprob
from engine.filters.contract import KEEP, Row, Thresholds, Verdict, prompt_words

PASSAGE = "itertools.groupby\nMake an iterator that returns consecutive keys and groups from the iterable."
PROMPT = prompt_words(
    ["how do I sort a list by two keys", "sort list"],
    ["Write a search query that this passage answers.\n", "Passage: {{ passage.text }}\nQuery:"],
)
REAL = [
    "what similarity laws must be obeyed when constructing aeroelastic models of heated high speed aircraft .",
    "how can I group equal neighbours in a list",
    "groupby vs sort",
    "how to match ( in a regex",
    "what does {**a, **b} do?",
    "is 0.1 + 0.2 == 0.3",
    "difference between list[0:3] and list[0, 3)",
    "Python as a language for beginners",
    "why do I get 'cannot import name' in Python 3.11?",
    "how to say I'm sorry in another locale",
    "New York New York lyrics",
    "what is the difference between what is said and what is meant",
    "\uad6d\uc81c \uc544\ub9c8\ucd94\uc5b4 \uc721\uc0c1 \uc5f0\ub9f9\uc740?",
    "\u6771\u4eac\u306e\u4eba\u53e3\u306f\u4f55\u4eba\u3067\u3059\u304b",
    "\u5317\u4eac\u4eba\u53e3",
]
BAD = [
    ("", "format", "empty"),
    ("?!... --", "format", "no letter or digit"),
    ("where \x07 is it", "format", "control"),
    ("where is \ufffd it", "format", "undecodable"),
    ("```python", "format", "code fence"),
    ("what is {{ passage.text }} for", "format", "marker"),
    ("where is it<|im_end|>", "format", "marker '<|im_end|>'"),
    ("a = [{(%$", "format", "symbols"),
    ("what is f(g(h(x", "format", "unbalanced"),
    ("why", "length", "3 characters"),
    ("groupby", "length", "1 word"),
    ("word " * 51, "length", "51 words"),
    ("\u4eba" * 401, "length", "401 characters"),
    ("As an AI language model, I have no queries", "refusal", "As an AI language"),
    ("I\u2019m sorry, but the passage is too short", "refusal", "I'm sorry"),
    ("I cannot generate a query for this", "refusal", "generate a quer"),
    ("Here is a query about groupby", "refusal", "Here is a quer"),
    ("why is it it it broken", "repetition", "span of 1"),
    ("why and how, why and how, why and how", "repetition", "a span of 3"),
    ("a scream: aaaaaaaargh", "repetition", "8 times"),
    ("sort the whole list, sort the whole list, or sort the whole list", "repetition", "repeated 3-grams"),
    ("what is it Passage: the", "prompt_leak", "label 'Passage:'"),
    ("How do I sort a list by two keys?", "prompt_leak", "demonstration"),
    ("so how do I sort a list by two keys now", "prompt_leak", "demonstration"),
    ("write a search query that this passage", "prompt_leak", "from the instruction"),
    ("returns consecutive keys and groups from the iterable", "copy", "100% verbatim"),
]


def row(query: str, **fields: object) -> Row:
    return dataclasses.replace(Row(query.strip(), passage=PASSAGE, prompt=PROMPT), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("query", REAL)
def test_real_queries_are_kept(query: str) -> None:
    assert judge(row(query)) is KEEP


@pytest.mark.parametrize(("query", "reason", "detail"), BAD)
def test_each_filter_names_itself_and_its_figure(query: str, reason: str, detail: str) -> None:
    verdict = judge(row(query))
    assert verdict.reason == reason
    assert detail.lower() in verdict.detail.lower()


@pytest.mark.parametrize(("query", "reason", "detail"), BAD)
def test_a_filter_left_out_rejects_nothing(query: str, reason: str, detail: str) -> None:
    others = [row_filter for row_filter in FILTERS if row_filter.name != reason]
    assert judge(row(query), others).reason != reason


def test_every_filter_is_tried_here() -> None:
    assert {reason for _, reason, _ in BAD} | {"cut_off", "logprob"} == set(FILTER_NAMES)


def test_a_query_cut_off_by_the_token_limit() -> None:
    assert judge(row("where is the", cut_off=True)) == Verdict("cut_off", "ended by the token limit")


def test_logprob_bounds_only_what_was_measured_and_asked_for() -> None:
    bounded = Thresholds(min_logprob=-1.5)
    assert judge(row("where is the key", logprob=-2.0)) is KEEP
    assert judge(row("where is the key", logprob=-2.0, thresholds=bounded)) == Verdict("logprob", "-2.00")
    assert judge(row("where is the key", logprob=-1.0, thresholds=bounded)) is KEEP
    assert check_logprob(row("where is the key", logprob=math.nan, thresholds=bounded)) is KEEP


def test_short_demonstrations_are_no_leak() -> None:
    assert judge(row("how to sort list in place")) is KEEP


def test_thresholds_move_the_line() -> None:
    copied = "returns consecutive keys and groups from the iterable"
    assert judge(row(copied, thresholds=Thresholds(max_copied_share=1.0))) is KEEP
    assert judge(row("groupby", thresholds=Thresholds(min_words=1))) is KEEP
    looping = "sort the whole list, sort the whole list, or sort the whole list"
    assert judge(row(looping, thresholds=Thresholds(max_repeated_share=1.0))) is KEEP
