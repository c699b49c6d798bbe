"""Templates become prompts: rendering, the sandbox, conditions as cells, chats."""

import json
from dataclasses import replace

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.storage.typed import from_json_values, to_json_values
from engine.task.config import (
    AttributeConfig,
    PromptKind,
    QuotaConfig,
    RangeConfig,
    TaskConfig,
)
from engine.task.render import Demonstration, Renderer, format_cell, parse_cell

TASK = TaskConfig(
    instruction="Write a {{ condition.form }}.\n\n",
    demonstration="P: {{ demonstration.document }}\n{{ condition.form }}: {{ demonstration.query }}\n\n",
    prompt="P: {{ passage.title }} {{ passage.text }}\n{{ condition.form }}:",
    stop=["\n"],
    attributes={"form": AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True)},
)
SETS = [
    [Demonstration("Bees make honey.", "who makes honey", conditions={"form": "question"})],
    [Demonstration("Ice floats.", "ice float", conditions={"form": "keywords"}), Demonstration("Tea cools.", "tea")],
]
PASSAGE = {"title": "Kites", "text": "A kite dives\nwithout a tail."}
CHAT = replace(TASK, kind=PromptKind.chat, demonstration="")


def test_a_completion_is_instruction_demonstrations_and_passage() -> None:
    assert Renderer(TASK, SETS).completion(PASSAGE, 0, "form=question") == (
        "Write a question.\n\n"
        "P: Bees make honey.\nquestion: who makes honey\n\n"
        "P: Kites A kite dives\nwithout a tail.\nquestion:"
    )


def test_a_demonstration_shows_its_own_condition() -> None:
    assert Renderer(TASK, SETS).prefix(1, "form=question") == (
        "Write a question.\n\nP: Ice floats.\nkeywords: ice float\n\nP: Tea cools.\n: tea\n\n"
    )


def test_a_chat_shows_the_titles_of_demonstrations() -> None:
    renderer = Renderer(CHAT, [[Demonstration("make honey", "who makes honey", title="Bees")]])
    assert renderer.messages(PASSAGE, 0, "form=question")[1]["content"].startswith("P: Bees make honey")


def test_a_prompt_starts_with_its_prefix() -> None:
    renderer = Renderer(TASK, SETS)
    whole = renderer.completion(PASSAGE, 1, "form=keywords")
    assert whole == renderer.prefix(1, "form=keywords") + renderer.suffix(PASSAGE, "form=keywords")
    assert renderer.text(PASSAGE, 1, "form=keywords") == whole
    assert renderer._cached_prefix.cache_info().misses == 1


def test_questions_are_asked_about_a_subject_and_keywords_are_not() -> None:
    task = load_config(["experiment=demo"])[0].task
    bees = [Demonstration("Bees. They make\nhoney.", "who makes honey", "", {"form": "question"}, "Bees")]
    long = "Ice floats, " * 20
    ice = [Demonstration(long, "ice floats", "", {"form": "question"})]
    renderer = Renderer(task, [bees, ice, [replace(bees[0], conditions={"form": "keywords"})]])
    assert renderer.completion(PASSAGE, 0, "form=question") == (
        "Passage: Bees. They make\nhoney.\nSubject: Bees\nQuestion: who makes honey\n"
        "Passage: Kites. A kite dives without a tail.\nSubject: Kites\nQuestion:"
    )
    assert "Subject" not in renderer.completion(PASSAGE, 2, "form=keywords")
    assert "\nKeywords: who makes honey\n" in renderer.prefix(2, "form=keywords")
    untitled = renderer.completion({"title": "", "text": long}, 1, "form=question")
    subject = ("Ice floats, " * 7).removesuffix(" floats, ")
    assert untitled.count(f"\nSubject: {subject}\nQuestion:") == 2, "without a title the start of the text"


def test_a_task_needs_no_demonstration() -> None:
    assert Renderer(TASK, []).completion(PASSAGE, 0, "form=x") == (
        "Write a x.\n\nP: Kites A kite dives\nwithout a tail.\nx:"
    )


