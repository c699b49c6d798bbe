"""Templates become prompts: what a completion and a chat hold, the prefix they share, and mistakes that are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.task.compiled import compile_task
from engine.task.config import AttributeConfig, PromptKind, TaskConfig, TurnConfig
from engine.task.render import (
    Ask,
    ChatRenderer,
    CompletionRenderer,
    Demonstration,
    Messages,
    Renderer,
    input_hash,
    make_renderer,
)
from engine.task.turns import Turn

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
QUESTION, KEYWORDS = {"form": "question"}, {"form": "keywords"}


def renderer_of(task: TaskConfig, sets: list[list[Demonstration]] = SETS) -> Renderer:
    return compile_task(task, sets).first


def ask(conditions: Mapping[str, str], demonstration_set: int = 0, passage: Mapping[str, str] = PASSAGE) -> Ask:
    return Ask(passage, demonstration_set, conditions)


def test_a_completion_is_instruction_demonstrations_and_passage() -> None:
    assert renderer_of(TASK).prompt(ask(QUESTION)) == (
        "Write a question.\n\n"
        "P: Bees make honey.\nquestion: who makes honey\n\n"
        "P: Kites A kite dives\nwithout a tail.\nquestion:"
    )


def test_a_demonstration_shows_its_own_condition() -> None:
    assert renderer_of(TASK).prefix(1, QUESTION) == (
        "Write a question.\n\nP: Ice floats.\nkeywords: ice float\n\nP: Tea cools.\n: tea\n\n"
    )


@pytest.mark.parametrize("task", [TASK, replace(TASK, instruction=""), replace(TASK, demonstration="")])
def test_a_completion_is_its_prefix_and_its_suffix(task: TaskConfig) -> None:
    renderer = renderer_of(task)
    assert isinstance(renderer, CompletionRenderer)
    whole = renderer.prompt(ask(KEYWORDS, 1))
    assert whole == renderer.prefix(1, KEYWORDS) + renderer.suffix(PASSAGE, KEYWORDS)
    assert renderer.text(ask(KEYWORDS, 1)) == whole
    assert renderer.prefix_is_exact


@pytest.mark.parametrize("kind", PromptKind)
def test_a_prefix_is_rendered_once_for_all_that_share_it(kind: PromptKind, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []

    def noting(self: Renderer, conditions: Mapping[str, str]) -> str:
        rendered.append(conditions["form"])
        return "Write."

    monkeypatch.setattr(Renderer, "instruction", noting)
    renderer = renderer_of(replace(TASK, kind=kind, attributes={}))
    for tone in ("dry", "warm"):
        for form in ("question", "keywords"):
            renderer.prompt(ask({"form": form, "tone": tone}))
            renderer.prefix(0, {"form": form, "tone": tone})
    assert rendered == ["question", "keywords"], "the instruction mentions no tone"


def test_a_prefix_of_other_conditions_or_demonstrations_is_another() -> None:
    renderer = renderer_of(TASK)
    prefixes = {renderer.prefix(number, conditions) for number in (0, 1) for conditions in (QUESTION, KEYWORDS)}
    assert len(prefixes) == 4


def test_an_instruction_that_uses_conditions_as_a_whole_may_mean_any_of_them() -> None:
    renderer = renderer_of(replace(TASK, instruction="{{ condition.values() | join(' ') }}\n"), [])
    assert renderer.prefix(0, {"form": "question", "tone": "dry"}) == "question dry\n"
    assert renderer.prefix(0, {"form": "question", "tone": "warm"}) == "question warm\n"


def test_a_turn_without_instruction_and_demonstrations_has_no_prefix() -> None:
    bare = replace(TASK, instruction="", demonstration="")
    assert not renderer_of(bare).has_prefix
    assert renderer_of(bare).prefix(0, QUESTION) == ""
    assert renderer_of(replace(bare, instruction="Write.")).has_prefix
    assert renderer_of(replace(TASK, instruction="")).has_prefix
    assert not renderer_of(replace(TASK, instruction=""), []).has_prefix


def test_other_demonstrations_make_another_renderer_of_the_same_turn() -> None:
    renderer = renderer_of(TASK)
    other = renderer.with_sets(SETS[1:])
    assert type(other) is CompletionRenderer
    assert other.prefix(0, QUESTION) == renderer.prefix(1, QUESTION) != renderer.prefix(0, QUESTION)
    assert other.turn is renderer.turn


def test_questions_are_asked_about_a_subject_and_keywords_are_not() -> None:
    task = load_config(["experiment=demo"])[0].task
    bees = [Demonstration("Bees. They make\nhoney.", "who makes honey", "", QUESTION, "Bees")]
    long = "Ice floats, " * 20
    ice = [Demonstration(long, "ice floats", "", QUESTION)]
    renderer = renderer_of(task, [bees, ice, [replace(bees[0], conditions=KEYWORDS)]])
    assert renderer.text(ask(QUESTION)) == (
        "Passage: Bees. They make\nhoney.\nSubject: Bees\nQuestion: who makes honey\n"
        "Passage: Kites. A kite dives without a tail.\nSubject: Kites\nQuestion:"
    )
    assert "Subject" not in renderer.text(ask(KEYWORDS, 2))
    assert "\nKeywords: who makes honey\n" in renderer.prefix(2, KEYWORDS)
    untitled = renderer.text(ask(QUESTION, 1, {"title": "", "text": long}))
    subject = ("Ice floats, " * 7).removesuffix(" floats, ")
    assert untitled.count(f"\nSubject: {subject}\nQuestion:") == 2, "without a title the start of the text"


def test_a_task_needs_no_demonstration() -> None:
    assert renderer_of(TASK, []).text(ask({"form": "x"})) == (
        "Write a x.\n\nP: Kites A kite dives\nwithout a tail.\nx:"
    )


def test_demonstrations_are_earlier_exchanges_of_a_chat() -> None:
    renderer = renderer_of(CHAT)
    assert isinstance(renderer, ChatRenderer)
    assert renderer.prompt(ask(QUESTION)) == [
        {"role": "system", "content": "Write a question.\n\n"},
        {"role": "user", "content": "P:  Bees make honey.\nquestion:"},
        {"role": "assistant", "content": "who makes honey"},
        {"role": "user", "content": "P: Kites A kite dives\nwithout a tail.\nquestion:"},
    ]
    assert renderer.text(ask(QUESTION)).splitlines()[-2:] == ["without a tail.", "question:"]
    assert "<assistant> who makes honey\n<user> P: Kites" in renderer.text(ask(QUESTION))
    assert not renderer.prefix_is_exact


def test_a_chat_may_ask_for_its_demonstrations_in_other_words() -> None:
    task = replace(CHAT, demonstration="About {{ demonstration.document }}")
    first = renderer_of(task).prompt(ask(QUESTION))[1]
    assert first == {"role": "user", "content": "About Bees make honey."}


def test_a_chat_shows_the_titles_of_demonstrations() -> None:
    renderer = renderer_of(CHAT, [[Demonstration("make honey", "who makes honey", title="Bees")]])
    assert "<user> P: Bees make honey" in renderer.text(ask(QUESTION))


def test_what_is_done_to_the_messages_of_one_prompt_does_not_reach_the_next() -> None:
    renderer = renderer_of(CHAT)
    messages: Any = renderer.prompt(ask(QUESTION))
    messages[0]["content"] = "changed"
    messages.clear()
    assert renderer.text(ask(QUESTION)).startswith("<system> Write a question.")


def test_the_prefix_of_a_chat_is_what_comes_before_the_passage() -> None:
    """The plan counts its tokens, so it must hold the demonstrations."""
    prefix = renderer_of(CHAT).prefix(0, QUESTION)
    assert prefix == "Write a question.\n\n\nP:  Bees make honey.\nquestion:\nwho makes honey"
    assert renderer_of(CHAT).suffix(PASSAGE, QUESTION) == "P: Kites A kite dives\nwithout a tail.\nquestion:"


def test_a_chat_without_instruction_has_no_system_message() -> None:
    assert renderer_of(replace(CHAT, instruction=""), []).prompt(ask({"form": "x"})) == [
        {"role": "user", "content": "P: Kites A kite dives\nwithout a tail.\nx:"}
    ]


def test_a_chat_may_be_a_dialogue_in_which_blank_messages_are_left_out() -> None:
    messages = [
        {"role": "user", "content": "About {{ passage.title }}, {{ condition.form }}"},
        {"role": "assistant", "content": "{{ turns.draft.text }}"},
        {"role": "user", "content": "{% if condition.form == 'question' %}Shorter!{% endif %} "},
    ]
    config = TurnConfig(kind=PromptKind.chat, messages=messages)
    renderer = make_renderer(Turn("final", config, "task.turns.final"), [])
    asked = replace(ask(QUESTION), answers={"draft": {"text": "Why?"}})
    assert renderer.text(asked) == "<user> About Kites, question\n<assistant> Why?\n<user> Shorter! "
    assert renderer.suffix(PASSAGE, KEYWORDS, {"draft": {"text": "Why?"}}) == "About Kites, keywords\nWhy?"


def test_later_turns_see_the_answers_of_earlier_ones() -> None:
    turns = {"a": TurnConfig("x"), "b": TurnConfig("{{ turns.a.text }} {{ turns.a.stars }}")}
    later = compile_task(TaskConfig(turns=turns)).renderers["b"]
    answers = {"a": {"text": "fine", "stars": 3}}
    assert later.text(Ask(PASSAGE, 0, {}, answers)) == later.suffix(PASSAGE, {}, answers) == "fine 3"


def test_the_shipped_task_says_a_title_once_for_keywords() -> None:
    renderer = renderer_of(load_config([])[0].task)
    assert renderer.suffix(PASSAGE, KEYWORDS) == "Passage: Kites. A kite dives without a tail.\nKeywords:"
    titled = {"title": "Kites", "text": "Kites dive."}
    assert renderer.suffix(titled, KEYWORDS) == "Passage: Kites dive.\nKeywords:"
    assert renderer.suffix({"title": "", "text": "x"}, {"form": ""}) == "Passage: x\nSubject: x\nQuery:"


@pytest.mark.parametrize("kind", PromptKind)
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
def test_a_mistake_in_a_template_is_named(source: str, what: str, kind: PromptKind) -> None:
    renderer = renderer_of(replace(TASK, kind=kind, prompt=source), [])
    with pytest.raises(UserError) as caught:
        renderer.suffix(PASSAGE, QUESTION)
    assert what in caught.value.what
    remedy = "it may use condition.form, passage.title, passage.text"
    assert caught.value.where == "task.prompt"
    assert caught.value.remedy.endswith(remedy)


@pytest.mark.parametrize("name", ["instruction", "demonstration", "prompt"])
def test_a_template_that_does_not_parse_is_named(name: str) -> None:
    broken = replace(TASK, **{name: "{{ passage.text "})
    with pytest.raises(UserError, match="the template does not parse: unexpected end of template") as caught:
        renderer_of(broken, [])
    assert caught.value.where == f"task.{name}"


def test_the_hash_of_what_is_asked_stays_what_it_was() -> None:
    """Samples of earlier runs are found again by it."""
    assert input_hash("a prompt", PASSAGE, "form=question") == "7df778e48e228043"
    assert input_hash([{"role": "user", "content": "x"}], {**PASSAGE, "more": "y"}, "") == "d7b732ea8ede5885"


def test_the_hash_changes_with_all_that_is_asked() -> None:
    prompts = ("a", "b", [{"role": "user", "content": "a"}])
    hashes = [input_hash(prompt, PASSAGE, cell) for prompt in prompts for cell in ("", "form=question")]
    hashes += [input_hash("a", PASSAGE | {part: "other"}, "") for part in PASSAGE]
    assert len(set(hashes)) == len(hashes)


def as_text(messages: Messages) -> str:
    """What a chat template would make of messages."""
    said = "".join(f"[{message['role']}]{message['content']}[end]" for message in messages)
    return f"<s>{said}[assistant]"


def test_in_a_chat_a_demonstration_of_a_completion_is_asked_by_the_prompt() -> None:
    """Its template writes the answer, which would stand in the question too."""
    chat = renderer_of(replace(TASK, kind=PromptKind.chat))
    assert chat.prompt(ask(QUESTION)) == renderer_of(CHAT).prompt(ask(QUESTION))
    messages = chat.prompt(ask(QUESTION))
    assert not isinstance(messages, str)
    [_, question, answer, _] = messages
    assert question == {"role": "user", "content": "P:  Bees make honey.\nquestion:"}
    assert answer == {"role": "assistant", "content": "who makes honey"}
    alone = renderer_of(replace(CHAT, demonstration="About {{ demonstration.document }}"))
    assert alone.prompt(ask(QUESTION))[1] == {"role": "user", "content": "About Bees make honey."}


@pytest.mark.parametrize("prompt", [{"prompt": "{{ turns.a.text }}"}, {"messages": [{"role": "user", "content": "x"}]}])
def test_a_demonstration_that_writes_the_answer_needs_a_prompt_that_can_ask(prompt: Any) -> None:
    later = TurnConfig(demonstration="{{ demonstration.query }}", kind=PromptKind.chat, **prompt)
    with pytest.raises(UserError, match=r"writes demonstration\.query") as caught:
        compile_task(TaskConfig(turns={"a": TurnConfig("x"), "b": later}), SETS)
    assert caught.value.where == "task.turns.b.demonstration"


@pytest.mark.parametrize("task", [CHAT, replace(CHAT, instruction="")])
def test_with_its_template_a_chat_is_its_prefix_and_its_suffix(task: TaskConfig) -> None:
    plain = renderer_of(task)
    assert not plain.prefix_is_exact
    chat = plain.with_template(as_text).with_sets(SETS)
    assert chat.prefix_is_exact
    messages = chat.prompt(ask(KEYWORDS, 1))
    assert not isinstance(messages, str)
    assert chat.prefix(1, KEYWORDS).endswith("[end][user]")
    suffix = chat.suffix(PASSAGE, KEYWORDS)
    assert suffix.endswith("keywords:[end][assistant]")
    assert chat.prefix(1, KEYWORDS) + suffix == as_text(messages)


def test_messages_have_a_prefix_up_to_their_first_content() -> None:
    messages = [{"role": "system", "content": "About {{ passage.text }}"}, {"role": "user", "content": "Ask."}]
    task = TaskConfig(turns={"a": TurnConfig(messages=messages)})
    chat = renderer_of(task, []).with_template(as_text)
    assert chat.prefix(0, {}) == "<s>[system]"
    assert chat.suffix({"title": "", "text": "tea"}, {}) == "About tea[end][user]Ask.[end][assistant]"


def test_a_completion_has_no_use_for_a_chat_template() -> None:
    renderer = renderer_of(TASK)
    assert renderer.with_template(as_text) is renderer


def test_the_hash_of_a_row_covers_what_prompts_read_and_how_it_is_drawn() -> None:
    rows = [({"a": 1}, {}), ({"a": 2}, {}), ({"a": 1}, {"temperature": 0.5})]
    hashes = {input_hash("a prompt", {}, "", row, sampling) for row, sampling in rows}
    assert len(hashes) == 3
    assert input_hash("a prompt", {}, "", {"b": 1, "a": 2}) == input_hash("a prompt", {}, "", {"a": 2, "b": 1})
