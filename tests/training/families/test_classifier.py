"""The classifier: its loss, its temperature, and the folder that it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline

from tests.support.families import LABELLED, LABELS, fit, job_of, write_plain_llama
from training.config import Family
from training.families.classifier import Classifier, LabelLoss, loss_of_rows, one_hot
from training.losses.settings import Loss

FAMILY = Classifier()


@pytest.mark.parametrize("kind", ["one label", "several labels", "decoder"])
def test_it_learns_labels_and_a_pipeline_loads_it(base: Path, tmp_path: Path, kind: str) -> None:
    plain = write_plain_llama(tmp_path) if kind == "decoder" else base
    labels = replace(LABELS, several=kind == "several labels")
    job = job_of(plain, tmp_path / "tuned", labels=labels, family=Family.classifier, learning_rate=1e-2, steps=30)
    model, losses = fit(job, LABELLED, tmp_path / "work")
    assert losses[-1] < 0.5 * losses[0]
    assert FAMILY.is_sound(model)
    figures = FAMILY.save(job, model)
    config = json.loads((job.output / "config.json").read_text())
    assert config["temperature"] == figures.temperature != 1.0
    problem = "multi_label_classification" if labels.several else "single_label_classification"
    assert (config["id2label"], config["problem_type"]) == ({"0": "bees", "1": "wasps"}, problem)
    classify: Any = pipeline("text-classification", str(job.output), device="cpu")
    assert [found["label"] for found in classify(LABELLED["text"].to_pylist())] == ["bees", "wasps"]
    probabilities = sum(score["score"] for score in classify("word1 word2", top_k=None))
    assert (probabilities == pytest.approx(1)) is not labels.several


def test_rows_count_by_their_weight_and_labels_by_theirs(base: Path, tmp_path: Path) -> None:
    job = job_of(base, tmp_path, labels=LABELS, family=Family.classifier)
    model = FAMILY.load(job).eval()
    rows = [{**row, "weight": weight} for row, weight in zip(LABELLED.to_pylist(), (2.0, 0.0), strict=True)]
    batch = FAMILY.collator(job, model)(rows)
    scores = model(dict(batch["texts"]))["scores"]
    first = torch.nn.functional.cross_entropy(scores[:1], torch.tensor([0]))
    for tokens_per_pass in (0, 1):
        loss = LabelLoss(model, LABELS, tokens_per_pass)([batch["texts"]], batch["label"])
        assert loss.item() == pytest.approx(first.item(), abs=1e-5), "the mean of twice the first row and nothing"
    hot = torch.tensor([[1.0, 0.0]])
    plain = loss_of_rows(torch.zeros(1, 2), hot, several=True)
    heavier = loss_of_rows(torch.zeros(1, 2), hot, several=True, weights=torch.tensor([3.0, 1.0]))
    assert heavier.item() == pytest.approx(2 * plain.item())


def test_the_loss_follows_the_number_of_labels(base: Path, tmp_path: Path) -> None:
    for several, loss in ((False, Loss.cross_entropy), (True, Loss.binary_cross_entropy)):
        job = job_of(base, tmp_path, labels=replace(LABELS, several=several), family=Family.classifier)
        assert FAMILY.loss(job) is loss


def test_targets_are_one_where_a_row_has_the_label() -> None:
    assert one_hot([(0, 2), ()], 3).tolist() == [[1, 0, 1], [0, 0, 0]]
