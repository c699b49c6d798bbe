"""Every filter rejects what it is named after, keeps real queries, and gives the figure behind its verdict."""

import dataclasses
import math

import pyarrow as pa
import pytest
from omegaconf import OmegaConf

from engine.errors import UserError
from engine.examples.filters.chain import filter_batch, judge, prompt_words
from engine.examples.filters.contract import KEEP, REGISTRY, FiltersConfig, PromptWords, Row, Verdict, row_filter

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
    config = FiltersConfig(use=[name for name in REGISTRY if name != reason])
    assert judge(row(query, config=config)).reason != reason


def test_every_filter_is_tried_here() -> None:
    assert {reason for _, reason, _ in BAD} | {"cut_off", "logprob"} == set(REGISTRY)


def test_the_first_filter_in_the_registrys_order_gives_the_reason() -> None:
    both = row("```")
    for use in (["length", "format"], ["format", "length"]):
        assert judge(dataclasses.replace(both, config=FiltersConfig(use=use))).reason == "format"


def test_a_query_cut_off_by_the_token_limit() -> None:
    assert judge(row("where is the", cut_off=True)) == Verdict("cut_off", "ended by the token limit")


def test_logprob_bounds_only_what_was_measured_and_asked_for() -> None:
    config = FiltersConfig(min_logprob=-1.5)
    assert judge(row("where is the key", logprob=-2.0)) is KEEP
    assert judge(row("where is the key", logprob=-2.0, config=config)) == Verdict("logprob", "-2.00")
    assert judge(row("where is the key", logprob=-1.0, config=config)) is KEEP
    assert judge(row("where is the key", logprob=math.nan, config=config)) is KEEP


def test_short_demonstrations_are_anybodys_query() -> None:
    assert judge(row("how to sort list in place")) is KEEP
    assert PROMPT.demonstrations == (" how do i sort a list by two keys ",)


def test_thresholds_move_the_line() -> None:
    copied = "returns consecutive keys and groups from the iterable"
    assert judge(row(copied, config=FiltersConfig(max_copied_share=1.0))) is KEEP
    assert judge(row("groupby", config=FiltersConfig(min_words=1))) is KEEP


def test_wrong_settings_name_key_and_remedy() -> None:
    with pytest.raises(UserError, match=r"examples.filters.use: 'lenght' is no filter; did you mean 'length'\?"):
        FiltersConfig(use=["lenght"])
    with pytest.raises(UserError, match=r"examples.filters.use: 'copy' is listed twice; list it once"):
        FiltersConfig(use=["copy", "format", "copy"])
    with pytest.raises(UserError, match=r"examples.filters.min_words: 9 is more than max_words=8"):
        FiltersConfig(min_words=9, max_words=8)


def test_a_name_is_registered_once() -> None:
    with pytest.raises(AssertionError, match="'copy' is registered twice"):
        row_filter("copy", setting="nothing")(lambda row: KEEP)


def test_hydra_can_hold_the_config() -> None:
    config = OmegaConf.merge(OmegaConf.structured(FiltersConfig), {"use": ["copy"], "min_logprob": -2})
    assert OmegaConf.to_object(config) == FiltersConfig(use=["copy"], min_logprob=-2.0)


def test_a_batch_is_judged_row_by_row() -> None:
    samples = pa.table(
        {
            "sample_id": [4, 7, 8, 9],
            "text": [' "where is the key"\nPassage:', "Query: where is", "where is the key\nand", "`"],
            "logprob": pa.array([-1.0, None, math.nan, 0.0], pa.float32()),
            "finish_reason": ["stop", "length", "length", "stop"],
        }
    )
    config = FiltersConfig()
    judged = filter_batch(samples, ["a", "b", "c", "d"], PromptWords(), config)
    assert judged.column_names == ["sample_id", "query", "reason", "detail"]
    assert judged["query"].to_pylist() == ["where is the key", "where is", "where is the key", "`"]
    assert judged["reason"].to_pylist() == ["", "cut_off", "", "format"]
    halves = [filter_batch(samples[part], list(names), PromptWords(), config) for part, names in HALVES]
    assert pa.concat_tables(halves).equals(judged)


HALVES = ((slice(0, 1), "a"), (slice(1, 4), "bcd"))
