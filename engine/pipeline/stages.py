"""Several models one after the other, or side by side, each measured by the same questions and pairs, and one table.

In: a RunConfig with `stages.models`. Out: its steps. Every model is a step of its own: one that goes on from another
has that one's folder among its inputs, as a later iteration has, so that a run which was cut off goes on with the next
one. Sets that are made of others share their documents and sides, so that no set teaches what another one holds out.

    examples -> (examples in another form) -> (model -> scores), for each stage -> stages
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.columns import Role
from engine.given.config import GivenConfig
from engine.given.opening import open_examples
from engine.given.recast.config import RecastConfig
from engine.given.recast.step import recast_examples
from engine.given.step import read_given
from engine.pipeline.config import STAGES_KEY, RunConfig, has_documents
from engine.pipeline.model import changed_model, check_without_documents
from engine.pipeline.reported import refuse_files
from engine.runtime.step import GIVEN, MEASURED, STAGE, Step
from engine.search.encoder import EncoderConfig
from eval.stages.config import BASE, FIRST, Point, StagesPlan, check_made_of
from eval.stages.scores.config import StageScoresConfig
from eval.stages.scores.step import score_stage
from eval.stages.step import compare_stages
from training.config import Family, ModelConfig
from training.requirements import check_examples
from training.step import train_model
from training.validation.config import Keep

_OF_ENCODERS = ("query_prefix", "passage_prefix", "max_tokens")
"""The settings of a model by which its texts are read where it is measured."""


def stages(config: RunConfig) -> list[Step]:
    """Lists the steps of a comparison of several models.

    Raises:
        UserError: a file is missing, or named that only a report measures on, or a stage cannot be trained or measured
            as it is set.
    """
    refuse_files(config, "a comparison of several models")
    settings = config.stages
    if has_documents(config):
        what = "models are compared on sets of examples, and documents are named besides"
        raise UserError(what, where=STAGES_KEY, remedy="leave out collection and documents.*")
    if not settings.measured:
        raise UserError("no set is measured on", where="stages.sets", remedy="set stages.sets.NAME.path=FILE")
    every, sets = _sets(config)
    models = {point.name: _model(config, point) for point in settings.points()}
    _check_points(config, models)
    scoring = StageScoresConfig(tuple(settings.measured), config.report.encoder, config.report, _most_queries(config))
    measured = tuple(replace(sets[name], name=name) for name in settings.measured)
    scores = [Step("scores", score_stage, scoring, measured, name=BASE, part_of=f"{MEASURED}/{BASE}")]
    every.append(scores[0])
    trained: dict[str, Step] = {}
    for point in settings.points():
        start = (trained[point.start],) if point.start else ()
        read = (sets[point.config.examples], *start)
        model = Step("model", train_model, models[point.name], read, resumable=True, part_of=f"{STAGE}/{point.name}")
        trained[point.name] = model
        first = (replace(trained[point.reranks], name=FIRST),) if point.reranks in trained else ()
        encoder = _encoder(config, models.get(point.reranks, config.model) if point.reranks else models[point.name])
        how = replace(scoring, encoder=encoder, depth=point.config.depth if point.reranks else 0)
        where = f"{MEASURED}/{point.name}"
        scores.append(Step("scores", score_stage, how, (*measured, *first, model), name=point.name, part_of=where))
        every += [model, scores[-1]]
    return [*every, Step("stages", compare_stages, StagesPlan(settings, config.report), tuple(scores))]


def check_sets(config: RunConfig) -> None:
    """Looks at the first rows of the sets whose form nobody named, and refuses what they do not fit.

    Raises:
        UserError: there are no such files, their columns are doubtful, another set cannot be made of them, or a stage
            does not read them.
    """
    _check_held_out(config)
    settings = config.stages
    unnamed = [name for name, each in settings.sets.items() if each.path and each.form is None]
    forms = {name: open_examples(_given(config, name)).columns.form for name in unnamed}
    for name, each in settings.sets.items():
        if each.of in forms:
            check_made_of(name, each.of, forms[each.of])
    for point in settings.points():
        if form := forms.get(point.config.examples):
            with _named(f"{STAGES_KEY}.{point.stage}.model"):
                check_examples(_changed(config, point), form, has_documents=False)


def _given(config: RunConfig, name: str) -> GivenConfig:
    """Returns how the files of a set are read."""
    each, examples = config.stages.sets[name], config.examples
    share, key = examples.validation_share, f"stages.sets.{name}.path"
    alone = config.stages.measured == [name]  # where there are several sets, one may do
    given = GivenConfig(each.path, each.form, each.columns, validation_share=share, seed=examples.seed, key=key)
    return replace(given, holds_out=alone)


def _check_held_out(config: RunConfig) -> None:
    """Refuses sets of which nothing will be held out, whatever they hold: no share of them, and no split of their own.

    Raises:
        UserError: there is nothing to measure on.
    """
    if config.examples.validation_share:
        return
    given = [_given(config, name) for name in config.stages.measured]
    if not any(_has_split(each) for each in given):
        raise given[0].nothing_held_out()


def _has_split(given: GivenConfig) -> bool:
    """Tells whether the files say by themselves which rows are held out."""
    opened = open_examples(given)
    return Role.split in opened.columns.names or bool(next(opened.records).split)


def _sets(config: RunConfig) -> tuple[list[Step], dict[str, Step]]:
    """Lists the steps that make all sets, and returns the last one of each; files are read first."""
    read: list[Step] = []
    sets: dict[str, Step] = {}
    cut: list[Step] = []
    seed = config.examples.seed
    for name, each in config.stages.sets.items():
        if not each.path:
            continue
        where = f"{GIVEN}/{name}"
        part = f"{where}-all" if each.limit else where
        sets[name] = Step("examples", read_given, _given(config, name), part_of=part, checks_input=True)
        read.append(sets[name])
        if each.limit:
            fewer = RecastConfig(limit=each.limit, seed=seed)
            sets[name] = Step("examples", recast_examples, fewer, (sets[name],), part_of=where)
            cut.append(sets[name])
    for name, each in config.stages.sets.items():
        if each.of:
            is_triplets = each.form is Form.triplets
            recast = RecastConfig(
                each.form,
                negatives=each.negatives if is_triplets else 0,
                hard=each.hard and is_triplets,
                language=config.language if each.hard and is_triplets else "",
                seed=seed,
            )
            sets[name] = Step("examples", recast_examples, recast, (sets[each.of],), part_of=f"{GIVEN}/{name}")
            cut.append(sets[name])
    return [*read, *cut], sets


def _model(config: RunConfig, point: Point) -> ModelConfig:
    """Returns how a stage is trained.

    Raises:
        UserError: a setting is none, or its value cannot work; or the loss does not fit the examples.
    """
    with _named(f"{STAGES_KEY}.{point.stage}.model"):
        model = _changed(config, point)
        check_without_documents(model)
        _check_validation(model)
        if form := config.stages.sets[point.config.examples].form:
            check_examples(model, form, has_documents=False)
    return model


def _changed(config: RunConfig, point: Point) -> ModelConfig:
    """Returns `model.*` with what a stage sets in its place."""
    model = changed_model(config.model, point.config.model, f"{STAGES_KEY}.{point.stage}.model")
    return replace(model, epochs=point.epochs) if point.epochs else model


def _check_validation(model: ModelConfig) -> None:
    """Refuses to choose weights by held-out examples, which the table then reports as seen by no model.

    Raises:
        UserError: with the key to change.
    """
    chosen = {"keep=best": model.validation.keep is Keep.best, "patience": model.validation.patience is not None}
    for key in (key for key, is_set in chosen.items() if is_set):
        what = "chooses a model by held-out examples, on which the stages are measured"
        raise UserError(what, where=f"model.validation.{key}", remedy="leave it out, and compare epochs by a curve")


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Lets errors name the settings of a stage by its own key, in place of `model`."""
    try:
        yield
    except UserError as error:
        if not error.where.startswith("model."):
            raise
        raise UserError(error.what, where=f"{where}{error.where[5:]}", remedy=error.remedy) from error


