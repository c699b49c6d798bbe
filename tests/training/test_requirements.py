"""What a family asks of its examples."""

from __future__ import annotations

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


def test_a_loss_of_another_family_is_refused() -> None:
    config = ModelConfig(seed=0, family=Family.cross_encoder, num_hard_negatives=3, loss=Loss.mnrl)
    with pytest.raises(UserError, match=r"^model\.loss=mnrl"):
        check_examples(config, Form.pairs)
