"""A teacher becomes steps between examples and model: none by default, and what each kind needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.artifacts.teacher import TeacherFolder
from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.adaptation import curated
from engine.pipeline.config import RunConfig, nouns_of
from engine.pipeline.steps import steps
from engine.pipeline.teaching import candidates_config, question_of_teacher, reading_model, teaching
from engine.run import wanted_steps
from engine.runtime.step import Step
from engine.search.cross_encoder import TRAINED_INPUT
from engine.search.pooling import Pooling
from engine.storage.store import NOUNS
from tests.support.command_line import CommandLineHere, FinishedRun
from tests.support.models import write_cross_encoder, write_tiny_model
from training.config import Family, ModelConfig
from training.losses.settings import Loss
from training.retriever import retriever_of

BETTER = "model.teacher.better_positive=true"


def composed(corpus: Path, *overrides: str) -> RunConfig:
    return load_config(["experiment=adapt", f"collection={corpus}", "samples=fake", *overrides])[0]


def taught(config: RunConfig) -> list[Step]:
    made = curated(config)
    return teaching(config, made.documents, made.examples)


def test_by_default_nobody_teaches(corpus: Path) -> None:
    config = composed(corpus)
    assert taught(config) == []
    assert nouns_of(config) == NOUNS
    model = next(step for step in steps(config) if step.noun == "model")
    assert [step.noun for step in model.inputs] == ["documents", "examples"]


@pytest.mark.parametrize(
    ("by", "entries"),
    [
        ("fused", ["teacher"]),
        (
            "likelihood",
            ["teaching/candidates/teacher", "teaching/scores/prompts", "teaching/scores/samples", "teacher"],
        ),
        ("relevance", ["teaching/candidates/teacher", "teaching/scores/prompts", "teaching/scores/samples", "teacher"]),
        ("cross_encoder", ["teaching/candidates/teacher", "teaching/cross_encoder/model", "teacher"]),
    ],
)
def test_each_teacher_is_made_of_its_steps(corpus: Path, by: str, entries: list[str]) -> None:
    config = composed(corpus, f"model.teacher.by={by}", BETTER)
    every = steps(config)
    first = [step.entry for step in every].index("examples") + 1
    assert [step.entry for step in every[first:]] == [*entries, "model", "report", "system"]
    model = every[-3]
    assert model.inputs[-1] == every[-4]
    assert model.inputs[-1].key == "teacher"
    assert [step.needs_engines for step in every[first:-3]] == [entry.endswith("samples") for entry in entries]
    assert wanted_steps(composed(corpus, f"model.teacher.by={by}", BETTER, "until=teacher"))[-1].entry == "teacher"
    for step in every[first:]:
        assert len(step.fingerprint) == 16


def test_candidates_are_found_as_the_base_reads_and_belong_to_their_settings_alone(corpus: Path) -> None:
    config = composed(corpus, "model.teacher.by=fused", BETTER, "language=german", "model.max_tokens=99")
    found = candidates_config(config)
    assert (found.language, found.encoder.max_tokens, found.encoder.model) == ("german", 99, config.model.base)
    [one] = taught(config)
    [other] = taught(
        composed(
            corpus,
            "model.teacher.by=fused",
            BETTER,
            "language=german",
            "model.max_tokens=99",
            "model.learning_rate=1e-5",
            "model.teacher.better_margin=1",
        )
    )
    assert one.fingerprint == other.fingerprint
    more = composed(corpus, "model.teacher.by=fused", BETTER, "model.teacher.queries=filtered")
    assert candidates_config(more).reasons == ("round_trip",)


def test_the_cross_encoder_is_trained_as_the_model_but_for_what_is_said(corpus: Path) -> None:
    config = composed(
        corpus,
        "model.teacher.by=cross_encoder",
        BETTER,
        "model.epochs=2",
        "model.teacher.training={learning_rate: 2e-5}",
    )
    trained = reading_model(config.model)
    assert (trained.family, trained.loss) == (Family.cross_encoder, Loss.auto)
    assert (trained.epochs, trained.learning_rate, trained.base) == (2, 2e-5, config.model.base)
    assert trained.retriever.model == config.model.base
    assert retriever_of(trained).max_tokens == config.model.max_tokens
    assert not trained.teacher.is_there


def test_the_cross_encoder_is_trained_whatever_the_model_alone_can_have(corpus: Path) -> None:
    by = ("model.teacher.by=cross_encoder", BETTER)
    vectors = ("model.pooling=cls", "model.symmetric=true")
    apart = composed(corpus, *by, *vectors, "model.lora.rank=4", "model.lora.merge=false")
    trained = reading_model(apart.model)
    assert retriever_of(trained).pooling is Pooling.cls, "what mines reads as the model does"
    assert (trained.pooling, trained.lora) == (Pooling.auto, replace(apart.model.lora, merge=True))
    assert apart.model.symmetric
    taught(apart)
    assert not reading_model(composed(corpus, *by, "model.guide=nowhere").model).guide
    adapter = composed(corpus, *by, "model=adapter").model
    assert adapter.learning_rate > reading_model(adapter).learning_rate == ModelConfig.learning_rate
    _, cross_encoder, _ = taught(composed(corpus, *by))
    assert cross_encoder.resumable, "as every training is"


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["model.family=cross_encoder", "model.num_hard_negatives=3"], "model.teacher.mask_false_negatives"),
        (["model.loss=triplet", "model.num_hard_negatives=1"], "model.teacher.mask_false_negatives"),
        (["model.family=classifier"], "model.teacher.by=fused"),
        (
            ["model.family=cross_encoder", "model.num_hard_negatives=3", BETTER],
            "model.teacher.better_positive",
        ),
    ],
)
def test_a_teacher_of_rows_that_have_no_use_for_it_is_refused(corpus: Path, overrides: list[str], where: str) -> None:
    masked = "model.teacher.mask_false_negatives=true"
    with pytest.raises(UserError) as caught:
        taught(composed(corpus, "model.teacher.by=fused", masked, *overrides))
    assert caught.value.where == where


def test_a_loss_that_ranks_the_positive_has_no_better_one_put_before_it(corpus: Path) -> None:
    by = ("model.teacher.by=fused", BETTER, "model.num_hard_negatives=0", "model.loss=kl")
    with pytest.raises(UserError, match=r"model.teacher.better_positive: .* set model.ranking_share=0"):
        taught(composed(corpus, *by))
    assert taught(composed(corpus, *by, "model.ranking_share=0"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("{epoch: 1}", "model.teacher.training: 'epoch' is no setting of it; did you mean 'epochs'"),
        ("{family: bi_encoder}", "model.teacher.training: 'family' is no setting of it"),
        ("{epochs: many}", "model.teacher.training: cannot be read"),
        ("{epochs: 0}", "model.epochs=0"),
    ],
)
def test_wrong_settings_of_the_cross_encoder_are_refused(corpus: Path, settings: str, said: str) -> None:
    config = composed(corpus, "model.teacher.by=cross_encoder", BETTER, f"model.teacher.training={settings}")
    with pytest.raises(UserError) as caught:
        reading_model(config.model)
    assert str(caught.value).startswith(said)


def test_a_loss_that_the_cross_encoder_cannot_be_trained_by_is_refused(corpus: Path) -> None:
    by = ("model.teacher.by=cross_encoder", BETTER)
    _, trained, _ = taught(composed(corpus, *by, "model.teacher.training={loss: listwise}"))
    assert trained.config.loss is Loss.listwise
    for loss in ("margin_mse", "mnrl"):
        with pytest.raises(UserError, match=r"^model\.teacher\.training: the cross-encoder that teaches: .*"):
            taught(composed(corpus, *by, f"model.teacher.training={{loss: {loss}}}"))


def test_a_teacher_that_there_is_not_is_refused_with_those_that_there_are(corpus: Path) -> None:
    with pytest.raises(UserError) as caught:
        wanted_steps(composed(corpus, "model.teacher.by=relevanc", BETTER))
    assert caught.value.where == "model.teacher.by=relevanc"
    assert "relevance" in caught.value.remedy


def test_a_named_cross_encoder_is_taken_and_one_that_is_none_refused(corpus: Path, tmp_path: Path) -> None:
    by = ("model.teacher.by=cross_encoder", BETTER)
    named = composed(corpus, *by, f"model.teacher.cross_encoder={write_cross_encoder(tmp_path / 'cross')}")
    assert [step.entry for step in taught(named)] == ["teaching/candidates/teacher", "teacher"]
    assert len(taught(named)[-1].fingerprint) == 16
    none = composed(corpus, *by, f"model.teacher.cross_encoder={write_tiny_model(tmp_path / 'tiny')}")
    with pytest.raises(UserError, match=r"^model\.teacher\.cross_encoder=.*is no cross-encoder"):
        _ = taught(none)[-1].fingerprint


def test_the_cross_encoder_that_a_run_trains_is_reported_and_can_be_handed_over(corpus: Path, tmp_path: Path) -> None:
    by = ("model.teacher.by=cross_encoder", BETTER, "system.reranker=trained")
    *_, report, system = steps(composed(corpus, *by))
    assert report.inputs[-1] == system.inputs[-1]
    assert system.inputs[-1].entry == "teaching/cross_encoder/model"
    assert system.inputs[-1].key == TRAINED_INPUT
    *_, report, system = steps(composed(corpus, "model.teacher.by=fused", BETTER))
    assert TRAINED_INPUT not in {step.key for step in (*report.inputs, *system.inputs)}
    with pytest.raises(UserError, match=r"^system\.reranker=trained: the run trains no .*set model\.teacher\.by=cross"):
        steps(composed(corpus, "system.reranker=trained"))
    named = write_cross_encoder(tmp_path / "cross")
    with pytest.raises(UserError, match=rf"set it to {named}"):
        steps(composed(corpus, *by, f"model.teacher.cross_encoder={named}"))


def test_likelihoods_may_be_those_of_another_model_and_its_key_is_named(corpus: Path) -> None:
    likelihood = ("model.teacher.by=likelihood", BETTER)
    config = composed(corpus, *likelihood, "model.teacher.generator={model: small}")
    assert question_of_teacher(config).generator.model == "small"
    with pytest.raises(UserError) as caught:
        question_of_teacher(composed(corpus, *likelihood, "model.teacher.generator={modell: small}"))
    assert caught.value.where == "model.teacher.generator"


def test_a_learning_curve_has_no_teacher(corpus: Path) -> None:
    config = composed(corpus, "learning_curve.shares=[1.0]", "until=learning_curve", "model.teacher.by=fused", BETTER)
    with pytest.raises(UserError, match=r"^model\.teacher\.by=fused: a learning curve has no teacher"):
        steps(config)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_likelihoods_are_planned_answered_and_found_again(
    finished_run: FinishedRun, synthmill_here: CommandLineHere
) -> None:
    synthmill = replace(synthmill_here, folder=finished_run.synthmill.folder)
    arguments = [argument for argument in finished_run.arguments if not argument.startswith("run_dir")]
    asks = ("model.teacher.by=likelihood", BETTER, "model.teacher.queries=filtered", "until=teacher", "run_dir=taught")
    done = synthmill.run(*arguments, *asks)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "likelihood: fake scores 8 passages of each query" in said
    assert "samples.generator=fake computes what the teacher says" in said
    run = synthmill.folder / "taught"
    record, scored = TeacherFolder(run / "teacher").record(), TeacherFolder(run / "teacher").read()
    assert scored.candidates.shape == (record.queries, 8)
    assert record.unscored == 0
    answers = SamplesFolder(run / "teaching" / "scores" / "samples").rows()
    column = answers["score_given_mean"].to_numpy()
    assert sorted(set(scored.scores.ravel().tolist())) == sorted(set(column.astype(np.float32).tolist()))
    assert synthmill.run("trace", "taught/teaching/scores", "0").returncode == 0
    again = synthmill.run(*arguments, *asks, "model.teacher.better_margin=1")
    assert "to generate" not in again.stdout
    assert again.stdout.count("unchanged:") == 8


def test_a_base_that_was_not_made_for_search_finds_no_candidates(corpus: Path, tmp_path: Path) -> None:
    plain = write_cross_encoder(tmp_path)
    config = composed(corpus, "model.teacher.by=fused", BETTER, f"model.base={plain}")
    assert candidates_config(config).encoder.model == "bundled:all-minilm-l6-v2"
    named = composed(corpus, "model.teacher.by=fused", BETTER, f"model.retriever.model={tmp_path}")
    assert candidates_config(named).encoder.model == str(tmp_path)
