"""Which loss reads rows of which form and fits which family of models, and what `auto` stands for.

In: members of Family, Loss and Form. Out: a loss, or the refusal of a combination that makes no sense, with those that
do. It imports neither torch nor Ray, so that a run is refused before anything is generated for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.artifacts.forms import Form
from engine.errors import UserError
from training.config import Family
from training.losses.settings import Loss

LOSS_KEY = "model.loss"
"""The config key that names the loss, for messages."""


@dataclass(frozen=True)
class Traits:
    """What a loss needs.

    Attributes:
        reads: the forms of rows that it reads, by the families that it fits.
        needs_negatives: whether pairs alone are not enough, and need mined negatives.
        needs_teacher: whether it reads each query's candidates with a teacher's scores.
        most_negatives: the most negatives of a query, beside its candidates; None is any number.
        by_cosine: whether it compares vectors by cosine, whatever the model is used with.
        both_ways: whether it can train the direction from passage to query too (`model.symmetric`).
    """

    reads: Mapping[Family, frozenset[Form]]
    needs_negatives: bool = False
    needs_teacher: bool = False
    most_negatives: int | None = None
    by_cosine: bool = False
    both_ways: bool = False

    @property
    def families(self) -> frozenset[Family]:
        """Returns the families that the loss fits."""
        return frozenset(self.reads)

    @property
    def forms(self) -> frozenset[Form]:
        """Returns the forms of rows that it reads, whatever the family."""
        return frozenset(form for forms in self.reads.values() for form in forms)


def _of_encoders(*forms: Form) -> Mapping[Family, frozenset[Form]]:
    """Returns what a loss of vectors reads: an adapter is a bi-encoder with one more layer."""
    return {Family.bi_encoder: frozenset(forms), Family.adapter: frozenset(forms)}


def _of_scorers(*forms: Form) -> Mapping[Family, frozenset[Form]]:
    """Returns what a loss of a cross-encoder's scores reads."""
    return {Family.cross_encoder: frozenset(forms)}


def _of_both(*forms: Form) -> Mapping[Family, frozenset[Form]]:
    """Returns what a loss reads that compares the scores of a query's candidates, whichever model gives them."""
    return {**_of_encoders(*forms), **_of_scorers(*forms)}


_SCORED = frozenset({Form.pairs, Form.triplets, Form.graded})
_LABELLED = frozenset({Form.labelled})

LOSSES: Mapping[Loss, Traits] = {
    Loss.mnrl: Traits(_of_encoders(Form.pairs, Form.triplets), both_ways=True),
    Loss.cached_mnrl: Traits(_of_encoders(Form.pairs, Form.triplets), both_ways=True),
    Loss.gist: Traits(_of_encoders(Form.pairs, Form.triplets), most_negatives=1, by_cosine=True),
    Loss.triplet: Traits(_of_encoders(Form.pairs, Form.triplets), needs_negatives=True),
    Loss.contrastive: Traits(_of_encoders(Form.graded), by_cosine=True),
    Loss.cosine: Traits(_of_encoders(Form.graded), by_cosine=True),
    Loss.cosent: Traits(_of_encoders(Form.graded)),
    # An adapter leaves the passages' side as it is, and a plain text has no other side.
    Loss.denoising: Traits({Family.bi_encoder: frozenset({Form.texts})}),
    Loss.margin_mse: Traits(_of_both(Form.pairs), needs_teacher=True, most_negatives=0),
    Loss.kl: Traits(_of_both(Form.pairs), needs_teacher=True, most_negatives=0),
    Loss.listwise: Traits(_of_scorers(Form.pairs, Form.triplets), needs_negatives=True),
    Loss.lambda_loss: Traits(_of_scorers(Form.pairs, Form.triplets), needs_negatives=True),
    Loss.cross_entropy: Traits({Family.classifier: _LABELLED}),
    Loss.binary_cross_entropy: Traits({Family.classifier: _LABELLED, Family.cross_encoder: _SCORED}),
}
"""Every loss but `auto`."""

