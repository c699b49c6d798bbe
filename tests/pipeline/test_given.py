"""Training on given examples: a run of its own without documents, a part of an adaptation with them, and labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form
from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig, has_documents, kinds_of, nouns_of
from engine.pipeline.given import given, given_config, trained_on
from engine.pipeline.steps import steps
from engine.run import run, run_folder, wanted_steps
from engine.runtime.step import Step
from engine.task.config import AttributeConfig, QuotaConfig
from tests.support.paths import ROOT

SENTIMENT = ROOT / "tests" / "data" / "sentiment.jsonl"


def composed(*overrides: str) -> RunConfig:
    return load_config([*overrides, "samples=fake", "tracking=off"])[0]


def by_entry(config: RunConfig) -> dict[str, Step]:
    return {step.entry: step for step in steps(config)}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [{"query": f"question {row}", "passage": f"passage {row // 2}"} for row in range(40)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "pairs.jsonl"


def test_given_examples_alone_are_a_run_of_three_steps(pairs: Path) -> None:
    config = composed("experiment=train", f"examples.path={pairs}")
    assert kinds_of(config) == ["examples.path"]
    assert nouns_of(config) == ("examples", "model", "report")
    assert not has_documents(config)
    entries = [step.entry for step in given(config)]
    assert entries == [step.entry for step in wanted_steps(config)] == ["examples", "model", "report"]
    assert run_folder(config).name == "train-pairs"


def test_a_run_reads_them_and_needs_no_engine(pairs: Path, tmp_path: Path) -> None:
    overrides = ["experiment=train", f"examples.path={pairs}", "until=examples", "tracking=off"]
    folder = run(*load_config([*overrides, f"runs_dir={tmp_path / 'runs'}"]))
    assert ExamplesFolder(folder / "examples").record().kept == 40
    assert ExamplesFolder(folder / "examples").form() is Form.pairs


def test_the_sentences_that_ship_for_tests_are_labelled_texts(tmp_path: Path) -> None:
    overrides = ["experiment=train", f"examples.path={SENTIMENT}", "until=examples", "tracking=off"]
    folder = ExamplesFolder(run(*load_config([*overrides, f"runs_dir={tmp_path}"])) / "examples")
    assert folder.form() is Form.labelled
    assert folder.record().labels == {"negative": 100, "positive": 100}
    assert len(set(folder.kept(["text"])["text"].to_pylist())) == 200


def test_beside_documents_they_are_mixed_with_generated_ones(pairs: Path, corpus: Path) -> None:
    adapted = ("experiment=adapt", f"collection={corpus}")
    plain, made = by_entry(composed(*adapted)), by_entry(composed(*adapted, f"examples.path={pairs}"))
    assert list(made)[:2] == ["documents", "given/read/examples"]
    assert list(made)[-4:] == ["given/mixed/examples", "model", "report", "system"]
    assert made["examples"].fingerprint == plain["examples"].fingerprint, "what is generated stays"
    assert made["model"].fingerprint != plain["model"].fingerprint
    assert made["model"].inputs[1] is made["given/mixed/examples"]
    assert made["report"].inputs[3] is made["examples"], "measured is on generated examples"
    until = composed(*adapted, f"examples.path={pairs}", "until=examples", "samples.rounds=2")
    assert [step.entry for step in wanted_steps(until)].count("examples") == 2
    heavier = by_entry(composed(*adapted, f"examples.path={pairs}", "examples.weight=0.5"))
    changed = {entry for entry in made if made[entry].fingerprint != heavier[entry].fingerprint}
    assert changed == {"given/mixed/examples", "model", "report", "system"}


def test_the_settings_of_examples_are_those_of_the_step(pairs: Path) -> None:
    config = composed(
        "experiment=train",
        *(f"examples.path={pairs}", "examples.form=triplets", "examples.columns.query=a", "examples.highest_score=5"),
    )
    settings = given_config(config)
    assert (settings.form, settings.columns, settings.highest_score) == (Form.triplets, {"query": "a"}, 5.0)
    assert settings.validation_share == 0.1
    assert given_config(config, beside_generated=True).validation_share == 0.0


def test_conditions_label_generated_texts() -> None:
    config = composed("task=reviews", "documents=none", "model=classifier", "model.label=label", "until=model")
    every = steps(config)
    first, last = trained_on(config, every[0], every[3])
    assert (first, [step.entry for step in last]) == ([], ["given/labelled/examples"])
    assert [step.entry for step in wanted_steps(config)][-3:] == ["examples", "given/labelled/examples", "model"]


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["experiment=train", "until=samples"], "no step is called 'samples'"),
        (["experiment=train", "preview=3"], "preview=3: shows prompts, and given examples have none"),
        (["experiment=train", "examples.weight=0.5"], "the run does not have both"),
        (["experiment=train", "model.num_hard_negatives=2"], "hard negatives are mined from documents"),
        (
            ["experiment=train", "model.teacher.by=fused", "model.teacher.better_positive=true"],
            "model.teacher.by=fused: a teacher scores passages of documents, and the run has none",
        ),
        (
            ["experiment=train", "model.loss=kl"],
            "model.loss=kl: a teacher scores passages of documents, and the run has none; set it to auto, or name",
        ),
        (
            ["experiment=train", "model.validation.queries=both", "model.validation.judged=x"],
            "model.validation.queries=both: judged queries are searched among documents, and the run has none",
        ),
        (
            ["experiment=train", "model=classifier", "model.label=label"],
            r"model.label=label: conditions label generated texts, and examples.path has none",
        ),
        (["experiment=adapt", "collection=x", "model.num_hard_negatives=2"], "given passages are not among"),
        (["experiment=batch", "prompts.path=x"], "prompts.path: is given beside examples.path"),
        (["experiment=chunk_size", "collection=x"], "chunk_sizes.tokens: is given beside examples.path"),
        (
            ["task=reviews", "documents=none", "model=classifier", "model.label=label", "until=model"],
            "mixed with queries of passages only",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(pairs: Path, overrides: list[str], what: str) -> None:
    with pytest.raises(UserError, match=what):
        wanted_steps(composed(*overrides, f"examples.path={pairs}"))


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (
            ["task=reviews", "documents=none", "model=classifier", "model.label=lable", "until=model"],
            "did you mean 'label'",
        ),
        (
            ["task=reviews", "documents=none", "model=classifier", "model.label=[label,product]", "until=model"],
            "model.label=label: 'label' is never 'yes', so that it labels no text",
        ),
        (
            ["experiment=story_features", "model.controls={control: maybe}"],
            "model.controls.control=maybe: 'control' is never 'maybe'",
        ),
        (["experiment=story_features", "+model.controls.contrl=x"], "did you mean 'control'"),
        (["experiment=story_features", "+model.controls.moral=x"], "'moral' is a label, and controls have none"),
        (
            ["experiment=story_features", "model.controls={control: true}"],
            "model.controls.control=True: is a truth value in YAML",
        ),
        (["experiment=story_features", "task.attributes.control.values.yes=0"], "'control' is never 'yes'"),
        (["experiment=story_features", "task.attributes.control.values.no=0"], "so that all texts are controls"),
        (["experiment=story_features", "task.attributes.moral.values.yes=0"], "all texts have the same 'moral'"),
        (
            ["experiment=story_features", "~task.attributes.control.values.no"],
            "'control' is always 'yes', so that all texts are controls",
        ),
        (["experiment=adapt", "collection=x", "examples.weight=0.5"], "the run does not have both"),
    ],
)
def test_labels_and_weights_need_what_they_are_of(overrides: list[str], what: str) -> None:
    with pytest.raises(UserError, match=what):
        wanted_steps(composed(*overrides))


REVIEWS = ("task=reviews", "documents=none", "model=classifier", "until=model")
FREE = {name: AttributeConfig(values=["yes", "no"]) for name in ("free", "other")}
"""Conditions that no prompt of the reviews reads."""


def reviewed(*overrides: str, **changes: object) -> RunConfig:
    """A run that labels reviews, whose task has further conditions, and is changed."""
    config = composed(*REVIEWS, *overrides)
    task = replace(config.task, attributes={**config.task.attributes, **FREE})
    return replace(config, task=replace(task, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overrides", "changes", "where"),
    [
        (["model.label=label", "model.controls={free: 'yes'}"], {}, "model.controls.free=yes"),
        (["model.label=[free,other]"], {}, "model.label=free"),
        (
            ["model.label=label", "model.controls={free: 'yes'}", "examples.filters.judge=label"],
            {"exclude": [{"free": "yes"}, {"free": "no", "other": "yes"}]},
            "model.controls.free=yes",
        ),
    ],
)
def test_a_label_or_control_that_no_prompt_is_written_by_is_refused(
    overrides: list[str], changes: dict[str, object], where: str
) -> None:
    with pytest.raises(UserError, match=r"no prompt of the task reads the condition 'free', so that texts") as caught:
        wanted_steps(reviewed(*overrides, **changes))
    assert caught.value.where == where


@pytest.mark.parametrize(
    "changes",
    [
        {"turns": {}, "prompt": "{{ condition.free }} {{ condition.label }}"},
        {"turns": {}, "prompt": "{{ condition }}"},
        {"exclude": [{"free": "yes", "label": "positive"}]},
        {
            "quotas": [
                QuotaConfig({"free": "yes", "other": "yes"}, 1),
                QuotaConfig({"other": "no", "label": "positive"}, 1),
            ]
        },
        {
            "turns": {},
            "prompt": "{{ condition.mood }} {{ condition.label }}",
            "attributes": {
                "label": AttributeConfig(values=["positive", "negative"]),
                "free": FREE["free"],
                "mood": AttributeConfig(depends_on="free", by={"yes": ["glad"], "no": ["sad"]}),
            },
        },
    ],
)
def test_a_control_may_reach_its_text_by_another_condition(changes: dict[str, object]) -> None:
    wanted_steps(reviewed("model.label=label", "model.controls={free: 'yes'}", **changes))


def test_a_judge_may_hold_labels_against_texts_that_were_not_told_them() -> None:
    wanted_steps(reviewed("model.label=[free,other]", "examples.filters.judge=label"))


@pytest.mark.parametrize(
    ("control", "value"),
    [("pick=2", "'no, yes'"), ("from_demonstrations=true", "''"), ("values={1: 1, 2: 3}", "'1'")],
)
def test_controls_may_have_any_value_that_samples_have(control: str, value: str) -> None:
    task = f"task.attributes.control.{control}"
    wanted_steps(composed("experiment=story_features", task, f"model.controls={{control: {value}}}"))


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["model.loss=cosine"], "model.loss=cosine"),
        (["model.loss=gist", "model.symmetric=true"], "model.symmetric=true"),
        (["model.family=classifier"], "model.family=classifier"),
        (["examples.columns.query=nothing"], "examples.columns.query=nothing"),
    ],
)
def test_what_the_first_rows_tell_is_refused_before_anything_is_made(
    pairs: Path, tmp_path: Path, overrides: list[str], where: str
) -> None:
    runs = tmp_path / "runs"
    settings = ["experiment=train", f"examples.path={pairs}", "tracking=off", f"runs_dir={runs}", *overrides]
    with pytest.raises(UserError) as caught:
        run(*load_config(settings))
    assert caught.value.where == where
    assert not {"margin_mse", "kl", "triplet"}.intersection(re.split(r"\W+", caught.value.remedy))
    assert not runs.exists()


def test_a_training_on_nothing_says_which_key_is_missing() -> None:
    with pytest.raises(UserError) as caught:
        wanted_steps(composed("experiment=train"))
    assert caught.value.where == "examples.path=''"
    assert caught.value.remedy.startswith("set examples.path=FILE")


def test_a_file_of_labels_is_like_the_examples_that_a_classifier_is_trained_on() -> None:
    common = ["experiment=train", f"examples.path={SENTIMENT}", "model=classifier", f"report.labelled={SENTIMENT}"]
    made = by_entry(composed(*common))
    assert made["given/labelled/examples"].inputs == (made["examples"],)
    several = by_entry(composed(*common, "model.loss=binary_cross_entropy"))
    assert several["given/labelled/examples"].inputs == ()
