"""The adapter: queries go through one layer more, passages stay bit by bit what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from engine.models.resolve import model_digest
from engine.search.embeddings import encode_passages_cached
from engine.search.encoder import Encoder, EncoderConfig
from engine.search.passage_model import passage_model
from tests.support.families import PAIRS, fit, job_of
from tests.support.training import make_place, write_documents
from training.config import Family
from training.families.adapter import Adapter
from training.losses.settings import Loss


def load(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture(scope="module", params=["plain", "normalised"])
def bases(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base whose vectors have any length, and one whose vectors have length one."""
    if request.param == "plain":
        return base
    model, folder = load(base), tmp_path_factory.mktemp("normalised")
    model.append(Normalize())
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def test_queries_change_and_passages_do_not(bases: Path, tmp_path: Path) -> None:
    job = job_of(bases, tmp_path / "tuned", family=Family.adapter, learning_rate=1e-2)
    model, losses = fit(job, PAIRS, tmp_path / "work")
    assert losses[-1] < losses[0]
    Adapter().save(job, model)
    tuned, before = load(job.output), load(bases)
    texts = ["word1 word2", "word3"]
    assert np.array_equal(tuned.encode_document(texts), before.encode_document(texts))
    assert np.array_equal(tuned.encode(texts), before.encode(texts)), "a text that nobody says is a query is a passage"
    assert not np.allclose(tuned.encode_query(texts), before.encode_query(texts))
    assert type(tuned[-1]) is type(before[-1]) or not isinstance(before[-1], Normalize)
    assert passage_model(job.output, "its own") == model_digest(str(bases), key="test")


def test_an_adapter_of_a_tuned_model_shares_that_models_passages(base: Path, tmp_path: Path) -> None:
    earlier = load(base)
    with torch.no_grad():
        next(earlier.parameters()).add_(0.1)
    earlier.save_pretrained(str(tmp_path / "earlier"), create_model_card=False)
    job = replace(job_of(base, tmp_path / "tuned", family=Family.adapter), base=tmp_path / "earlier")
    Adapter().save(job, Adapter().load(job))
    below = model_digest(str(tmp_path / "earlier"), key="test")
    assert passage_model(job.output, "its own") == below != model_digest(str(base), key="test")
    tuned, before = load(job.output), load(tmp_path / "earlier")
    assert np.array_equal(tuned.encode_document(["word1"]), before.encode_document(["word1"]))


def test_before_training_queries_are_what_they_were(base: Path, tmp_path: Path) -> None:
    job = job_of(base, tmp_path, family=Family.adapter)
    model, before = Adapter().load(job), load(base)
    np.testing.assert_allclose(model.encode_query(["word1 word2"]), before.encode_query(["word1 word2"]), atol=1e-6)


def test_only_the_layer_is_trained_and_the_base_drops_nothing(base: Path, tmp_path: Path) -> None:
    model = Adapter().load(job_of(base, tmp_path, family=Family.adapter))
    assert [parameter.shape for parameter in model.parameters() if parameter.requires_grad] == [(32, 32)]
    model.train()
    features = model.preprocess(["word1 word2"])
    first, second = (model(dict(features), task="query")["sentence_embedding"] for _ in range(2))
    assert (first == second).all()


def test_the_loss_needs_no_look_at_the_memory(base: Path, tmp_path: Path) -> None:
    assert Adapter().loss(job_of(base, tmp_path, family=Family.adapter)) is Loss.mnrl
    assert Adapter().loss(job_of(base, tmp_path, family=Family.adapter, loss=Loss.cached_mnrl)) is Loss.cached_mnrl


def test_searching_goes_the_same_ways_and_passages_of_the_base_are_in_the_cache(base: Path, tmp_path: Path) -> None:
    job = job_of(base, tmp_path / "tuned", family=Family.adapter, learning_rate=1e-2)
    Adapter().save(job, fit(job, PAIRS, tmp_path / "work")[0])
    before, tuned = (EncoderConfig(str(folder), "", "", 48, "fp32") for folder in (base, job.output))
    searching, model = Encoder(tuned, device="cpu"), load(job.output)
    texts = ["word1 word2", "word3"]
    for found, expected in (
        (searching.encode_queries(texts), model.encode_query(texts, normalize_embeddings=True)),
        (searching.encode_passages(texts), model.encode_document(texts, normalize_embeddings=True)),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.array_equal(searching.encode_passages(texts), Encoder(before, device="cpu").encode_passages(texts))

    documents = write_documents(tmp_path / "documents", 6)
    place = make_place(tmp_path)
    vectors = [encode_passages_cached(config, documents, place).vectors for config in (before, tuned)]
    assert np.array_equal(*vectors)
    assert len(list(place.embeddings.glob("*.npy"))) == 1