_AUTO: Mapping[Family, Mapping[Form, Loss]] = {
    Family.bi_encoder: {
        Form.pairs: Loss.mnrl,
        Form.triplets: Loss.mnrl,
        Form.graded: Loss.cosent,
        Form.texts: Loss.denoising,
    },
    Family.adapter: {Form.pairs: Loss.mnrl, Form.triplets: Loss.mnrl, Form.graded: Loss.cosent},
    Family.cross_encoder: dict.fromkeys(_SCORED, Loss.binary_cross_entropy),
    Family.classifier: {Form.labelled: Loss.cross_entropy},
}


def fitting_losses(family: Family, form: Form, *, has_documents: bool = True) -> list[Loss]:
    """Lists the losses that a family can be trained with on rows of a form, without `auto`.

    Args:
        family: the kind of model.
        form: what the training rows are.
        has_documents: whether negatives can be mined and a teacher can score candidates; else pairs are all there is.
    """
    fitting = [loss for loss, traits in LOSSES.items() if form in traits.reads.get(family, ())]
    if has_documents or form is not Form.pairs:
        return fitting
    return [loss for loss in fitting if not _needs_documents(family, LOSSES[loss])]


def _needs_documents(family: Family, traits: Traits) -> bool:
    """Tells whether pairs alone are not enough; a cross-encoder learns from wrong answers, whatever the loss."""
    return family is Family.cross_encoder or traits.needs_negatives or traits.needs_teacher


def remedy_for(family: Family, form: Form, *, has_documents: bool) -> str:
    """Says which losses a family can be trained with on rows of a form, or else what can be; see `fitting_losses`."""
    if fitting := fitting_losses(family, form, has_documents=has_documents):
        return f"set {LOSS_KEY} to {listed(['auto', *(loss.value for loss in fitting)])}"
    others = [other.value for other in Family if fitting_losses(other, form, has_documents=has_documents)]
    read = [other.value for other in Form if fitting_losses(family, other, has_documents=has_documents)]
    return f"set model.family to {listed(others)}, or give examples that are {listed(read)}"


def check_combination(family: Family, loss: Loss, form: Form, *, where: str = "", has_documents: bool = True) -> None:
    """Refuses a loss that does not fit the family or does not read rows of this form.

    Args:
        family: the kind of model.
        loss: the configured loss, which may be `auto`.
        form: what the training rows are.
        where: where the mistake stands; by default the loss, or the family where the loss is `auto`.
        has_documents: as for `fitting_losses`, for the remedy.

    Raises:
        UserError: the combination makes no sense; the remedy lists those that do.
    """
    fitting = fitting_losses(family, form)
    if loss in fitting or (loss is Loss.auto and fitting):
        return
    is_open = loss is Loss.auto  # nobody named a loss, so the message names none
    by = "" if is_open else f" by {loss.value}"
    setting = f"model.family={family.value}" if is_open else f"{LOSS_KEY}={loss.value}"
    what = f"no {family.value} is trained{by} on examples that are {form.value}"
    raise UserError(what, where=where or setting, remedy=remedy_for(family, form, has_documents=has_documents))


def meant_loss(family: Family, loss: Loss, form: Form, *, several_labels: bool = False) -> Loss:
    """Returns the loss itself, or what `auto` stands for.

    For `mnrl` a worker looks at its memory and may take `cached_mnrl`, which is the same loss, in place of it
    (`training.losses.auto`).

    Args:
        family: the kind of model.
        loss: the configured loss.
        form: what the training rows are; `check_combination` has let all three pass.
        several_labels: whether a row may have another number of labels than one.
    """
    if loss is not Loss.auto:
        return loss
    if form is Form.labelled and several_labels:
        return Loss.binary_cross_entropy
    return _AUTO[family][form]


def possible_losses(family: Family, loss: Loss) -> frozenset[Loss]:
    """Returns the loss itself, or all that `auto` may stand for, as long as nobody knows what the rows are."""
    if loss is not Loss.auto:
        return frozenset({loss})
    return frozenset(
        meant_loss(family, loss, form, several_labels=several) for form in _AUTO[family] for several in (False, True)
    )


def listed(names: list[str]) -> str:
    """Puts names in one phrase: `a, b or c`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
