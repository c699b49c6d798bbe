"""Bases that a family cannot be made of are refused by their files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from engine.errors import UserError
from engine.runtime.identity import identity_of
from engine.search.pooling import Pooling
from tests.support.families import PAIRS, fit, job_of
from tests.support.models import write_cross_encoder, write_tiny_model
from tests.support.training import make_config
from training.base import check_classifier, check_encoder
from training.config import Family
from training.families.adapter import Adapter


def test_a_cross_encoder_is_no_base_of_vectors(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(write_cross_encoder(tmp_path)), device="cpu").save_pretrained(str(tmp_path / "saved"))
    with pytest.raises(UserError, match="is a cross-encoder and has no vectors"):
        check_encoder(tmp_path / "saved", Pooling.auto, "model.base=x", plain=True)
    with pytest.raises(UserError, match=r"^model\.base=.*saved: is a cross-encoder"):
        identity_of(make_config(tmp_path / "saved"))


def test_an_adapter_needs_an_encoder_that_has_none(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a plain language model.*model\.family=bi_encoder"):
        identity_of(make_config(write_tiny_model(tmp_path / "plain"), family=Family.adapter))
    job = job_of(base, tmp_path / "tuned", family=Family.adapter, steps=1)
    Adapter().save(job, fit(job, PAIRS, tmp_path / "work")[0])
    for family in (Family.adapter, Family.bi_encoder):
        with pytest.raises(UserError, match="has a layer for queries alone already"):
            identity_of(make_config(job.output, family=family))


def test_a_pooling_takes_the_place_of_one_that_is_there(base: Path, tmp_path: Path) -> None:
    SentenceTransformer(modules=[SentenceTransformer(str(base), device="cpu")[0]]).save_pretrained(str(tmp_path))
    check_encoder(base, Pooling.cls, "model.base=x", plain=True)
    with pytest.raises(UserError, match=r"^model\.pooling=cls: there is no pooling to replace; .* the modules Transf"):
        check_encoder(tmp_path, Pooling.cls, "model.base=x", plain=True)


def test_a_type_without_a_head_for_scores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(UserError, match=r"^model\.base=x: transformers has no head for scores on a model of type clip"):
        check_classifier(tmp_path, "model.base=x")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    check_classifier(tmp_path, "model.base=x")
