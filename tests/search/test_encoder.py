"""The encoder: what sentence-transformers gives, faster; prefixes, lengths, the cache of passages."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console as RichConsole
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import passage_text
from engine.errors import UserError
from engine.models.precision import has_fast_bf16
from engine.models.resolve import resolve_model
from engine.runtime.console import Console
from engine.runtime.identity import identity_of
from engine.runtime.place import Place
from engine.search import encoder as encoder_module
from engine.search.embeddings import encode_passages_cached
from engine.search.encoder import Encoder, EncoderConfig

BASE = "bundled:all-minilm-l6-v2"
CONFIG = EncoderConfig(model=BASE, query_prefix="", passage_prefix="", max_tokens=64, precision="fp32")
TEXTS = [
    "how to sort a list",
    "",
    "A heap is a binary tree for which every parent node has a value less than or equal to any of its children. " * 9,
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "질문",
    "\x00\x01 \ud7ff",
    "sort",
]
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({"<unk>": 0, "<pad>": 1, "word": 2}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<pad>")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(CONFIG)


def reference(texts: list[str], max_tokens: int = 64) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve_model(BASE, key="model.base")), device="cpu", local_files_only=True)
    model.max_seq_length = max_tokens
    return np.asarray(model.encode(texts, normalize_embeddings=True))


def place_at(folder: Path) -> Place:
    console = Console(RichConsole(file=(folder / "console.txt").open("w")))
    return cast(Place, SimpleNamespace(embeddings=folder / "embeddings", console=console, num_cpus=1))


def write_documents(folder: Path, texts: list[str]) -> Path:
    folder.mkdir()
    rows = [
        {"passage_id": f"p{n}", "document_id": f"p{n}", "title": "Title" * (n % 2), "text": text, "position": 0}
        for n, text in enumerate(texts)
    ]
    pq.write_table(
        pa.Table.from_pylist([{**row, "num_tokens": 1} for row in rows], PASSAGES), folder / "passages.parquet"
    )
    return folder


def test_same_vectors_as_sentence_transformers(encoder: Encoder) -> None:
    vectors = encoder.encode_passages(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), encoder.dim) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors, reference(TEXTS), atol=2e-6)


def test_batches_and_windows_change_nothing(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = encoder.encode_passages(TEXTS)
    small = Encoder(replace(CONFIG, batch_tokens=1))
    monkeypatch.setattr(encoder_module, "_WINDOW_TOKENS", 150)
    counts: list[int] = []
    np.testing.assert_allclose(small.encode_passages(TEXTS, counts.append), expected, atol=2e-6)
    assert counts == [1] * len(TEXTS)


def test_no_texts(encoder: Encoder) -> None:
    assert encoder.encode_queries([]).shape == (0, 384)


def test_prefixes_are_part_of_the_text(encoder: Encoder) -> None:
    prefixed = Encoder(replace(CONFIG, query_prefix="query: ", passage_prefix="passage: "))
    expected = encoder.encode_passages(["query: sort", "passage: sort"])
    np.testing.assert_allclose(prefixed.encode_queries(["sort"])[0], expected[0], atol=2e-6)
    np.testing.assert_allclose(prefixed.encode_passages(["sort"])[0], expected[1], atol=2e-6)


def test_texts_are_cut_after_max_tokens(encoder: Encoder) -> None:
    long = ["word " * 300]
    cut = Encoder(replace(CONFIG, max_tokens=16))
    assert cut.max_tokens == 16
    np.testing.assert_allclose(cut.encode_passages(long), reference(long, 16), atol=2e-6)
    assert np.abs(cut.encode_passages(long) - encoder.encode_passages(long)).max() > 1e-3


def test_the_model_caps_max_tokens() -> None:
    longest = Encoder(replace(CONFIG, max_tokens=4096))
    assert longest.max_tokens == 512
    assert longest.encode_passages(["word " * 2000]).shape == (1, 384)


def test_roberta_has_two_positions_less_than_its_table(tmp_path: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    RobertaModel(RobertaConfig(vocab_size=3, max_position_embeddings=66, **TINY)).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    tiny = Encoder(replace(CONFIG, model=str(tmp_path), max_tokens=128))
    assert tiny.max_tokens == 64
    assert tiny.encode_queries(["word " * 200]).shape == (1, 16)


def test_bf16_stays_close_to_fp32(encoder: Encoder) -> None:
    vectors = Encoder(replace(CONFIG, precision="bf16")).encode_passages(TEXTS)
    assert vectors.dtype == np.float32
    assert (vectors * encoder.encode_passages(TEXTS)).sum(axis=1).min() > 0.999


def test_auto_precision_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for fast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(encoder_module, "has_fast_bf16", lambda fast=fast: fast)
        assert Encoder(replace(CONFIG, precision="auto"))._model.dtype == dtype
    monkeypatch.undo()
    assert has_fast_bf16() in {True, False}


def test_tuned_model_reads_like_the_base(encoder: Encoder, tmp_path: Path) -> None:
    encoder._model.save(str(tmp_path / "tuned"))
    tuned = Encoder.from_folder(tmp_path / "tuned", like=replace(CONFIG, max_tokens=32))
    assert tuned.max_tokens == 32
    np.testing.assert_allclose(tuned.encode_queries(["sort"]), encoder.encode_queries(["sort"]), atol=2e-6)


def test_a_language_model_becomes_an_encoder(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaModel

    LlamaModel(LlamaConfig(vocab_size=3, **TINY)).save_pretrained(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path)
    tiny, texts = Encoder(replace(CONFIG, model=str(tmp_path))), ["word", "a word of a word or two", "a word"]
    together = tiny.encode_queries(texts)
    assert together.shape == (3, 16)
    np.testing.assert_allclose(together, np.vstack([tiny.encode_queries([text]) for text in texts]), atol=2e-6)


def test_identity_is_of_the_model_not_its_name(tmp_path: Path) -> None:
    identity = cast(dict[str, object], identity_of(CONFIG))
    assert identity["model"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert identity["precision"] == "fp32"
    assert "batch_tokens" not in identity
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text("{}")
    (tmp_path / "a" / "model.safetensors").write_bytes(b"weights")
    before = identity_of(replace(CONFIG, model=str(tmp_path / "a")))
    (tmp_path / "a").rename(tmp_path / "b")
    assert identity_of(replace(CONFIG, model=str(tmp_path / "b"))) == before


def test_mistakes_name_key_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder.precision=fp8: .*; choose one of auto, bf16, fp32"):
        replace(CONFIG, precision="fp8")
    with pytest.raises(UserError, match=r"model.max_tokens=2: .*; set it to 8 or more"):
        replace(CONFIG, max_tokens=2)
    with pytest.raises(UserError, match=r"model.base=/nope: "):
        Encoder(replace(CONFIG, model="/nope"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no_such_type"}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(UserError, match=r"model.base=.*cannot be loaded"):
        Encoder(replace(CONFIG, model=str(tmp_path)))


def test_defaults_follow_the_model_section() -> None:
    from omegaconf import OmegaConf

    model = {"base": BASE, "query_prefix": "q: ", "passage_prefix": "", "max_tokens": 99}
    tree = OmegaConf.create({"model": model, "report": {"encoder": OmegaConf.structured(EncoderConfig)}})
    config = OmegaConf.to_object(tree.report.encoder)
    assert config == EncoderConfig(model=BASE, query_prefix="q: ", passage_prefix="", max_tokens=99)


def test_passage_text_has_the_title_on_its_own_line() -> None:
    assert passage_text("Heaps", "A heap is a tree.") == "Heaps\nA heap is a tree."
    assert passage_text("", "A heap is a tree.") == "A heap is a tree."


def test_passages_are_encoded_once(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents, place = write_documents(tmp_path / "0123456789abcdef", TEXTS), place_at(tmp_path)
    first = encode_passages_cached(CONFIG, documents, place)
    texts = [passage_text("Title" * (number % 2), text) for number, text in enumerate(TEXTS)]
    assert first.ids == [f"p{number}" for number in range(len(TEXTS))]
    np.testing.assert_allclose(first.vectors, encoder.encode_passages(texts), atol=2e-6)
    monkeypatch.setattr(encoder_module, "Encoder", None)  # any further encoding would fail
    link = tmp_path / "documents"
    link.symlink_to(documents)
    again = encode_passages_cached(replace(CONFIG, query_prefix="query: ", batch_tokens=9), link, place)
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert isinstance(again.vectors, np.memmap)
    with pytest.raises(TypeError):
        encode_passages_cached(replace(CONFIG, max_tokens=32), documents, place)


def test_an_interrupted_encoding_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents, place = write_documents(tmp_path / "0123456789abcdef", TEXTS), place_at(tmp_path)

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode_passages", stop)
        with pytest.raises(KeyboardInterrupt):
            encode_passages_cached(CONFIG, documents, place)
    assert encode_passages_cached(CONFIG, documents, place).vectors.any(axis=1).all()
    assert not list(place.embeddings.glob(".*.tmp"))


def test_no_passages(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "0123456789abcdef", [])
    assert encode_passages_cached(CONFIG, documents, place_at(tmp_path)).vectors.shape == (0, 384)


def test_importing_costs_little() -> None:
    import subprocess
    import sys

    heavy = "{'torch', 'transformers', 'sentence_transformers', 'ray', 'numpy'}"
    code = f"import sys, engine.search.encoder; print(*({heavy} & set(sys.modules)))"
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
    assert time.monotonic() - started < 5
