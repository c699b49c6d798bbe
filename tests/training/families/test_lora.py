"""LoRA: which weights are trained, and that a merged model is what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from engine.errors import UserError
from engine.search.encoder import Encoder, EncoderConfig
from tests.support.families import PAIRS, fit, job_of
from training.config import Family
from training.families.bi_encoder import BiEncoder
from training.families.cross_encoder import CrossEncoderFamily
from training.families.lora import LoraConfig, add_lora, merge_lora, write_weights

LORA = LoraConfig(rank=2)


def test_matrices_beside_all_linear_layers_of_the_blocks_are_trained(base: Path, tmp_path: Path) -> None:
    model = BiEncoder().load(job_of(base, tmp_path, lora=LORA))
    names = [name for name, value in model.named_parameters() if value.requires_grad]
    assert len(names) == 2 * 2 * 6, "two matrices beside six layers of two blocks"
    assert all("lora_" in name and "pooler" not in name for name in names)
    few = BiEncoder().load(job_of(base, tmp_path, lora=LoraConfig(rank=2, target_modules=["query"])))
    assert len([name for name, value in few.named_parameters() if value.requires_grad]) == 4


def test_a_head_is_trained_as_a_whole(base: Path, tmp_path: Path) -> None:
    job = job_of(base, tmp_path, family=Family.cross_encoder, num_hard_negatives=1, lora=LORA)
    names = [name for name, value in CrossEncoderFamily().load(job).named_parameters() if value.requires_grad]
    assert {name for name in names if "lora_" not in name} == {"0.model.classifier.weight", "0.model.classifier.bias"}


@pytest.mark.parametrize("merge", [True, False])
def test_a_saved_model_is_what_was_trained(base: Path, tmp_path: Path, merge: bool) -> None:
    job = job_of(base, tmp_path / "tuned", lora=LoraConfig(rank=2, merge=merge), learning_rate=1e-2)
    model, losses = fit(job, PAIRS, tmp_path / "work")
    assert losses[-1] < losses[0]
    trained = model.encode(["word1 word2"])
    BiEncoder().save(job, model)
    saved = SentenceTransformer(str(job.output), device="cpu", local_files_only=True)
    np.testing.assert_allclose(saved.encode(["word1 word2"]), trained, atol=1e-5)
    assert (job.output / "adapter_config.json").exists() is not merge
    assert (job.output / "model.safetensors").exists(), "of the base, where matrices are apart"
    encoder = Encoder(EncoderConfig(str(job.output), "", "", 48, "fp32"), device="cpu")
    assert encoder.encode_passages(["word1 word2"]).shape == (1, 32), "what searches loads it too"


def test_a_rank_of_zero_changes_nothing(base: Path, tmp_path: Path) -> None:
    model = BiEncoder().load(job_of(base, tmp_path)).transformers_model
    before = dict(model.named_parameters())
    add_lora(LoraConfig(), model)
    merge_lora(LoraConfig(), model)
    write_weights(LoraConfig(), model, tmp_path)
    assert dict(model.named_parameters()).keys() == before.keys()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value"), [("rank", -1), ("alpha", 0), ("dropout", 1.0)])
def test_settings_that_cannot_work_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"^model\.lora\.{name}={value}"):
        LoraConfig(**{name: value})  # type: ignore[arg-type]
