"""A task as it is written: shorthand for values, identity by content, and the way through a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.runtime.identity import identity_of
from engine.storage.typed import from_json_values, to_json_values
from engine.task.config import (
    AttributeConfig,
    ParserKind,
    PromptKind,
    QuotaConfig,
    RangeConfig,
    TaskConfig,
    TurnConfig,
    WrittenConfig,
    word_file,
)

TASK = TaskConfig(
    name="reviews",
    kind=PromptKind.chat,
    instruction="Write about ${condition.topic}, {{ condition.topic }}.",
    stop=["\n", "${stop}"],
    turns={
        "draft": TurnConfig("Draft: {{ passage.text }} costs ${price}", answer_after="So:", temperature=0.0),
        "stars": TurnConfig(
            kind=PromptKind.chat,
            messages=[{"role": "user", "content": "${turns.draft.text}"}],
            parser=ParserKind.json,
            json_schema={"type": "object", "properties": {"stars": {"type": "integer", "enum": [1, None]}}},
        ),
    },
    attributes={
        "size": AttributeConfig(range=RangeConfig(1, 3, 0.5)),
        "topic": AttributeConfig(taxonomy={"arts": ["film"]}),
        "tone": AttributeConfig(["dry"], depends_on="topic", by={"film": {"warm": 2}}, pick=[1, 1]),
        "area": AttributeConfig(written=WrittenConfig("List areas, ${each} on a line.", count=3)),
        "form": AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True),
    },
    exclude=[{"size": 1.5}],
    quotas=[QuotaConfig({"tone": ["dry"]}, 3)],
)


def through_a_file(task: TaskConfig) -> TaskConfig:
    return from_json_values(TaskConfig, json.loads(json.dumps(to_json_values(task))))


def test_a_task_is_the_same_after_it_was_written_and_read() -> None:
    again = through_a_file(TASK)
    assert again == TASK
    assert again.kind is PromptKind.chat
    assert again.turns["stars"].parser is ParserKind.json
    assert again.turns["draft"].kind is None, "what a turn leaves out is still left out"
    assert isinstance(again.attributes["size"].range, RangeConfig)
    assert isinstance(again.attributes["area"].written, WrittenConfig)
    assert isinstance(again.quotas[0], QuotaConfig)


def test_what_looks_like_a_reference_in_a_prompt_stays_text() -> None:
    again = through_a_file(TASK)
    assert again.turns["draft"].prompt.endswith("costs ${price}")
    assert again.instruction.startswith("Write about ${condition.topic},")
    assert again.stop == ["\n", "${stop}"]


def test_a_list_of_values_is_a_mapping_of_equal_weights() -> None:
    assert AttributeConfig(["dry", 3]).values == {"dry": 1.0, "3": 1.0}
    assert AttributeConfig({"dry": 2}).values == {"dry": 2}
    assert AttributeConfig().values == {}


@pytest.mark.parametrize("values", [["a", "a"], [True], [None], "a text"])
def test_values_that_are_wrong_stay_as_they_were_written_until_they_are_refused_by_name(values: object) -> None:
    assert AttributeConfig(values).values == values


def test_a_word_list_is_known_by_its_content(tmp_path: Path) -> None:
    for name, text in (("a", "oak"), ("b", "oak"), ("c", "elm")):
        (tmp_path / name).write_text(text)
    a, b, c = (identity_of(AttributeConfig(file=str(tmp_path / name))) for name in "abc")
    assert a == b
    assert a != c


def test_lists_that_ship_are_named_by_their_package() -> None:
    assert word_file("package:words/nouns.txt").is_file()
    assert word_file("words.txt") == Path("words.txt")


def test_another_task_has_another_identity() -> None:
    assert identity_of(TASK) == identity_of(through_a_file(TASK))
    assert identity_of(TASK) != identity_of(replace(TASK, stop=[]))
