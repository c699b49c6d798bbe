"""What a task leaves open is settled before steps are listed."""

from __future__ import annotations

from pathlib import Path

from engine.command_line.compose import load_config
from engine.pipeline.addressed import addressed
from engine.task.config import PromptKind


def test_turns_are_chats_or_completions_by_the_model_that_answers(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "samples=fake"])
    settled = addressed(config)
    assert settled.task.kind is PromptKind.completion
    assert settled.prompts.task == settled.task
    assert addressed(settled) == settled


def test_a_file_of_prompts_says_what_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv"
    file.write_text("prompt\nWhat is a list?\n", encoding="utf-8")
    config, _ = load_config(["experiment=batch", f"prompts.path={file}", "samples=fake"])
    assert addressed(config).task.prompt == "{{ row.prompt }}"
