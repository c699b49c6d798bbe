"""Forecasts are sums of counts that come out as the rendered prompts do; templates are read by their syntax."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from engine.models.tokenizer import load_tokenizer
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.conditions import RowKeys
from engine.prompts.lengths import PassageCounts, PromptLengths, count_passages, mentioned_conditions, prefix_conditions
from engine.task.compiled import compile_task
from engine.task.config import AttributeConfig, PromptKind, TaskConfig
from engine.task.render import Ask, Demonstration
from engine.text.hashes import text_hashes

NAMES = ["form", "topic", "topic_path"]
TOKENIZER = load_tokenizer("bundled:smollm2-135m-instruct", key="samples.model")
TASK = TaskConfig(
    instruction="You write about {{ condition.topic }}, as it is seen in {{ condition.topic_path }}.\n\n",
    demonstration="Passage: {{ demonstration.document }}\n{{ condition.form }}: {{ demonstration.query }}\n\n",
    prompt="Passage: {{ passage.text }}\n{% if condition.form == 'claim' %}Now state a claim that is true of all of "
    "it.{% endif %}\nUse {{ condition.nouns }} in your {{ condition.form }}:",
    attributes={
        "form": AttributeConfig(["question", "claim"]),
        "topic": AttributeConfig(taxonomy={"the natural sciences": ["optics", "thermodynamics of black holes"]}),
        "nouns": AttributeConfig(["refrigerator", "cat", "ox"], pick=[1, 3]),
        "unused": AttributeConfig(["x" * 50, "y"]),
    },
)
SETS = [[Demonstration("Bees make honey.", "who makes honey")], [Demonstration("Tea cools.", "tea", "", {"form": "q"})]]
TEXTS = ["A kite dives without a tail.", "Ice floats, and that is why lakes freeze from above.", ""]


@pytest.mark.parametrize(
    ("source", "mentioned"),
    [
        ("no condition", []),
        ("{{ condition.form }} {{ condition['topic'] }}", ["form", "topic"]),
        ("{% if condition.topic_path == 'x' %}{{ condition.form | upper }}{% endif %}", ["form", "topic_path"]),
        ("{{ (condition.form or 'query') | capitalize }}{# condition.topic #}", ["form"]),
        ("{% for name in condition %}{{ name }}{% endfor %}", NAMES),
        ("{% set c = condition %}{{ c.form }}", NAMES),
        ("{{ condition[name] }}", NAMES),
        ("{{ condition.values() }}", NAMES),
        ("{{ passage.form }}", []),
    ],
)
def test_templates_are_read_by_their_syntax(source: str, mentioned: list[str]) -> None:
    assert mentioned_conditions([source], NAMES) == mentioned


def test_several_templates_mention_together() -> None:
    assert mentioned_conditions(["{{ condition.topic }}", "{{ condition.form }}"], NAMES) == ["form", "topic"]


@pytest.mark.parametrize("kind", PromptKind)
def test_a_prefix_depends_on_the_instruction_alone(kind: PromptKind) -> None:
    task = replace(TASK, kind=kind)
    names = make_conditions(task.attributes).names
    assert prefix_conditions(compile_task(task).first, names) == ["topic", "topic_path"]
    renderer = compile_task(task, SETS).first
    claim, question = [
        {"form": form, "topic": "optics", "topic_path": "p", "nouns": "cat", "unused": ""} for form in ("claim", "q")
    ]
    assert renderer.prefix(0, claim) == renderer.prefix(0, question)


def test_a_sum_of_counts_is_close_to_the_rendered_prompt() -> None:
    conditions, renderer = make_conditions(TASK.attributes), compile_task(TASK, SETS).first
    passages = np.arange(60) % 3
    rows = RowKeys(
        text_hashes([str(number) for number in range(60)]), np.zeros(60, np.int64), np.zeros(60, np.int64), 0
    )
    drawn = conditions.draw(rows)
    table = pa.table({"title": [""] * 3, "text": TEXTS})
    lengths = PromptLengths(renderer, conditions, TOKENIZER, count_passages(table, TOKENIZER))
    forecast = lengths(passages, passages % 2, drawn)
    columns = {name: column.column().to_pylist() for name, column in drawn.items()}
    for row in range(60):
        values = {name: column[row] for name, column in columns.items()}
        prompt = renderer.text(Ask({"title": "", "text": TEXTS[passages[row]]}, passages[row] % 2, values))
        assert abs(forecast[row] - len(TOKENIZER.encode(prompt))) <= 4
    assert len(set(forecast.tolist())) > 10, "it varies with the conditions"
    assert lengths(passages, passages % 2, drawn).tolist() == forecast.tolist()


def test_a_title_named_again_is_counted_as_that_of_the_median_passage() -> None:
    task = TaskConfig(
        prompt="{{ passage.title }}. {{ passage.text }}\n{% if condition.form == 'question' %}Subject: "
        "{{ passage.title }}\n{% endif %}{{ condition.form }}:",
        attributes={"form": AttributeConfig(["question", "keywords"])},
    )
    rows = [{"title": f"How a kite keeps its height in a storm, part {n}", "text": "It dives. " * n} for n in range(9)]
    renderer, conditions = compile_task(task, [[]]).first, make_conditions(task.attributes)
    lengths = PromptLengths(renderer, conditions, TOKENIZER, count_passages(pa.Table.from_pylist(rows), TOKENIZER))
    drawn = conditions.draw(RowKeys(text_hashes([*map(str, range(9))]), np.arange(9), np.zeros(9, np.int64), 0))
    forecast = lengths(np.arange(9), np.zeros(9, np.int64), drawn)
    forms = drawn["form"].column().to_pylist()
    for row, form, tokens in zip(rows, forms, forecast.tolist(), strict=True):
        prompt = renderer.text(Ask(row, 0, {"form": form}))
        assert abs(tokens - len(TOKENIZER.encode(prompt))) <= 4
    assert set(forms) == {"question", "keywords"}


def test_a_prompt_without_its_passage_is_as_long_as_the_words_of_the_template() -> None:
    task = TaskConfig(prompt="Write a line about the sea:")
    table = pa.table({"title": [""] * 3, "text": ["x", "many words " * 20, "many words " * 30]})
    lengths = PromptLengths(
        compile_task(task, [[]]).first, make_conditions({}), TOKENIZER, count_passages(table, TOKENIZER)
    )
    assert lengths.suffix_tokens[0] == len(TOKENIZER.encode(task.prompt))


def test_of_too_many_values_the_longest_stands_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.prompts.lengths._KEPT_COUNTS", 2)
    task = TaskConfig(prompt="{{ passage.text }} {{ condition.word }}", attributes={"word": AttributeConfig(["w"])})
    lengths = PromptLengths(
        compile_task(task, [[]]).first,
        make_conditions(task.attributes),
        TOKENIZER,
        PassageCounts(np.zeros(1, np.int64), {"title": "", "text": ""}),
    )
    words = AttributeConfig(["thermodynamics of black holes", "a", "b", "c"])
    zeros = np.zeros(200, np.int64)
    rows = RowKeys(text_hashes([str(number) for number in range(200)]), zeros, zeros, 0)
    tokens = lengths(zeros, zeros, make_conditions({"word": words}).draw(rows))
    texts = make_conditions({"word": words}).draw(rows)["word"].column().to_pylist()
    long = {int(count) for count, text in zip(tokens, texts, strict=True) if text.startswith("thermo")}
    assert {text: int(count) for count, text in zip(tokens, texts, strict=True) if text in "bc"} == {
        "b": max(long),
        "c": max(long),
    }
