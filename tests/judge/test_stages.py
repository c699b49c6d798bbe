"""The questions of a run to its judges: their order, the models of a cascade, and what an edit makes anew."""

from dataclasses import replace
from typing import Any

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.filters.chain import FiltersConfig
from engine.generation.config import GeneratorKind
from engine.judge.config import InformationConfig, JudgeConfig, RubricConfig
from engine.judge.stages import Stage, judge_is_generator, judge_stages
from engine.pipeline.steps import steps
from engine.samples.config import SamplesConfig

FAKE = SamplesConfig(generator=GeneratorKind.fake, seed=0)
ASKED = "{{ query }}? {{ choices | join }}"
JUDGE = JudgeConfig(
    rubrics={"clarity": RubricConfig(ASKED), "relevance": RubricConfig(ASKED, threshold=0.7)},
    information=InformationConfig("{{ passage.text }}", "Q:"),
)


def stages_of(
    judge: JudgeConfig, *rubrics: str, least: float | None = None, **generator: Any
) -> list[Stage[SamplesConfig]]:
    filters = FiltersConfig(judge=list(rubrics), min_information=least)
    return judge_stages(judge, filters, replace(FAKE, **generator), {})


def test_nothing_is_asked_where_no_filter_wants_it() -> None:
    assert stages_of(JUDGE) == []


def test_the_cheap_likelihoods_come_first_and_then_the_rubrics_as_they_are_listed() -> None:
    every = stages_of(JUDGE, "relevance", "clarity", least=0.0)
    assert [stage.name for stage in every] == ["information", "relevance", "clarity"]
    assert [len(stage.plan.earlier) for stage in every] == [0, 1, 2]
    lines = [(stage.criterion.reason, stage.criterion.reject_below, stage.criterion.keep_from) for stage in every]
    assert lines == [("information", 0.0, 0.0), ("judge", 0.7, 0.7), ("judge", 0.5, 0.5)]


def test_the_generator_judges_on_its_own_engines_unless_another_is_named() -> None:
    [stage] = stages_of(JUDGE, "clarity")
    assert stage.generator.engines_key() == FAKE.engines_key()
    judge = replace(JUDGE, model="bundled:smollm2-135m-instruct", settings={"instruct": True, "context_tokens": 512})
    [stage] = stages_of(judge, "clarity", model="other")
    assert (stage.generator.model, stage.generator.instruct) == ("bundled:smollm2-135m-instruct", True)
    assert stage.generator.engines_key() != FAKE.engines_key()


def test_each_model_of_a_cascade_is_loaded_once_and_asked_each_rubric() -> None:
    judge = replace(JUDGE, cascade=[{"model": "small"}], model="large", sure=0.8)
    every = stages_of(judge, "clarity", "relevance", least=0.5)
    assert [(stage.name, stage.generator.model) for stage in every] == [
        ("information", "small"),
        ("clarity", "small"),
        ("relevance", "small"),
        ("clarity-2", "large"),
        ("relevance-2", "large"),
    ]
    first, second = (every[place].criterion for place in (1, 3))
    assert (first.reject_below, first.keep_from) == pytest.approx((0.2, 0.8))
    assert (second.reject_below, second.keep_from, second.rubric) == (0.5, 0.5, "clarity")
    strict = replace(judge, rubrics={"clarity": RubricConfig(ASKED, threshold=0.95)})
    lines = [(stage.criterion.reject_below, stage.criterion.keep_from) for stage in stages_of(strict, "clarity")]
    assert lines == [pytest.approx((0.2, 0.95)), (0.95, 0.95)], "a cheap model accepts nothing below the threshold"


@pytest.mark.parametrize(
    ("judge", "rubric", "where"),
    [
        (JUDGE, "relevanse", "examples.filters.judge"),
        (replace(JUDGE, settings={"seed": 3}), "clarity", "judge.settings"),
        (replace(JUDGE, cascade=[{"model": 3}]), "clarity", "judge.cascade[0].model"),
        (replace(JUDGE, rubrics={"x": RubricConfig("{{ nothing }}")}), "x", "judge.rubrics.x"),
        (replace(JUDGE, rubrics={"x": RubricConfig("{{ query }}", instruction="{{ x")}), "x", "judge.rubrics.x"),
        (replace(JUDGE, rubrics={"x": RubricConfig("{{ query }} is {{ label }}?")}), "x", "judge.rubrics.x"),
    ],
)
def test_mistakes_are_named_before_anything_is_made(judge: JudgeConfig, rubric: str, where: str) -> None:
    with pytest.raises(UserError) as caught:
        stages_of(judge, rubric)
    assert caught.value.where == where


def test_a_model_that_is_not_there_is_named_by_the_key_of_the_judge() -> None:
    with pytest.raises(UserError) as caught:
        stages_of(replace(JUDGE, model="bundled:nothing"), "clarity", generator=GeneratorKind.vllm)
    assert caught.value.where.startswith("judge.model")


def test_a_model_of_the_cascade_that_is_not_there_is_named_by_its_place() -> None:
    with pytest.raises(UserError) as caught:
        stages_of(replace(JUDGE, cascade=[{"model": "bundled:nothing"}]), "clarity", generator=GeneratorKind.vllm)
    assert caught.value.where.startswith("judge.cascade[0].model")


