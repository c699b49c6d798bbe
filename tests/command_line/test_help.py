"""`synthmill --help`: every group and choice, and nothing heavy is imported for it."""

import subprocess
import sys

import pytest

from engine.command_line.groups import choices, groups
from engine.command_line.help import help_text
from tests.support.paths import ROOT

HEAVY = {
    "torch",
    "ray",
    "vllm",
    "transformers",
    "sentence_transformers",
    "faiss",
    "wandb",
    "pandas",
    "datasets",
    "hydra",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "engine", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert done.stdout == help_text() + "\n"
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "engine" in imported
    assert imported & HEAVY == set()


def test_lists_every_group_with_its_choices() -> None:
    text = help_text().replace("\n" + " " * 18, " ")  # long lists go on below their beginning
    for group in groups():
        assert f"  {group:<16}{', '.join(choices(group))}" in text.splitlines()


def test_shows_commands_and_the_keys_most_used() -> None:
    text = help_text()
    for words in (
        "synthmill experiment=demo",
        "collection=DIR",
        "-m experiment=demo",
        "trace RUN",
        "search RUN",
        "clean",
    ):
        assert words in text
    for key in ("until", "preview", "sample", "seed", "demonstrations.from_qrels", "samples.model", "model.base"):
        assert key in text
    assert max(map(len, text.splitlines())) <= 120


def test_every_key_that_it_names_exists() -> None:
    from engine.command_line.compose import load_config

    named = help_text().partition("keys most used: ")[2].partition("\n\n")[0].replace("\n", " ")
    config, _ = load_config([])
    for key in (name.strip() for name in named.split(",")):
        value: object = config
        for part in key.split("."):
            value = getattr(value, part)
