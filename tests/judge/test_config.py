"""The settings of a judge: rubrics from files, those that ship and a user's own, and values that are refused."""

from pathlib import Path
from typing import Any

import pytest

from engine.command_line.compose import load_config
from engine.command_line.groups import choices
from engine.errors import UserError
from engine.judge.config import InformationConfig, JudgeConfig, RubricConfig

SHIPPED = ["answerability", "clarity", "faithfulness", "label", "relevance"]
OWN = """# @package judge.rubrics.polite
prompt: "{{ query }}\\nIs this polite? ({{ choices | join(', ') }})"
choices: [polite, rude]
threshold: 0.8
"""


def test_every_rubric_that_ships_is_there_and_none_is_asked() -> None:
    config, _ = load_config([])
    assert sorted(config.judge.rubrics) == SHIPPED
    assert choices("judge") == sorted([*SHIPPED, "information"])
    assert config.judge.information.prompt.endswith("Question:")
    assert config.examples.filters.rubrics() == ()
    assert config.examples.filters.min_information is None


def test_a_rubric_can_be_changed_on_the_command_line() -> None:
    config, _ = load_config(["judge.rubrics.clarity.threshold=0.7", "examples.filters.judge=clarity"])
    assert config.judge.rubrics["clarity"].threshold == 0.7
    assert config.judge.rubrics["clarity"].choices == ["yes", "no"]
    assert config.examples.filters.rubrics() == ("clarity",)
    config, _ = load_config(["examples.filters.judge=[clarity,relevance]"])
    assert config.examples.filters.rubrics() == ("clarity", "relevance")


def test_a_rubric_of_the_users_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "judge" / "polite.yaml").write_text(OWN)
    config, _ = load_config(["examples.filters.judge=polite"], str(tmp_path))
    assert sorted(config.judge.rubrics) == sorted([*SHIPPED, "polite"])
    assert config.judge.rubrics["polite"].choices == ["polite", "rude"]
    (tmp_path / "judge" / "label.yaml").write_text(OWN)
    with pytest.raises(UserError, match="has the name of a file that ships"):
        load_config([], str(tmp_path))


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"sure": 0.5}, "judge.sure"),
        ({"information": InformationConfig("{{ passage.text }}", " ")}, "judge.information.without"),
        ({"information": InformationConfig("", "Question:")}, "judge.information.prompt"),
        ({"rubrics": {"x": RubricConfig("?", threshold=1.5)}}, "judge.rubrics.x.threshold"),
        ({"rubrics": {"x": RubricConfig("?", choices=["yes"])}}, "judge.rubrics.x.choices"),
        ({"rubrics": {"x": RubricConfig("?", choices=["True", "False"])}}, "judge.rubrics.x.choices"),
        ({"rubrics": {"x": RubricConfig(" ")}}, "judge.rubrics.x.prompt"),
        ({"rubrics": {"information": RubricConfig("?")}}, "judge.rubrics.information"),
        ({"rubrics": {"two words": RubricConfig("?")}}, "judge.rubrics.two words"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        JudgeConfig(**values)
    assert caught.value.where.startswith(where)
