"""The tasks that ship beside `queries`: each renders what its experiment asks for."""

from __future__ import annotations

import pytest
import yaml

from engine.command_line.compose import load_config
from engine.command_line.groups import CONF
from engine.storage.typed import from_json_values
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig
from engine.task.render import Ask, Demonstration

PASSAGE = {"title": "Kites", "text": "A kite dives\nwithout a tail."}
FEW_SHOT = {
    "arguana": "Argument for the other side:",
    "fiqa": "Question:",
    "hotpotqa": "Question that takes two facts:",
    "dbpedia": "Search:",
    "nfcorpus": "Search in plain words:",
    "touche": "Question of the debate:",
    "trec_covid": "Question:",
    "scifact": "Claim:",
    "scidocs": "Title of a paper that cites it:",
    "fever": "Statement:",
}


def task(name: str) -> TaskConfig:
    """The task of a file, read by itself: tests/test_conf.py composes all of them."""
    return from_json_values(TaskConfig, yaml.safe_load((CONF / "task" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(("name", "cue"), FEW_SHOT.items())
def test_a_few_shot_preset_shows_demonstrations_and_ends_with_its_cue(name: str, cue: str) -> None:
    config = task(name)
    assert config.name == name
    sets = [[Demonstration("Bees make honey.", "who makes honey"), Demonstration("Ice floats.", "does ice float")]]
    prompt = compile_task(config, sets).first.prompt(Ask(PASSAGE, 0, {}))
    assert isinstance(prompt, str), "a completion"
    instruction, *shown, asked = prompt.split("\n\n")
    assert instruction.startswith("Below are ")
    assert shown[0].endswith(f"honey.\n{cue} who makes honey")
    assert len(shown) == 2
    assert asked.endswith(f": Kites. A kite dives without a tail.\n{cue}")
    assert config.stop == ["\n"]


def test_few_shot_presets_ask_for_different_things() -> None:
    instructions = {task(name).instruction for name in FEW_SHOT}
    assert len(instructions) == len(FEW_SHOT) == 10


def test_the_experiment_draws_two_to_eight_of_twenty_demonstrations() -> None:
    config = load_config(["experiment=promptagator", "task=fever", "collection=x"])[0]
    shown = config.demonstrations
    assert (shown.from_qrels, shown.min_per_prompt, shown.per_prompt, shown.complete) == (20, 2, 8, False)
    assert (config.documents.max_tokens, config.samples.temperature, config.prompts.per_passage) == (128, 0.7, 4)
    assert config.examples.round_trip.enabled


def story(**conditions: str) -> dict[str, str]:
    none = dict.fromkeys(("control", "dialogue", "twist", "bad_ending", "moral"), "no")
    return none | {"noun": "kite", "verb": "dive", "place": "a farm"} | conditions


@pytest.mark.parametrize(
    ("turn", "feature", "there", "absent"),
    [
        ("plan", "twist", "quite other than it seemed", "nothing turns out otherwise"),
        ("plan", "bad_ending", "It ends badly.", "It ends well."),
        ("sentence", "dialogue", "in which somebody speaks", ""),
        ("story", "dialogue", "talk with each other", "Nobody speaks"),
        ("story", "moral", "what can be learned", "no lesson is drawn"),
    ],
)
def test_a_drawn_feature_is_asked_for_and_one_that_is_not_is_ruled_out(
    turn: str, feature: str, there: str, absent: str
) -> None:
    renderer = compile_task(task("story_features")).renderers[turn]
    answers = {"plan": {"text": "A plan."}, "sentence": {"text": "A sentence."}}
    drawn, not_drawn = (
        str(renderer.prompt(Ask(PASSAGE, 0, story(**{feature: value}), answers))) for value in ("yes", "no")
    )
    assert there in drawn
    assert there not in not_drawn
    assert absent in not_drawn
    assert not absent or absent not in drawn


@pytest.mark.parametrize("turn", ["plan", "sentence", "story"])
def test_a_control_is_told_nothing_that_was_drawn(turn: str) -> None:
    renderer = compile_task(task("story_features")).renderers[turn]
    answers = {"plan": {"text": "A plan."}, "sentence": {"text": "A sentence."}}
    drawn = {"dialogue": "yes", "twist": "yes", "bad_ending": "yes", "moral": "yes", "noun": "oar", "place": "a market"}
    controls = {
        str(renderer.prompt(Ask(PASSAGE, 0, story(control="yes", **changes), answers))) for changes in ({}, drawn)
    }
    assert len(controls) == 1
    told = controls.pop()
    assert not any(word in told for word in ("kite", "dive", "a farm", "quotation", "ends", "learned"))


def test_the_labels_of_stories_are_conditions_of_the_task() -> None:
    config = load_config(["experiment=story_features"])[0]
    assert set(config.model.label) <= set(config.task.attributes)
    assert config.model.controls == {"control": "yes"}


@pytest.mark.parametrize("label", ["very negative", "mixed"])
def test_a_review_is_asked_for_without_its_label_where_it_weighs_both(label: str) -> None:
    conditions = {"label": label, "product": "a kettle", "writer": "w", "manner": "m", "length": "one sentence"}
    renderer = compile_task(task("product_reviews")).renderers["review"]
    asked = str(renderer.prompt(Ask(PASSAGE, 0, conditions)))
    assert ("neither prevails" in asked) == (label == "mixed")
    assert ("The opinion is very negative" in asked) == (label != "mixed")
