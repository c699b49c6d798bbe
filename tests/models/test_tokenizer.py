"""Tokenizers of models: what is refused, for which key, and that counts are of whole texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.errors import UserError
from engine.models.tokenizer import load_tokenizer, tokenizer_file
from tests.support.models import ENCODER, LANGUAGE_MODEL
from tests.support.paths import ROOT


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The smallest folder that passes for a model; it has no tokenizer."""
    (tmp_path / "config.json").write_text("{}")
    save_file({"weight": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize(("name", "key"), [(ENCODER, "documents.tokenizer"), (LANGUAGE_MODEL, "samples.model")])
def test_bundled_models_have_tokenizers(name: str, key: str) -> None:
    assert tokenizer_file(name, key=key).name == "tokenizer.json"
    assert load_tokenizer(name, key=key).encode("two words").tokens


@pytest.mark.parametrize(
    ("key", "what", "remedy"),
    [
        ("samples.model", "the model folder has no tokenizer.json", "save it with tokenizer.save_pretrained"),
        ("documents.tokenizer", "the model has no fast tokenizer (", "set documents.tokenizer to a model with"),
    ],
)
def test_a_model_without_a_fast_tokenizer_is_named(model: Path, key: str, what: str, remedy: str) -> None:
    for find in (tokenizer_file, load_tokenizer):
        with pytest.raises(UserError) as caught:
            find(str(model), key=key)
        assert caught.value.where == f"{key}={model}"
        assert what in caught.value.what
        assert remedy in caught.value.remedy


@pytest.mark.parametrize(("key", "example"), [("samples.model", LANGUAGE_MODEL), ("documents.tokenizer", ENCODER)])
def test_a_damaged_tokenizer_is_named(model: Path, key: str, example: str) -> None:
    (model / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="is no tokenizer") as caught:
        load_tokenizer(str(model), key=key)
    assert caught.value.where == f"{key}: {model / 'tokenizer.json'}"
    assert caught.value.remedy == f"set {key} to another model, for example {example}"


def test_a_missing_model_is_named_with_its_key() -> None:
    with pytest.raises(UserError, match="there is no such model") as caught:
        load_tokenizer("/no/such/model", key="documents.tokenizer")
    assert caught.value.where == "documents.tokenizer=/no/such/model"


def test_counts_are_of_whole_texts_whatever_the_file_says(model: Path) -> None:
    tokenizer = load_tokenizer(LANGUAGE_MODEL, key="samples.model")
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(model / "tokenizer.json"))
    assert len(load_tokenizer(str(model), key="samples.model").encode("one two three four five six seven")) == 7


def test_counting_tokens_imports_no_torch() -> None:
    code = (
        "import sys; from engine.models.tokenizer import load_tokenizer;"
        f"load_tokenizer({ENCODER!r}, key='documents.tokenizer'); print({{'torch', 'transformers'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