def test_demonstrations_are_earlier_turns_of_a_chat() -> None:
    renderer = Renderer(CHAT, SETS)
    assert renderer.messages(PASSAGE, 0, "form=question") == [
        {"role": "system", "content": "Write a question.\n\n"},
        {"role": "user", "content": "P:  Bees make honey.\nquestion:"},
        {"role": "assistant", "content": "who makes honey"},
        {"role": "user", "content": "P: Kites A kite dives\nwithout a tail.\nquestion:"},
    ]
    assert renderer.text(PASSAGE, 0, "form=question").splitlines()[-2:] == ["without a tail.", "question:"]
    assert "<assistant> who makes honey\n<user> P: Kites" in renderer.text(PASSAGE, 0, "form=question")


def test_the_prefix_of_a_chat_is_what_comes_before_the_passage() -> None:
    """The plan counts its tokens, so it must hold the demonstrations."""
    prefix = Renderer(CHAT, SETS).prefix(0, "form=question")
    assert prefix == "Write a question.\n\n\nP:  Bees make honey.\nquestion:\nwho makes honey"


def test_a_chat_without_instruction_has_no_system_message() -> None:
    renderer = Renderer(replace(CHAT, instruction=""), [])
    assert renderer.messages(PASSAGE, 0, "form=x") == [
        {"role": "user", "content": "P: Kites A kite dives\nwithout a tail.\nx:"}
    ]


def test_the_shipped_task_says_a_title_once_for_keywords() -> None:
    renderer = Renderer(load_config([])[0].task, SETS)
    assert renderer.suffix(PASSAGE, "form=keywords") == "Passage: Kites. A kite dives without a tail.\nKeywords:"
    titled = {"title": "Kites", "text": "Kites dive."}
    assert renderer.suffix(titled, "form=keywords") == "Passage: Kites dive.\nKeywords:"
    assert renderer.suffix({"title": "", "text": "x"}, "form=") == "Passage: x\nSubject: x\nQuery:"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ passsage }}", "there is no 'passsage'"),
        ("{{ passage.body }}", "there is no 'body'"),
        ("{{ condition.length }}", "there is no 'length'"),
        ("{% if missing %}x{% endif %}", "there is no 'missing'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ passage.text.encode('nonsense') }}", "unknown encoding: nonsense"),
        ("{{ passage.text.index('zebra') }}", "substring not found"),
    ],
)
def test_a_mistake_in_a_template_is_named(source: str, what: str) -> None:
    renderer = Renderer(replace(TASK, prompt=source), [])
    with pytest.raises(UserError) as caught:
        renderer.suffix(PASSAGE, "form=question")
    assert what in caught.value.what
    remedy = "it may use condition.form, passage.title, passage.text"
    assert caught.value.where == "task.prompt"
    assert caught.value.remedy.endswith(remedy)


@pytest.mark.parametrize("name", ["instruction", "demonstration", "prompt"])
def test_a_template_that_does_not_parse_is_named(name: str) -> None:
    broken = replace(TASK, **{name: "{{ passage.text "})
    with pytest.raises(UserError, match="the template does not parse: unexpected end of template") as caught:
        Renderer(broken, [])
    assert caught.value.where == f"task.{name}"


@pytest.mark.parametrize("values", [{}, {"form": "question"}, {"form": "a=b c", "length": "", "über": "ß"}])
def test_cells_round_trip(values: dict[str, str]) -> None:
    assert parse_cell(format_cell(values)) == values


def test_a_cell_reads_like_its_conditions() -> None:
    assert format_cell({"form": "question", "length": "short"}) == "form=question|length=short"


def test_a_task_round_trips_as_json() -> None:
    assert from_json_values(TaskConfig, json.loads(json.dumps(to_json_values(TASK)))) == TASK
    assert from_json_values(TaskConfig, json.loads(json.dumps(to_json_values(CHAT)))).kind is PromptKind.chat
    attributes = {
        "size": AttributeConfig(range=RangeConfig(1, 3, 0.5)),
        "topic": AttributeConfig(taxonomy={"arts": ["film"]}),
        "tone": AttributeConfig(["dry"], depends_on="topic", by={"film": {"warm": 2}}, pick=[1, 1]),
    }
    quotas = [QuotaConfig({"tone": ["dry"]}, 3)]
    conditioned = replace(TASK, attributes=attributes, exclude=[{"size": 1.5}], quotas=quotas)
    assert from_json_values(TaskConfig, json.loads(json.dumps(to_json_values(conditioned)))) == conditioned
