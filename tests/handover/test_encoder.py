"""The model of a system folder is complete, and holds nothing of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.handover.encoder import write_cross_encoder, write_encoder, write_model
from engine.search.encoder import Encoder, EncoderConfig
from engine.search.pooling import Pooling
from tests.support.models import write_cross_encoder as write_cross_encoder_of_tests
from tests.support.training import WORDS, write_base

LARGE = b"x" * (1 << 20)


def test_weights_are_linked_and_what_people_edit_is_copied(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "1_Pooling").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(LARGE)
    (model / "config.json").write_text("{}")
    (model / "modules.json").write_text('[{"path": ""}, {"path": "1_Pooling"}]')
    (model / "1_Pooling" / "config.json").write_text("[]")
    write_model(model, tmp_path / "encoder")
    written = {path.relative_to(tmp_path / "encoder").as_posix() for path in (tmp_path / "encoder").rglob("*.*")}
    assert written == {"model.safetensors", "config.json", "modules.json", "1_Pooling/config.json"}
    assert (tmp_path / "encoder" / "model.safetensors").samefile(model / "model.safetensors")
    (tmp_path / "encoder" / "config.json").write_text("edited")
    assert (model / "config.json").read_text() == "{}"


def test_what_is_no_part_of_the_model_stays_behind(tmp_path: Path) -> None:
    model = tmp_path / "model"
    weights = ("model.safetensors", "pytorch_model.bin", "onnx/model.onnx")
    beside = ("train.jsonl", "README.md", "notes/config.json", "negatives.npy", "code.py", "emails.txt", "people.json")
    for name in ("config.json", "_DONE", "record.json", *weights, ".hidden", *beside):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("")
    write_model(model, tmp_path / "encoder")
    assert {path.name for path in (tmp_path / "encoder").iterdir()} == {"config.json", "model.safetensors"}


def test_a_layer_keeps_its_weights_and_no_pickle(tmp_path: Path) -> None:
    from sentence_transformers.models import Dense

    layer = Dense(in_features=3, out_features=2)
    (tmp_path / "model" / "2_Dense").mkdir(parents=True)
    for is_safe in (True, False):
        layer.save(str(tmp_path / "model" / "2_Dense"), safe_serialization=is_safe)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    (tmp_path / "model" / "modules.json").write_text('[{"path": ""}, {"path": "2_Dense"}]')
    write_model(tmp_path / "model", tmp_path / "encoder")
    loaded = Dense.load(str(tmp_path / "encoder" / "2_Dense"))
    assert loaded.linear.weight.tolist() == layer.linear.weight.tolist()
    assert (tmp_path / "model" / "2_Dense" / "pytorch_model.bin").is_file()
    assert not (tmp_path / "encoder" / "2_Dense" / "pytorch_model.bin").exists()


@pytest.mark.parametrize("saved", [False, True])
def test_a_cross_encoder_knows_its_length_and_that_logits_are_scores(saved: bool, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    model = write_cross_encoder_of_tests(tmp_path)
    if saved:  # in the form of sentence-transformers 6, with settings of its own
        CrossEncoder(str(model)).save_pretrained(str(tmp_path / "saved"))
        model = tmp_path / "saved"
    write_cross_encoder(model, 12, tmp_path / "reranker")
    loaded, plain = CrossEncoder(str(tmp_path / "reranker")), CrossEncoder(str(model), max_length=12)
    pairs = [("steep tea", "a long text that is cut after some words, and what follows is not read " * 3)]
    assert loaded.max_seq_length == 12 < CrossEncoder(str(model)).max_seq_length
    expected = plain.predict(pairs, activation_fn=torch.nn.Identity())
    assert loaded.predict(pairs).tolist() == expected.tolist() != plain.predict(pairs).tolist()


def test_a_snapshot_of_links_becomes_files(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0a").write_bytes(LARGE)
    (tmp_path / "blobs" / "0b").write_text("{}")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to("../blobs/0a")
    (tmp_path / "snapshot" / "config.json").symlink_to("../blobs/0b")
    write_model(tmp_path / "snapshot", tmp_path / "encoder")
    assert not [path for path in (tmp_path / "encoder").iterdir() if path.is_symlink()]
    assert (tmp_path / "encoder" / "model.safetensors").read_bytes() == LARGE


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same random weights as an encoder, as a transformer alone, and with a layer more for queries."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router
    from sentence_transformers.models import Dense, Normalize, Transformer
    from sentence_transformers.models import Pooling as PoolingModule

    root = tmp_path_factory.mktemp("models")
    encoder = write_base(root)
    reader = Transformer(str(root / "plain"))
    sides = Router.for_query_document([Dense(32, 32), Normalize()], [Normalize()])
    adapted = SentenceTransformer(modules=[reader, PoolingModule(32), sides], device="cpu")
    adapted.save_pretrained(str(root / "adapter"), create_model_card=False)
    return {"encoder": encoder, "plain": root / "plain", "adapter": root / "adapter"}


@pytest.mark.parametrize(
    ("name", "pooling"),
    [*((name, Pooling.auto) for name in ("encoder", "plain", "adapter")), ("encoder", Pooling.cls)],
)
def test_the_folder_encodes_as_was_measured_without_being_told_how(
    name: str, pooling: Pooling, models: dict[str, Path], tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    prompts = f"{WORDS[0]} ", f"{WORDS[1]} "
    config = EncoderConfig(str(models[name]), *prompts, max_tokens=9, precision="fp32", pooling=pooling)
    encoder = Encoder(config, device="cpu")
    write_encoder(models[name], encoder, tmp_path / "encoder")
    alone = SentenceTransformer(str(tmp_path / "encoder"), device="cpu")
    text = " ".join(WORDS[2:20])
    assert alone.max_seq_length == encoder.max_tokens == 9
    assert (alone.similarity_fn_name, alone.default_prompt_name) == ("cosine", None)
    queries, passages = encoder.encode_queries([text]), encoder.encode_passages([text])
    assert unit(alone.encode_query([text])) == pytest.approx(queries, abs=1e-6)
    assert unit(alone.encode_document([text])) == pytest.approx(passages, abs=1e-6)
    assert abs(queries - passages).max() > 1e-4


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
