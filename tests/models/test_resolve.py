"""Names of models: folders, and names that stand for nothing; a mistake names the key, the value and the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.models.bundled import BUNDLED
from engine.models.resolve import model_digest, resolve_model
from tests.support.models import ENCODER, refusal, write_tiny_model


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny")


def test_missing_path_names_key_value_and_bundled_models() -> None:
    error = refusal("/nope", key="samples.model")
    assert all(name in error.remedy for name in BUNDLED)
    assert "did you mean" in refusal("all-minilm-l6-v2").remedy


def test_local_folder_is_used_as_it_is(tiny: Path) -> None:
    assert resolve_model(str(tiny), key="model.base") == tiny
    before = model_digest(str(tiny), key="model.base")
    copy = tiny.rename(tiny.with_name("elsewhere"))
    assert model_digest(str(copy), key="model.base") == before, "the digest is of the content, not the path"
    (copy / "config.json").write_text("{}")
    assert model_digest(str(copy), key="model.base") != before


def test_folder_without_config_is_refused(tiny: Path) -> None:
    (tiny / "config.json").unlink()
    assert "config.json" in refusal(str(tiny)).what


def test_weights_that_can_run_code_are_refused(tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    error = refusal(str(tiny))
    assert "pytorch_model.bin" in error.what
    assert "save_pretrained" in error.remedy
    (tiny / "pytorch_model.bin").unlink()
    assert "no weights" in refusal(str(tiny)).what


def test_missing_shard_is_named(tiny: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (tiny / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002.safetensors" in refusal(str(tiny)).what


def test_no_name_at_all_is_refused() -> None:
    assert refusal("").what == "no model is named"
    with pytest.raises(UserError, match="no model is named") as caught:
        resolve_model("  ", key="model.base")
    assert caught.value.where == "model.base="


def test_each_kind_of_model_needs_its_own_config_file(tiny: Path) -> None:
    (tiny / "config.json").rename(tiny / "other.json")
    assert resolve_model(str(tiny), key="model.base", config_file="other.json") == tiny


def test_a_bundled_name_is_told_by_its_prefix() -> None:
    assert model_digest(ENCODER, key="model.base") == BUNDLED[ENCODER].sha256
