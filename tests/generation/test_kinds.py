"""Chat or completion: what a task leaves open is settled by the model that answers, before anything is planned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.command_line.groups import choices
from engine.errors import UserError
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.kinds import check_chat, check_models, check_scores, settle_kinds
from engine.pipeline.addressed import addressed
from engine.pipeline.steps import steps
from engine.runtime.identity import identity_of
from engine.task.compiled import compile_task
from engine.task.config import PromptKind, TaskConfig, TurnConfig
from engine.task.render import Ask, Demonstration

AUTO, CHAT, COMPLETION = PromptKind.auto, PromptKind.chat, PromptKind.completion
BASE = GeneratorConfig(seed=0)
INSTRUCT = replace(BASE, instruct=True)
DIALOGUE = TurnConfig(messages=[{"role": "user", "content": "Hello."}])


def kinds_of(task: TaskConfig, config: GeneratorConfig) -> list[PromptKind | None]:
    """The kind of each turn, as it is compiled."""
    settled = settle_kinds(task, config)
    assert settled.kind is not AUTO
    return [turn.config.kind for turn in compile_task(settled).turns.values()]


@pytest.mark.parametrize(
    ("kind", "config", "settled"),
    [
        (AUTO, BASE, COMPLETION),
        (AUTO, INSTRUCT, CHAT),
        (COMPLETION, INSTRUCT, COMPLETION),
        (CHAT, BASE, CHAT),
    ],
)
def test_the_generator_decides_where_the_task_does_not(
    kind: PromptKind, config: GeneratorConfig, settled: PromptKind
) -> None:
    task = TaskConfig(prompt="x", kind=kind)
    assert settle_kinds(task, config) == replace(task, kind=settled)
    assert kinds_of(task, config) == [settled]
    assert settle_kinds(settle_kinds(task, config), BASE).kind is settled, "it is settled once"


def test_each_turn_is_asked_as_the_model_that_it_names() -> None:
    turns = {"query": TurnConfig("q"), "verdict": TurnConfig("v", model="judge"), "last": TurnConfig("l", kind=CHAT)}
    judged = replace(BASE, models={"judge": {"instruct": True}})
    assert kinds_of(TaskConfig(turns=turns), judged) == [COMPLETION, CHAT, CHAT]
    assert kinds_of(TaskConfig(turns=turns, kind=COMPLETION), judged) == [COMPLETION, COMPLETION, CHAT]
    other = replace(INSTRUCT, models={"judge": {"instruct": False}})
    assert kinds_of(TaskConfig(turns=turns), other) == [CHAT, COMPLETION, CHAT]


def test_messages_make_a_chat_of_any_turn() -> None:
    task = TaskConfig(turns={"a": TurnConfig("a"), "b": DIALOGUE})
    assert kinds_of(task, BASE) == [COMPLETION, CHAT]


def test_the_models_that_ship_are_asked_as_their_files_say() -> None:
    for name in choices("samples"):
        config, _ = load_config(["experiment=adapt", f"samples={name}", "documents.path=unused"])
        assert config.task.kind is AUTO
        settled = COMPLETION if name in {"smollm2", "fake"} else CHAT
        prompts = next(step for step in steps(config) if step.noun == "prompts")
        assert getattr(prompts.config, "task").kind is settled, name  # noqa: B009  # a step's config is any object
        assert f'"kind": "{settled.value}"' in json.dumps(identity_of(addressed(config).task)), "it is in the identity"


def test_an_instruct_model_is_shown_the_demonstrations_of_queries_as_exchanges() -> None:
    """`experiment=adapt samples=qwen3_8b` as it stands."""
    config, _ = load_config(["experiment=adapt", "samples=qwen3_8b", "documents.path=unused"])
    sets = [[Demonstration("Bees make honey.", "who makes honey", conditions={"form": "question"}, title="Bees")]]
    chat = compile_task(addressed(config).task, sets).first
    asked = chat.prompt(Ask({"title": "Tea", "text": "Tea cools."}, 0, {"form": "keywords"}))
    assert asked == [
        {"role": "user", "content": "Passage: Bees make honey.\nSubject: Bees\nQuestion:"},
        {"role": "assistant", "content": "who makes honey"},
        {"role": "user", "content": "Passage: Tea cools.\nKeywords:"},
    ]


def test_a_model_without_a_chat_template_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("")
    bare = replace(INSTRUCT, model=str(tmp_path))
    with pytest.raises(UserError, match="no chat template, and task is a chat") as caught:
        check_models(TaskConfig(prompt="x"), bare)
    assert caught.value.where == f"samples.model={tmp_path}"
    assert "samples.instruct=false" in caught.value.remedy
    check_models(TaskConfig(prompt="x", kind=COMPLETION), bare)
    judged = replace(BASE, models={"judge": {"model": str(tmp_path), "instruct": True}})
    with pytest.raises(UserError, match=r"task\.turns\.b is a chat") as caught:
        check_models(TaskConfig(turns={"a": TurnConfig("a"), "b": TurnConfig("b", model="judge")}), judged)
    assert caught.value.where == f"samples.models.judge.model={tmp_path}"
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    [turn] = compile_task(TaskConfig(prompt="x", kind=CHAT)).turns.values()
    check_chat(turn, bare, "samples")


def test_what_the_plan_holds_is_no_part_of_what_a_generator_is() -> None:
    assert identity_of(INSTRUCT) == identity_of(BASE)
    assert identity_of(replace(BASE, thinking=True)) != identity_of(BASE)


def test_a_model_with_an_adapter_cannot_score() -> None:
    scored = TurnConfig("P", continuation="x", model="judge")
    task = TaskConfig(turns={"query": TurnConfig("P"), "likely": scored})
    with_adapter = replace(BASE, lora="DIR", models={"judge": {"lora": ""}})
    check_models(task, with_adapter)
    with pytest.raises(UserError, match=r"a model with an adapter cannot score, and task\.turns\.likely is") as caught:
        check_models(task, replace(with_adapter, models={"judge": {"lora": "OTHER"}}))
    assert caught.value.where == "samples.models.judge.lora=OTHER"
    turn = compile_task(TaskConfig(turns={"likely": replace(scored, model="")})).turns["likely"]
    with pytest.raises(UserError) as caught:
        check_scores(turn, with_adapter, "samples")
    assert caught.value.where == "samples.lora=DIR"
    check_scores(turn, replace(with_adapter, generator=GeneratorKind.fake), "samples")


def test_every_generator_of_a_mix_is_held_against_the_turns() -> None:
    task = TaskConfig(turns={"query": TurnConfig("P"), "likely": TurnConfig("P", continuation="x")})
    mixed = replace(BASE, mix={"plain": {"share": 0.5}, "adapted": {"share": 0.5, "lora": "DIR"}})
    with pytest.raises(UserError, match=r"task\.turns\.likely is scored") as caught:
        check_models(task, mixed)
    assert caught.value.where == "samples.mix.adapted.lora=DIR"
    check_models(TaskConfig(turns={"query": TurnConfig("P")}), mixed)
    check_models(task, replace(mixed, lora="DIR", mix={"plain": {"share": 1.0, "lora": ""}}))
