"""The bi-encoder: what it reads while it trains, and what its saved folder says."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from tests.support.training import make_config
from training.bi_encoder import load_base, save_model


def test_the_base_reads_shorter_texts_while_it_trains(base: Path) -> None:
    config = make_config(base, train_max_tokens=24, max_tokens=48, query_prefix="query : ")
    model = load_base(config, base)
    assert model.max_seq_length == 24
    assert model.prompts == {"query": "query : ", "document": ""}
    assert {str(parameter.dtype) for parameter in model.parameters()} == {"torch.float32"}


@pytest.mark.parametrize(("max_tokens", "length"), [(48, 48), (500, 64)])
def test_a_saved_model_reads_what_is_configured_and_its_positions_allow(
    base: Path, tmp_path: Path, max_tokens: int, length: int
) -> None:
    config = make_config(base, max_tokens=max_tokens)
    save_model(load_base(config, base), config, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert not (tmp_path / "README.md").exists(), "the step writes the card"
    assert SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True).max_seq_length == length


def test_training_reads_no_more_than_the_finished_model(base: Path) -> None:
    assert load_base(make_config(base, train_max_tokens=500, max_tokens=32), base).max_seq_length == 32
