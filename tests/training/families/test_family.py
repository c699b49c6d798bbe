"""Every family: there is one for each name, its checkpoint goes on where it ended, and its folder needs none of us."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.families import LABELLED, LABELS, PAIRS, elsewhere, fit, job_of, make_trainer
from tests.support.training import make_config
from training.config import Family
from training.families.family import family_of
from training.families.lora import LoraConfig
from training.families.reading import has_finite_weights, options_for_training
from training.families.scorer import score_texts
from training.workers.job import TrainingJob

SETTINGS: Mapping[Family, Mapping[str, Any]] = {
    Family.bi_encoder: {"lora": LoraConfig(rank=2)},
    Family.cross_encoder: {"num_hard_negatives": 1, "lora": LoraConfig(rank=2)},
    Family.classifier: {"labels": LABELS},
    Family.adapter: {},
}
LOADED = """
import json
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import pipeline
bi_encoder, cross_encoder, classifier, adapter = sys.argv[1:]
found = {}
for name, folder in (("bi_encoder", bi_encoder), ("adapter", adapter)):
    model = SentenceTransformer(folder, device="cpu")
    found[name] = [model.encode_query("word1 word2").tolist(), model.encode_document("word1 word2").tolist()]
found["cross_encoder"] = CrossEncoder(cross_encoder, device="cpu").predict([("word1", "word2")]).tolist()
found["classifier"] = pipeline("text-classification", classifier, device="cpu")("word1 word2")[0]
print(json.dumps(found))
"""


def job_and_batch(family: Family, base: Path, output: Path, steps: int = 4) -> tuple[TrainingJob, Any]:
    job = job_of(base, output, family=family, steps=steps, **SETTINGS[family])
    return job, LABELLED if family is Family.classifier else PAIRS


@pytest.mark.parametrize("family", Family)
def test_a_checkpoint_holds_all_that_is_trained(base: Path, tmp_path: Path, family: Family) -> None:
    job, batch = job_and_batch(family, base, tmp_path / "tuned")
    trainer = make_trainer(job, [batch] * 4, tmp_path / "work")
    trainer.train()
    trainer._save(str(tmp_path / "checkpoint"))
    fresh = make_trainer(job, [batch], tmp_path / "other")
    trained, untrained = trainer.model.state_dict(), fresh.model.state_dict()
    assert any(not torch.equal(value, untrained[name]) for name, value in trained.items())
    fresh._load_from_checkpoint(str(tmp_path / "checkpoint"))
    assert all(torch.equal(value, trained[name]) for name, value in fresh.model.state_dict().items())


def test_folders_of_all_families_load_where_we_are_not(base: Path, tmp_path: Path) -> None:
    models = {}
    for family in Family:
        job, batch = job_and_batch(family, base, tmp_path / family.value)
        models[family], _ = fit(job, batch, tmp_path / "work")
        assert family_of(job.config).is_sound(models[family])
        family_of(job.config).save(job, models[family])
    found = elsewhere(LOADED, tmp_path, *(tmp_path / family.value for family in Family))
    for family in (Family.bi_encoder, Family.adapter):
        model, (query, document) = models[family], found[family.value]
        np.testing.assert_allclose(query, model.encode_query("word1 word2"), atol=1e-5)
        np.testing.assert_allclose(document, model.encode_document("word1 word2"), atol=1e-5)
    score = torch.sigmoid(score_texts(models[Family.cross_encoder], [("word1", "word2")]))
    assert found["cross_encoder"] == pytest.approx(score.flatten().tolist(), abs=1e-5)
    best = torch.softmax(score_texts(models[Family.classifier], ["word1 word2"]), 1).max(1)
    assert found["classifier"]["score"] == pytest.approx(best.values.item(), abs=1e-5)
    assert found["classifier"]["label"] == LABELS.names[best.indices.item()]


def test_every_family_has_its_file(base: Path) -> None:
    names = [type(family_of(make_config(base, family=family))).__name__ for family in Family]
    assert names == ["BiEncoder", "CrossEncoderFamily", "Classifier", "Adapter"]


def test_models_are_read_in_full_precision(base: Path, tmp_path: Path) -> None:
    assert options_for_training()["dtype"] is torch.float32
    job, _ = job_and_batch(Family.classifier, base, tmp_path)
    assert has_finite_weights(family_of(job.config).load(job))
