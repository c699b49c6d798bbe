"""The bi-encoder: what it reads while it trains, and what its saved folder says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from engine.search.pooling import Pooling
from tests.support.families import PAIRS, fit, job_of, write_plain_llama
from tests.support.models import write_roberta
from tests.support.training import load, make_config, with_settings
from training.families.bi_encoder import BiEncoder, is_sound, save_model
from training.families.reading import reading_at_most


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


@pytest.mark.parametrize("pooling", [Pooling.auto, Pooling.mean])
def test_a_decoder_becomes_an_encoder_that_pads_on_the_right(tmp_path: Path, pooling: Pooling) -> None:
    job = job_of(write_plain_llama(tmp_path), tmp_path / "tuned", pooling=pooling)
    model, losses = fit(job, PAIRS, tmp_path / "work")
    assert losses[-1] < losses[0]
    BiEncoder().save(job, model)
    saved = SentenceTransformer(str(job.output), device="cpu", local_files_only=True)
    assert saved[1].pooling_mode == ("lasttoken" if pooling is Pooling.auto else "mean")
    assert (saved.tokenizer.pad_token, saved.tokenizer.padding_side) == ("[SEP]", "right")
    assert saved.modalities == ["text"], "a text is read as it is, not as the turn of a chat"
    alone, padded = saved.encode("word1 word2"), saved.encode(["word1 word2", "word3 " * 20])[0]
    np.testing.assert_allclose(alone, padded, atol=1e-5)


def test_another_pooling_takes_the_place_of_the_folders(base: Path, tmp_path: Path) -> None:
    model = load(make_config(base, pooling=Pooling.cls))
    save_model(model, tmp_path)
    saved = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    assert saved[1].pooling_mode == "cls"
    assert not np.allclose(saved.encode("word1 word2"), load(make_config(base)).encode("word1 word2"))


def test_each_column_has_its_prefix(base: Path, tmp_path: Path) -> None:
    columns = ("query", "passage", "negative_0", "negative_1")
    job = replace(job_of(base, tmp_path, query_prefix="q: ", passage_prefix="p: "), columns=columns)
    prompts = BiEncoder().text_arguments(job)["prompts"]
    assert prompts == {"query": "q: ", "passage": "p: ", "negative_0": "p: ", "negative_1": "p: "}
