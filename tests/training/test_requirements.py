"""What a family asks of its examples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.artifacts.forms import Form
from engine.errors import UserError
from training.config import Family, ModelConfig
from training.losses.settings import Loss
from training.requirements import check_examples, check_generated


def test_a_classifier_of_generated_texts_needs_a_condition_for_its_label() -> None:
    check_generated(ModelConfig(seed=0, family=Family.classifier, label="tone"))
    with pytest.raises(UserError, match=r"^model\.label=: generated texts have conditions"):
        check_generated(ModelConfig(seed=0, family=Family.classifier))


def test_a_cross_encoder_needs_wrong_answers() -> None:
    config = ModelConfig(seed=0, family=Family.cross_encoder)
    for form in (Form.triplets, Form.graded):
        check_examples(config, form)
    with pytest.raises(UserError, match=r"^model\.num_hard_negatives=0: .*; set it to 1 or more"):
        check_generated(config)
    check_generated(ModelConfig(seed=0, family=Family.cross_encoder, num_hard_negatives=3))


def test_a_cross_encoder_of_pairs_alone_is_not_told_to_mine() -> None:
    config = ModelConfig(seed=0, family=Family.cross_encoder)
    with pytest.raises(UserError) as caught:
        check_examples(config, Form.pairs, has_documents=False)
    assert caught.value.where == "model.family=cross_encoder"
    assert caught.value.remedy.endswith("or give examples that are triplets or graded")


@pytest.mark.parametrize("loss", [Loss.listwise, Loss.lambda_loss])
def test_a_loss_that_compares_passages_needs_negatives(loss: Loss) -> None:
    config = ModelConfig(seed=0, family=Family.cross_encoder, loss=loss)
    check_examples(config, Form.triplets)
    check_generated(replace(config, num_hard_negatives=3))
    with pytest.raises(UserError, match=r"^model\.num_hard_negatives=0: .* needs a negative"):
        check_generated(config)
    with pytest.raises(UserError, match=r"set model\.loss to auto or binary_cross_entropy"):
        check_examples(config, Form.graded)
    with pytest.raises(UserError, match=r"no bi_encoder is trained by"):
        check_generated(replace(config, family=Family.bi_encoder))


@pytest.mark.parametrize("loss", [Loss.margin_mse, Loss.kl])
def test_a_cross_encoder_learns_from_a_teacher_without_mined_negatives(loss: Loss) -> None:
    config = ModelConfig(seed=0, family=Family.cross_encoder, loss=loss)
    check_examples(config, Form.pairs, has_teacher=True)
    with pytest.raises(UserError, match=r"and there is no teacher; set model\.teacher\.by=fused"):
        check_examples(config, Form.pairs)
    with pytest.raises(UserError, match=r"set it to at most 0"):
        check_examples(replace(config, num_hard_negatives=3), Form.pairs, has_teacher=True)


def test_a_loss_of_another_family_is_refused() -> None:
    config = ModelConfig(seed=0, family=Family.cross_encoder, num_hard_negatives=3, loss=Loss.mnrl)
    with pytest.raises(UserError, match=r"^model\.loss=mnrl"):
        check_examples(config, Form.pairs)