def test_a_generator_with_an_adapter_is_no_judge_and_another_model_is_asked_without_it() -> None:
    with pytest.raises(UserError, match="a model with an adapter cannot score"):
        stages_of(JUDGE, "clarity", generator=GeneratorKind.vllm, lora="adapter")
    judge = replace(JUDGE, model="bundled:smollm2-135m-instruct", settings={"instruct": True})
    [stage] = stages_of(judge, "clarity", generator=GeneratorKind.vllm, lora="adapter")
    assert not stage.generator.lora
    with pytest.raises(UserError, match="a model with an adapter cannot score"):
        stages_of(
            replace(judge, settings={"instruct": True, "lora": "its own"}), "clarity", generator=GeneratorKind.vllm
        )


def test_a_judge_that_is_the_generator_is_known() -> None:
    writer = SamplesConfig(seed=0)
    other = writer.model

    def judges_itself(judge: JudgeConfig, generator: SamplesConfig, *rubrics: str) -> bool:
        filters = FiltersConfig(judge=list(rubrics), min_information=0.0)
        return judge_is_generator(judge_stages(judge, filters, generator, {}), generator)

    assert judges_itself(JUDGE, writer, "clarity")
    assert not judges_itself(JUDGE, writer), "likelihoods are no opinion"
    assert judges_itself(replace(JUDGE, model=other), writer, "clarity")
    assert not judges_itself(replace(JUDGE, model=other), replace(writer, model="another"), "clarity")
    mixed = replace(writer, model="another", mix={"a": {"share": 1.0, "model": other}, "b": {"share": 1.0}})
    assert judges_itself(replace(JUDGE, model=other), mixed, "clarity")


def fingerprints(*overrides: str) -> dict[str, str]:
    config, _ = load_config(["samples=fake", "documents.path=x", *overrides])
    return {step.entry: step.fingerprint for step in steps(config) if step.noun in {"prompts", "samples", "examples"}}


@pytest.fixture
def corpus_here(corpus: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").symlink_to(tmp_path / "corpus")


@pytest.mark.usefixtures("corpus_here")
def test_an_edited_rubric_has_its_judgements_made_anew_and_a_threshold_only_the_examples() -> None:
    asked = "examples.filters.judge=[clarity,relevance]"
    before = fingerprints(asked)

    def changed(*overrides: str) -> set[str]:
        after = fingerprints(asked, *overrides)
        return {entry for entry in before if before[entry] != after[entry]}

    parts = {f"judge/{name}/{noun}" for name in ("clarity", "relevance") for noun in ("prompts", "samples")}
    assert before.keys() == {"prompts", "samples", "examples", *parts}
    assert changed("judge.rubrics.relevance.threshold=0.6") == {"examples"}
    last = {"judge/relevance/prompts", "judge/relevance/samples", "examples"}
    assert changed("judge.rubrics.relevance.instruction='Be strict. '") == last
    assert changed("judge.rubrics.clarity.threshold=0.6") == last, "whom it settles is not asked again"
    asked_about = {"judge/clarity/prompts", "judge/clarity/samples", *last}
    assert changed("examples.filters.max_words=20") == asked_about, "who is filtered is not asked about"
    assert changed("judge.rubrics.label.threshold=0.1", "judge.information.without=x") == set(), "nobody asks for it"


@pytest.mark.usefixtures("corpus_here")
def test_without_a_judge_its_settings_change_nothing() -> None:
    assert fingerprints() == fingerprints("judge.model=x", "judge.rubrics.relevance.threshold=0.1", "judge.sure=0.7")
    every = steps(load_config(["samples=fake", "documents.path=x", "samples.rounds=2"])[0])
    nouns = ["prompts", "samples", "examples"]
    assert [step.entry for step in every] == ["documents", *nouns, *nouns, "model", "report", "system"]


@pytest.mark.usefixtures("corpus_here")
def test_the_samples_of_every_round_are_judged_and_those_of_round_zero_are_not() -> None:
    overrides = ["samples.rounds=2", "examples.filters.judge=clarity", "demonstrations.self_instruct=3"]
    every = [step.entry for step in steps(load_config(["samples=fake", "documents.path=x", *overrides])[0])]
    a_round = ["prompts", "samples", "judge/clarity/prompts", "judge/clarity/samples", "examples"]
    zero = [f"round_0/demonstrations/{noun}" for noun in ("prompts", "samples", "examples")]
    assert every == ["documents", *zero, *a_round, *a_round, "model", "report", "system"]


def test_samples_that_no_model_can_be_asked_about_do_not_stop_the_run_at_the_end_of_a_cascade() -> None:
    overrides = ["examples.filters.judge=clarity", "judge.cascade=[{context_tokens: 256}]"]
    every = {step.entry: step for step in steps(load_config(["samples=fake", "documents.path=x", *overrides])[0])}
    first, last = (every[f"judge/{name}/samples"].config for name in ("clarity", "clarity-2"))
    assert (first.max_failed_share, last.max_failed_share) == (0.5, 1.0)
    assert (first.context_tokens, last.context_tokens) == (256, SamplesConfig.context_tokens)