def _check_points(config: RunConfig, models: Mapping[str, ModelConfig]) -> None:
    """Refuses stages that could not be measured, or go on from a model of which they cannot be made.

    Raises:
        UserError: with the key to change.
    """
    for point in config.stages.points():
        where, model = f"{STAGES_KEY}.{point.stage}", models[point.name]
        is_reranker = model.family is Family.cross_encoder
        if model.family is Family.classifier:
            what = "a classifier finds no passages and compares no texts"
            raise UserError(what, where=f"{where}.model.family=classifier", remedy="choose another family")
        if is_reranker is not bool(point.reranks):
            what = "a cross_encoder orders what another stage finds" if is_reranker else "only a cross_encoder reranks"
            remedy = f"name that stage, or {BASE}" if is_reranker else "leave it out, or set model.family=cross_encoder"
            raise UserError(what, where=f"{where}.reranks={point.reranks}", remedy=remedy)
        if point.reranks in models and models[point.reranks].family is Family.cross_encoder:
            remedy = "name a stage that makes vectors"
            raise UserError("is a cross_encoder itself", where=f"{where}.reranks={point.reranks}", remedy=remedy)
        if not point.start:
            continue
        if models[point.start].family not in {Family.bi_encoder, model.family}:
            what = f"{model.family.with_article} cannot go on from {models[point.start].family.with_article}"
            raise UserError(what, where=f"{where}.start={point.start}", remedy="name a bi_encoder, or leave it out")
        _check_start(point, models[point.start], where)
        if model.base != models[point.start].base:
            what = f"goes on from {point.start}, which was made of {models[point.start].base}"
            raise UserError(what, where=f"{where}.model.base={model.base}", remedy="leave one of them out")


def _check_start(point: Point, start: ModelConfig, where: str) -> None:
    """Refuses to go on from a model that would get a second layer, or second matrices, beside those that it has."""
    key = f"{where}.epochs" if point.total_epochs else f"{where}.start={point.start}"
    if start.family is Family.adapter:
        what = "an adapter is one layer over its base, and would get another one over that"
        raise UserError(what, where=key, remedy="name a bi_encoder, or train it once, with more model.epochs")
    if start.lora.rank and not start.lora.merge:
        what = f"goes on from whole weights, and {point.start} keeps its matrices apart"
        raise UserError(what, where=key, remedy="set model.lora.merge=true there")


def _encoder(config: RunConfig, model: ModelConfig) -> EncoderConfig:
    """Returns how the vectors of a model are made where it is measured: as for the report, but for what it changes."""
    changed = {name: getattr(model, name) for name in _OF_ENCODERS}
    kept = {name: value for name, value in changed.items() if value != getattr(config.model, name)}
    return replace(config.report.encoder, model=model.base, **kept)


def _most_queries(config: RunConfig) -> int:
    """Returns how many held-out queries are measured on; fewer where something reranks, the same for every model."""
    report = config.report
    most = (report.max_held_out, report.max_reranked) if config.stages.reranks else (report.max_held_out,)
    return min(filter(None, most), default=0)
