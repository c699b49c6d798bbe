"""The bi-encoder: what it reads while it trains, and what its saved folder says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from tests.support.models import write_roberta
from tests.support.training import load, make_config, with_settings
from training.bi_encoder import is_sound, reading_at_most, save_model, softmax_scale


def test_the_base_reads_shorter_texts_while_it_trains(base: Path) -> None:
    model = load(make_config(base, max_tokens=48, query_prefix="query : "))
    with reading_at_most(model, 24):
        assert model.max_seq_length == 24
    assert model.max_seq_length == 48
    assert model.prompts == {"query": "query : ", "document": "", "passage": "", "corpus": ""}
    assert {str(parameter.dtype) for parameter in model.parameters()} == {"torch.float32"}


@pytest.mark.parametrize(("max_tokens", "length"), [(48, 48), (500, 64)])
def test_a_saved_model_reads_what_is_configured_and_its_positions_allow(
    base: Path, tmp_path: Path, max_tokens: int, length: int
) -> None:
    save_model(load(make_config(base, max_tokens=max_tokens)), tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert not (tmp_path / "README.md").exists(), "the step writes the card"
    assert SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True).max_seq_length == length


def test_training_reads_no_more_than_the_finished_model(base: Path) -> None:
    model = load(make_config(base, max_tokens=32))
    with reading_at_most(model, 500):
        assert model.max_seq_length == 32


@pytest.mark.parametrize(
    ("similarity", "is_normalised", "configured", "scale"),
    [("cosine", False, None, 20.0), ("dot", False, None, 1.0), ("dot", True, None, 20.0), ("dot", False, 5.0, 5.0)],
)
def test_the_scale_fits_the_similarity(
    base: Path, similarity: str, is_normalised: bool, configured: float | None, scale: float
) -> None:
    model = load(make_config(base))
    model.similarity_fn_name = similarity
    if is_normalised:
        model.append(Normalize())
    assert softmax_scale(make_config(base, scale=configured), model) == scale


def test_a_saved_model_has_the_similarity_and_the_prompts_of_its_base(base: Path, tmp_path: Path) -> None:
    prompts = {"query": "query : ", "passage": "word1 "}
    e5 = with_settings(base, tmp_path / "e5", prompts=prompts, similarity_fn_name="dot")
    config = make_config(e5)
    save_model(load(config), tmp_path / "tuned")
    model = SentenceTransformer(str(tmp_path / "tuned"), device="cpu", local_files_only=True)
    assert model.similarity_fn_name == "dot"
    assert (model.prompts["query"], model.prompts["document"]) == ("query : ", "word1 ")
    assert make_config(tmp_path / "tuned").usage() == config.usage()
    save_model(load(make_config(e5, passage_prefix="")), tmp_path / "without")
    assert make_config(tmp_path / "without").usage().passage_prefix == "", "no name keeps what the config took away"
    np.testing.assert_allclose(model.encode_document(["word2"]), model.encode(["word1 word2"]), atol=1e-6)


def test_a_roberta_is_saved_with_a_length_that_it_can_read(tmp_path: Path) -> None:
    roberta = write_roberta(tmp_path / "base", positions=34)
    save_model(load(make_config(roberta, max_tokens=64)), tmp_path / "tuned")
    model = SentenceTransformer(str(tmp_path / "tuned"), device="cpu", local_files_only=True)
    assert model.max_seq_length == 32
    assert np.isfinite(model.encode(["word " * 100])).all()


def test_only_finite_weights_and_vectors_are_sound(base: Path) -> None:
    import torch

    model = load(make_config(base))
    assert is_sound(model)
    for value in (float("nan"), 1e38):  # the second one is finite, and what is computed with it is not
        with torch.no_grad():
            next(iter(model.parameters())).fill_(1.0)
            model[0].auto_model.encoder.layer[0].output.dense.weight.fill_(value)
        assert not is_sound(model)
