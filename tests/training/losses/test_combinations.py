"""Family, loss and form: what makes sense is taken, all else refused with what does."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from engine.artifacts.forms import Form
from engine.errors import UserError
from tests.support.paths import ROOT
from training.config import Family
from training.losses.combinations import LOSSES, check_combination, fitting_losses, meant_loss
from training.losses.settings import Loss


def test_every_loss_has_its_traits() -> None:
    assert set(LOSSES) == set(Loss) - {Loss.auto}
    assert all(traits.forms and traits.families for traits in LOSSES.values())


@pytest.mark.parametrize(("family", "form"), itertools.product(Family, Form))
def test_a_loss_is_taken_where_it_fits_and_refused_elsewhere(family: Family, form: Form) -> None:
    fitting = fitting_losses(family, form)
    for loss in Loss:
        if loss in fitting or (loss is Loss.auto and fitting):
            check_combination(family, loss, form)
            assert meant_loss(family, loss, form) in fitting
        else:
            with pytest.raises(UserError) as caught:
                check_combination(family, loss, form)
            setting = f"model.family={family.value}" if loss is Loss.auto else f"model.loss={loss.value}"
            assert caught.value.where == setting
            assert all(fits.value in caught.value.remedy for fits in fitting)


def test_the_refusal_lists_what_makes_sense() -> None:
    with pytest.raises(UserError) as caught:
        check_combination(Family.bi_encoder, Loss.mnrl, Form.graded)
    assert caught.value.what == "no bi_encoder is trained by mnrl on examples that are graded"
    assert caught.value.remedy == "set model.loss to auto, contrastive, cosine or cosent"
    with pytest.raises(UserError) as caught:
        check_combination(Family.classifier, Loss.auto, Form.pairs, where="examples.path=pairs.csv")
    assert caught.value.where == "examples.path=pairs.csv"
    assert caught.value.what == "no classifier is trained on examples that are pairs"
    assert caught.value.remedy == (
        "set model.family to bi_encoder, cross_encoder or adapter, or give examples that are labelled"
    )


@pytest.mark.parametrize(("family", "form"), itertools.product(Family, Form))
def test_without_documents_pairs_have_no_negatives_and_no_teacher(family: Family, form: Form) -> None:
    fitting = fitting_losses(family, form)
    alone = fitting_losses(family, form, has_documents=False)
    if form is not Form.pairs:
        assert alone == fitting
    elif family is Family.cross_encoder:
        assert alone == []
    else:
        assert set(fitting) - set(alone) == ({Loss.triplet, Loss.margin_mse, Loss.kl} if fitting else set())


def test_the_refusal_of_pairs_alone_lists_what_could_work() -> None:
    with pytest.raises(UserError) as caught:
        check_combination(Family.bi_encoder, Loss.cosine, Form.pairs, has_documents=False)
    assert caught.value.remedy == "set model.loss to auto, mnrl, cached_mnrl or gist"
    with pytest.raises(UserError) as caught:
        check_combination(Family.cross_encoder, Loss.mnrl, Form.pairs, has_documents=False)
    assert caught.value.remedy == (
        "set model.family to bi_encoder or adapter, or give examples that are triplets or graded"
    )


@pytest.mark.parametrize(
    ("family", "form", "several", "loss"),
    [
        (Family.bi_encoder, Form.pairs, False, Loss.mnrl),
        (Family.bi_encoder, Form.triplets, False, Loss.mnrl),
        (Family.bi_encoder, Form.graded, False, Loss.cosent),
        (Family.bi_encoder, Form.texts, False, Loss.denoising),
        (Family.cross_encoder, Form.pairs, False, Loss.binary_cross_entropy),
        (Family.classifier, Form.labelled, False, Loss.cross_entropy),
        (Family.classifier, Form.labelled, True, Loss.binary_cross_entropy),
    ],
)
def test_what_auto_stands_for(family: Family, form: Form, several: bool, loss: Loss) -> None:
    assert meant_loss(family, Loss.auto, form, several_labels=several) is loss


def test_what_is_asked_before_a_run_loads_neither_torch_nor_ray() -> None:
    code = "import sys, training.losses.requirements as _; print({'torch', 'ray', 'transformers'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
