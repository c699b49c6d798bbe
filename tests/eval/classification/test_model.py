"""A classifier gives the logits of its model, whatever the batch, and says what it is by its own folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.classification.model import Classifier, load_classifier
from tests.support.given import LABELS, sentences, write_classifier
from tests.support.places import quiet_place
from tests.support.training import write_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny encoder."""
    return write_base(tmp_path_factory.mktemp("base"))


def test_logits_are_those_of_each_text_alone(base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = write_classifier(tmp_path / "model", base, temperature=1.7)
    classifier = load_classifier(folder, 64, quiet_place(tmp_path))
    texts = [*sentences(34), "word1", "word2 " * 100]
    logits = classifier.logits(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertForSequenceClassification.from_pretrained(folder)
    for number in (0, 33, 34, 35):
        tokens = tokenizer(texts[number], truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            np.testing.assert_allclose(logits[number], model.eval()(**tokens).logits[0].numpy(), atol=1e-4)
    assert (classifier.labels, classifier.several, classifier.temperature) == (list(LABELS), False, 1.7)


def test_several_labels_are_told_by_the_problem_type(base: Path, tmp_path: Path) -> None:
    classifier = Classifier(write_classifier(tmp_path / "model", base, several=True), 8)
    assert (classifier.several, classifier.temperature) == (True, 1.0)
    assert classifier.logits([]).shape == (0, 3)
    short, long = classifier.logits(["word1 " * 9, "word1 " * 30])
    np.testing.assert_allclose(short, long, atol=1e-5, err_msg="both are cut after eight tokens")
