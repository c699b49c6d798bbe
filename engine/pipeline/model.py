"""Whether the model of a run can be made of what the run has, and be reported on; and models that differ in settings.

In: a RunConfig. Out: nothing, or a refusal before anything is generated or trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engine.errors import UserError, suggest
from engine.pipeline.config import RunConfig, last_noun, nouns_of
from training.config import SCORERS, ModelConfig
from training.losses.combinations import LOSS_KEY, LOSSES
from training.requirements import check_generated
from training.teachers.config import KEY as TEACHER_KEY
from training.validation.config import JUDGED_KEY


def check_model(config: RunConfig) -> None:
    """Refuses a family that cannot learn from generated examples, or whose report nobody can write.

    Raises:
        UserError: the run goes on to its model, and this cannot work.
    """
    nouns, until = nouns_of(config), last_noun(config)
    reached = nouns[: nouns.index(until) + 1] if until in nouns else ()
    if not {"model", "learning_curve"}.intersection(reached):
        return
    check_generated(config.model)
    if config.model.family in SCORERS:
        family = config.model.family.with_article
        if "learning_curve" in reached:
            what = f"a learning curve measures searches, and {family} makes no vectors to search by"
            raise UserError(what, where=f"model.family={config.model.family.value}", remedy="tune a bi_encoder")
        if config.report.asks:
            what = f"the report of {family} has no model asked about its queries"
            where = "report.rerank_by" if config.report.rerank_by else "report.expand"
            raise UserError(what, where=where, remedy="leave it out")


def check_without_documents(model: ModelConfig) -> None:
    """Refuses what a model can learn from documents only, in a run that has none.

    Raises:
        UserError: a teacher is asked or its scores are learned from, hard negatives are to be mined, or judged queries
            validated.
    """
    no_teacher = "a teacher scores passages of documents, and the run has none"
    if model.teacher.is_there:
        remedy = "leave it out, or name the documents (documents.path)"
        raise UserError(no_teacher, where=f"{TEACHER_KEY}.by={model.teacher.by}", remedy=remedy)
    if model.loss in LOSSES and LOSSES[model.loss].needs_teacher:
        remedy = f"set it to auto, or name the documents (documents.path) and a teacher ({TEACHER_KEY}.by)"
        raise UserError(no_teacher, where=f"{LOSS_KEY}={model.loss.value}", remedy=remedy)
    if model.num_hard_negatives:
        raise UserError(
            "hard negatives are mined from documents, and the run has none",
            where=f"model.num_hard_negatives={model.num_hard_negatives}",
            remedy="set it to 0 (a cross_encoder needs triplets then), or name the documents (documents.path)",
        )
    if model.validation.reads_judged:
        raise UserError(
            "judged queries are searched among documents, and the run has none",
            where=f"model.validation.queries={model.validation.queries.value}",
            remedy=f"leave it out, and {JUDGED_KEY}, or name the documents (documents.path)",
        )


def changed_model(model: ModelConfig, changes: Mapping[str, Any], where: str) -> ModelConfig:
    """Returns a model's config with some settings changed, as YAML writes them.

    Args:
        model: the settings that stay.
        changes: names and values of others.
        where: the key that the user wrote them under.

    Raises:
        UserError: a setting is of the wrong type, or out of range.
    """
    for name in changes:
        if name not in (known := [each.name for each in fields(ModelConfig)]):
            raise UserError(f"{name!r} is no setting of it", where=where, remedy=suggest(str(name), known))
    try:
        changed: Any = OmegaConf.to_object(OmegaConf.merge(_writable(OmegaConf.structured(model)), changes))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"cannot be read ({reason})", where=where, remedy="see the keys of model.*") from error
    assert isinstance(changed, ModelConfig)
    return changed


def _writable(node: DictConfig) -> DictConfig:
    """Lets a config take values at every depth: of frozen dataclasses OmegaConf makes nodes that are read-only."""
    OmegaConf.set_readonly(node, None)
    for name in map(str, node):
        if isinstance(child := node._get_node(name), DictConfig) and not child._is_none():
            _writable(child)
    return node
