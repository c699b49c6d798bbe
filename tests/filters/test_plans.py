"""What a model could repeat of a plan: the templates of every turn, and the queries of the demonstrations it saw."""

from pathlib import Path

from engine.artifacts.prompts import PromptsFolder
from engine.filters.plans import words_of_plan
from engine.task.config import TaskConfig, TurnConfig
from engine.task.render import Demonstration


def test_all_turns_and_all_shown_demonstrations_are_words_of_a_plan(tmp_path: Path) -> None:
    turns = {
        "plain": TurnConfig("Write a {{ passage.text }} query", instruction="Be brief"),
        "dialogue": TurnConfig(messages=[{"role": "user", "content": "Make it harder"}]),
    }
    shown, spare = (Demonstration("d", query) for query in ("how do bees dance", "never shown to anybody"))
    PromptsFolder(tmp_path).write_basis(TaskConfig(turns=turns), [shown, spare], [[shown]])
    found = words_of_plan(PromptsFolder(tmp_path))
    assert found.demonstrations == (" how do bees dance ",)
    assert all(words in found.template for words in (" write a query ", " be brief ", " make it harder "))
