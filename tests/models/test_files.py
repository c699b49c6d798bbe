"""A model's files are told by what a model has; data and notes that lie beside them are none."""

from __future__ import annotations

from pathlib import Path

from engine.models.files import model_files
from engine.models.resolve import resolve_model


def test_a_model_is_its_weights_settings_tokenizer_and_modules(tmp_path: Path) -> None:
    weights = {"model-00001-of-00002.safetensors", "model.safetensors.index.json", "2_Router/query_0_Dense/config.json"}
    settings = {"config.json", "config_sentence_transformers.json", "sentence_bert_config.json", "LICENSE.txt"}
    words = {"tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "additional_chat_templates/tool.jinja"}
    beside = {"pytorch_model.bin", "train.jsonl", "vectors.npy", "train/config.json", "record.json", ".git/config.json"}
    for path in (*weights, *settings, *words, *beside, "training_args.bin", "README.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / "modules.json").write_text('[{"path": ""}, {"path": "2_Router"}]')
    assert {path.as_posix() for path in model_files(tmp_path)} == {*weights, *settings, *words, "modules.json"}


def test_nothing_of_a_real_model_is_left_out() -> None:
    folder = resolve_model("bundled:all-minilm-l6-v2", key="model.base")
    every = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    beside = {path.as_posix() for path in every - set(model_files(folder))}
    assert beside - {".gitattributes"} == {"README.md", "data_config.json"}, "what it learned from is no part of it"
