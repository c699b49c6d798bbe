"""Only what loads and explains a model is published: no checkpoint, no optimizer, no pickle, no record of a step."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.publishing.contents import File, model_files, system_files
from training.card_texts import CARD_TEXTS


def test_a_model_is_its_weights_settings_and_card(model: Path) -> None:
    files = {file.path: file for file in model_files(model, "me/small")}
    assert set(files) == {"README.md", "config.json", "1_Pooling/config.json", "modules.json", "model.safetensors"}
    card = files["README.md"].content
    assert isinstance(card, bytes)
    assert b'SentenceTransformer("me/small")' in card
    assert "path/to/this/folder" in (model / "README.md").read_text(), "the folder's own card stays"
    assert all('"path/to/this/folder"' in text.code for text in CARD_TEXTS.values())


OF_A_MODEL = (
    *("LICENSE", "LICENSE.txt", "NOTICE", "added_tokens.json", "bpe.codes", "config.json", "merges.txt"),
    *("model.safetensors", "modules.json", "source.spm", "spiece.model", "tokenizer.json", "vocab.txt"),
)
"""Terms and tokenizers of many kinds; what of them there is depends on the base."""


def test_terms_and_tokenizers_of_all_kinds_are_published(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "encoder"):
        folder.mkdir(exist_ok=True)
        for name in OF_A_MODEL:
            (folder / name).write_text("[]" if name == "modules.json" else "x")
    (tmp_path / "README.md").write_text("card")
    assert [file.path for file in model_files(tmp_path, "me/small")] == sorted([*OF_A_MODEL, "README.md"])
    in_encoder = [file.path for file in system_files(tmp_path) if "/encoder/" in file.path]
    assert in_encoder == [f"system/encoder/{name}" for name in OF_A_MODEL]


def test_weights_in_a_pickle_are_not_published(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "checkpoints" / "checkpoint-5" / "model.safetensors").rename(model / "checkpoints" / "model.safetensors")
    with pytest.raises(UserError, match="has no weights in safetensors"):
        model_files(model, "me/small")


def test_matrices_that_name_a_base_of_this_machine_are_not_published(model: Path) -> None:
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/me/base"}')
    with pytest.raises(UserError, match=r"train the model with model\.lora\.merge=true"):
        model_files(model, "me/small")


def test_a_link_out_of_the_folder_is_not_followed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (model / "linked.json").symlink_to(tmp_path / "secret.json")
    assert "linked.json" not in {file.path for file in model_files(model, "me/small")}


def test_a_search_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for path in ("system.json", "search.py", "faiss.index", "passages.jsonl", "bm25/data.npy", "record.json", "x.pkl"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x")
    paths = [file.path for file in system_files(tmp_path)]
    assert paths == [
        "system/bm25/data.npy",
        *(f"system/{name}" for name in ("faiss.index", "passages.jsonl", "search.py", "system.json")),
    ]


def test_what_lies_beside_the_models_of_a_search_is_not_published(tmp_path: Path) -> None:
    for part in ("encoder", "reranker"):
        (tmp_path / part / "1_Pooling").mkdir(parents=True)
        (tmp_path / part / "modules.json").write_text('[{"path": ""}, {"path": "1_Pooling"}]')
        model = ("config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json")
        for path in (*model, "train.jsonl", "notes.md", "plan.py", "vectors.npy", "emails.txt", "people.json"):
            (tmp_path / part / path).write_text("x")
    paths = {file.path for file in system_files(tmp_path)}
    assert paths == {f"system/{part}/{path}" for part in ("encoder", "reranker") for path in (*model, "modules.json")}


def test_hashes_are_those_of_git_and_of_large_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    for file in (File("a", b"content"), File("a", tmp_path / "a")):
        assert file.sha256() == hashlib.sha256(b"content").hexdigest()
        assert file.git_blob() == "6b584e8ece562ebffc15d38808cd6b98fc3d97ea", "git hash-object"
        assert file.size == 7
