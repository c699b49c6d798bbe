"""The steps of a teacher, between examples and model: candidates, and whatever scores them anew.

In: a RunConfig, and the steps of documents and examples. Out: steps, of which the last makes the teacher's folder.

    fused          teacher
    cross_encoder  candidates -> (model, where none is named) -> teacher
    likelihood     candidates -> prompts -> samples -> teacher
    a rubric       the same
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from engine.errors import UserError, suggest
from engine.handover.config import RERANKER_KEY
from engine.judge.pairs import PairQuestion, pair_question
from engine.pipeline.config import RunConfig
from engine.pipeline.generation import generation
from engine.pipeline.model import changed_model
from engine.runtime.step import TEACHING, Step
from engine.samples.config import SamplesConfig
from engine.search.cross_encoder import TRAINED, TRAINED_INPUT, CrossEncoderConfig
from engine.search.pooling import Pooling
from training.config import SCORERS, Family, ModelConfig
from training.losses.combinations import LOSSES
from training.losses.settings import Loss
from training.negative_settings import RetrieverConfig
from training.requirements import check_generated
from training.retriever import retriever_of
from training.step import train_model
from training.teachers.config import CROSS_ENCODER, FUSED, KEY, MODES, NONE, TeacherConfig
from training.teachers.pairs.step import plan_questions
from training.teachers.scoring.step import score_candidates
from training.teachers.settings import (
    ANSWERS,
    CANDIDATES,
    CandidatesConfig,
    QuestionConfig,
    ScoringConfig,
)
from training.teachers.step import find_candidates
from training.validation.config import ValidationConfig

_NEGATIVES = 3
"""The mined negatives of each query of a cross-encoder, which sees no other row of a batch."""
_SET_APART = frozenset({"family", "teacher"})
"""The settings of a model that a cross-encoder which teaches cannot have otherwise."""


def teaching(config: RunConfig, documents: Step, examples: Step) -> list[Step]:
    """Lists the steps of the run's teacher; none by default.

    Raises:
        UserError: there is no such teacher, or a setting of it cannot work.
    """
    teacher, loss = config.model.teacher, config.model.loss
    reads = loss in LOSSES and LOSSES[loss].needs_teacher
    if teacher.is_there:
        _check_rows(config.model)
    ranks = loss is Loss.kl and config.model.ranking_share > 0
    mined = config.model.num_hard_negatives
    teacher.check_use(reads_candidates=reads, num_hard_negatives=mined, ranks_positive=ranks)
    if not teacher.is_there:
        return []
    if config.examples.path:
        what, where = "candidates are searched among the documents, and given passages are not there", "examples.path"
        raise UserError(what, where=where, remedy=f"leave it out, or set {KEY}.by=none")
    candidates = Step("teacher", find_candidates, candidates_config(config), (documents, examples))
    if teacher.by == FUSED:
        return [candidates]
    candidates = replace(candidates, name=CANDIDATES, part_of=f"{TEACHING}/{CANDIDATES}")
    known = (documents, examples, candidates)
    if teacher.by == CROSS_ENCODER:
        return [candidates, *_by_cross_encoder(config, known)]
    question = question_of_teacher(config)
    asked = QuestionConfig(question.task, teacher.reasons())
    plan = Step("prompts", plan_questions, asked, known, part_of=f"{TEACHING}/scores")
    answers = generation(question.generator, documents, plan, name=ANSWERS)
    scoring = ScoringConfig(teacher.reasons(), criterion=question.criterion)
    return [candidates, plan, answers, Step("teacher", score_candidates, scoring, (*known, answers))]


def trained_cross_encoder(config: RunConfig, taught: Sequence[Step]) -> list[Step]:
    """Returns the step that trains a cross-encoder among those of a teacher; none where none is trained.

    Raises:
        UserError: it is to be handed over, and is not there.
    """
    trained = [step for step in taught if step.name == TRAINED_INPUT]
    if config.system.reranker == TRAINED and not trained:
        what, named = "the run trains no cross-encoder", config.model.teacher.cross_encoder
        remedy = f"set {KEY}.by={CROSS_ENCODER}, as experiment=distill does, or name a folder or a hub id"
        remedy = f"set it to {named}" if named else remedy
        raise UserError(what, where=f"{RERANKER_KEY}={TRAINED}", remedy=remedy)
    return trained


def _check_rows(model: ModelConfig) -> None:
    """Refuses a teacher that would score many passages for a model whose rows have no use for it.

    Raises:
        UserError: with the key to change.
    """
    teacher = model.teacher
    if model.family is Family.classifier:
        what = "a classifier reads texts, and a teacher scores passages for queries"
        raise UserError(what, where=f"{KEY}.by={teacher.by}", remedy=f"set it to {NONE}")
    if teacher.better_positive and model.family is Family.cross_encoder:
        what = "puts another passage in the place of the own one, and a cross_encoder learns from mined ones besides"
        raise UserError(what, where=f"{KEY}.better_positive", remedy="leave it out, or train a bi_encoder")
    alone = model.family.value if model.family in SCORERS else model.loss.value
    if teacher.mask_false_negatives and (model.family in SCORERS or model.loss is Loss.triplet):
        what = f"is for passages of other rows, and {alone} ranks no row against another"
        raise UserError(what, where=f"{KEY}.mask_false_negatives", remedy="leave it out")


def candidates_config(config: RunConfig) -> CandidatesConfig:
    """Returns how candidates are found: what searches for them is what hard negatives are mined with."""
    model = config.model
    return CandidatesConfig.of(model.teacher, retriever_of(model), config.language, model.seed)


def question_of_teacher(config: RunConfig) -> PairQuestion[SamplesConfig]:
    """Returns the question by which candidates are scored.

    Raises:
        UserError: the teacher is neither a way to score nor a rubric, or the model cannot answer.
    """
    by, settings = config.model.teacher.by, config.model.teacher.generator
    if by not in (*MODES, *config.judge.rubrics):
        remedy = suggest(by, [*MODES, *config.judge.rubrics])
        raise UserError(f"there is no teacher {by!r}", where=f"{KEY}.by={by}", remedy=remedy)
    return pair_question(config.judge, by, config.samples, settings, f"{KEY}.by", another=f"{KEY}.generator")


def reading_model(model: ModelConfig) -> ModelConfig:
    """Returns how the cross-encoder is trained that teaches: as the model, but for what `model.teacher.training` says.

    Its loss is the usual one of cross-encoders, with three mined negatives a query, and it has no teacher of its own.
    All its weights are trained, so that the rate of an adapter, which is that of one new layer, is not taken.

    Raises:
        UserError: there is no such setting, it is of the wrong type, or out of range.
    """
    where, allowed = f"{KEY}.training", [each.name for each in fields(ModelConfig) if each.name not in _SET_APART]
    for name in model.teacher.training:
        if name not in allowed:
            remedy = suggest(str(name), allowed)
            raise UserError(f"{name!r} is no setting of it", where=where, remedy=remedy)
    alone = replace(
        model,
        family=Family.cross_encoder,
        loss=Loss.auto,
        teacher=TeacherConfig(),
        num_hard_negatives=_NEGATIVES,
        query_prefix=None,  # it reads texts as they are, and has no vectors
        passage_prefix=None,
        pooling=Pooling.auto,
        retriever=_retriever(model),
        lora=replace(model.lora, merge=True),  # its head is trained beside them
        learning_rate=ModelConfig.learning_rate if model.family is Family.adapter else model.learning_rate,
        matryoshka=[],
        symmetric=False,
        guide="",
        base_share=None,  # its head is new
        iterations=1,
        validation=ValidationConfig(),
    )
    return changed_model(alone, model.teacher.training, where)


def _retriever(model: ModelConfig) -> RetrieverConfig:
    """Returns what mines for a cross-encoder that teaches: what searches for the model, and reads as it does there."""
    encoder = retriever_of(model)
    return RetrieverConfig(
        encoder.model, encoder.query_prefix, encoder.passage_prefix, encoder.max_tokens, encoder.pooling
    )


def _by_cross_encoder(config: RunConfig, known: tuple[Step, ...]) -> list[Step]:
    teacher = config.model.teacher
    reader = CrossEncoderConfig(teacher.cross_encoder, teacher.max_tokens, key=f"{KEY}.cross_encoder")
    scoring = ScoringConfig(teacher.reasons(), cross_encoder=reader)
    if teacher.cross_encoder:
        return [Step("teacher", score_candidates, scoring, known)]
    reading = reading_model(config.model)
    try:
        check_generated(reading)
    except UserError as error:
        what = f"the cross-encoder that teaches: {error.what} ({error.where})"
        raise UserError(what, where=f"{KEY}.training", remedy=error.remedy) from error
    trained = Step("model", train_model, reading, known[:2], resumable=True)
    trained = replace(trained, name=TRAINED_INPUT, part_of=f"{TEACHING}/{TRAINED_INPUT}")
    return [trained, Step("teacher", score_candidates, scoring, (*known, trained))]
