"""Loading text encoders: what the folder says, and what a plain language model is made into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from engine.search.encoder import Encoder, EncoderConfig
from engine.search.pooling import Pooling, is_decoder, load_layers, load_sentence_transformer, module_types
from tests.support.families import write_plain_llama
from tests.support.training import write_base

OPTIONS: dict[str, Any] = {"model_kwargs": {"dtype": torch.float32}, "device": "cpu"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT as sentence-transformers saves it; what it was made of lies beside it, as `plain`."""
    return write_base(tmp_path_factory.mktemp("base"))


def test_a_folder_says_of_what_it_is_made(encoder: Path) -> None:
    assert module_types(encoder) == ["Transformer", "Pooling"]
    assert module_types(encoder.parent / "plain") == []
    assert not is_decoder(encoder.parent / "plain")


@pytest.mark.parametrize(
    ("pooling", "mode"), [(Pooling.auto, "mean"), (Pooling.last, "lasttoken"), (Pooling.cls, "cls")]
)
def test_a_plain_encoder_gets_a_pooling(encoder: Path, pooling: Pooling, mode: str) -> None:
    model = load_sentence_transformer(encoder.parent / "plain", pooling, **OPTIONS)
    assert model[1].pooling_mode == mode


def test_a_plain_encoder_is_read_as_sentence_transformers_reads_it(encoder: Path) -> None:
    plain = encoder.parent / "plain"
    ours, theirs = load_sentence_transformer(plain, **OPTIONS), SentenceTransformer(str(plain), device="cpu")
    assert np.array_equal(ours.encode(["word1 word2"]), theirs.encode(["word1 word2"]))
    assert ours.max_seq_length == theirs.max_seq_length


def test_a_plain_decoder_is_searched_with_as_it_is_trained(tmp_path: Path) -> None:
    folder = write_plain_llama(tmp_path)
    assert is_decoder(folder)
    searching = Encoder(EncoderConfig(str(folder), "", "", 48, "fp32"), device="cpu")
    vectors = searching.encode_passages(["word1 word2", "word3 " * 20, "word4"])
    trained = load_sentence_transformer(folder, **OPTIONS)
    assert trained[1].pooling_mode == "lasttoken"
    np.testing.assert_allclose(
        vectors, trained.encode(["word1 word2", "word3 " * 20, "word4"], normalize_embeddings=True), atol=1e-5
    )


def test_another_pooling_needs_one_to_replace(encoder: Path, tmp_path: Path) -> None:
    layers = load_layers(encoder, "feature-extraction", model_kwargs={})
    SentenceTransformer(modules=[layers], device="cpu").save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match="no pooling among the modules Transformer"):
        load_sentence_transformer(tmp_path, Pooling.cls, **OPTIONS)


def test_a_tokenizer_without_any_end_cannot_pad(tmp_path: Path) -> None:
    folder = write_plain_llama(tmp_path)
    config = folder / "tokenizer_config.json"
    config.write_text(config.read_text().replace('"eos_token": "[SEP]"', '"eos_token": null'))
    with pytest.raises(ValueError, match="neither a token for padding nor one for the end"):
        load_layers(folder, "feature-extraction", model_kwargs={})
