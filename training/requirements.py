"""What a family asks of its examples, found out before any are made.

In: a ModelConfig and what its examples will be. Out: nothing, or a refusal.
"""

from __future__ import annotations

from engine.artifacts.forms import Form
from engine.errors import UserError
from training.config import Family, ModelConfig
from training.losses.combinations import LOSSES, meant_loss, remedy_for
from training.losses.requirements import check_model


def check_generated(config: ModelConfig) -> None:
    """Refuses a training that queries of passages, or texts labelled by their conditions, are no examples for.

    Raises:
        UserError: a classifier has no condition for its label, or the family or its loss needs other examples.
    """
    if config.family is Family.classifier and not config.label:
        what = "generated texts have conditions, and one of them is the label of a classifier"
        raise UserError(what, where="model.label=", remedy="name a condition of the task (task.attributes)")
    check_examples(config, Form.labelled if config.label else Form.pairs, has_teacher=config.teacher.is_there)


def check_examples(config: ModelConfig, form: Form, *, has_teacher: bool = False, has_documents: bool = True) -> None:
    """Refuses a training that examples of a form are no examples for.

    Args:
        config: how the base is tuned.
        form: what the examples are.
        has_teacher: whether each query has candidates with the scores of a teacher.
        has_documents: whether there is something to mine negatives from, and to have a teacher score.

    Raises:
        UserError: the loss of the family does not read them, or a cross-encoder would see no wrong answers.
    """
    check_model(config, config.family, form, has_teacher=has_teacher, has_documents=has_documents)
    has_others = config.num_hard_negatives or LOSSES[meant_loss(config.family, config.loss, form)].needs_teacher
    if config.family is Family.cross_encoder and form is Form.pairs and not has_others:
        what = "a cross_encoder learns from passages that do not answer a query too"
        where = f"model.num_hard_negatives={config.num_hard_negatives}"
        remedy = "set it to 1 or more, as model=cross_encoder does"
        if not has_documents:
            where, remedy = "model.family=cross_encoder", remedy_for(config.family, form, has_documents=False)
        raise UserError(what, where=where, remedy=remedy)
