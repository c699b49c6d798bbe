"""The encoder: what sentence-transformers gives, faster; prefixes, lengths, precision, mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.models.resolve import resolve_model
from engine.runtime.identity import identity_of
from engine.runtime.place import Place
from engine.search import encoder as encoder_module
from engine.search.dense import DenseIndex
from engine.search.encoder import Encoder, EncoderConfig, encoding_device, load_encoder
from engine.search.pooling import Pooling
from engine.search.tuned import tuned_encoder
from engine.search.usage import Similarity, Usage
from tests.support.models import write_roberta
from tests.support.paths import ROOT
from tests.support.places import NoEngines, printed, quiet_place
from tests.support.training import with_settings, write_base

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
    assert longest.max_tokens == 256, "the length that its folder names, although it has 512 positions"
    assert longest.encode_passages(["word " * 2000]).shape == (1, 384)


def test_roberta_has_two_positions_less_than_its_table(tmp_path: Path) -> None:
    write_roberta(tmp_path, positions=66)
    tiny = Encoder(replace(CONFIG, model=str(tmp_path), max_tokens=128))
    assert tiny.max_tokens == 64
    assert tiny.encode_queries(["word " * 200]).shape == (1, 16)


@pytest.fixture
def e5(tmp_path: Path) -> Path:
    """A tiny model with prompts of its own that compares by dot products and does not normalise."""
    prompts = {"query": "query : ", "passage": "word1 word2 "}
    return with_settings(write_base(tmp_path / "base"), tmp_path / "e5", prompts=prompts, similarity_fn_name="dot")


@pytest.mark.parametrize("include_prompt", [True, False])
def test_a_model_is_used_as_sentence_transformers_uses_it(e5: Path, include_prompt: bool) -> None:
    """By its own prompts, which some models leave out of their mean, and by dot products where it says so."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(e5), device="cpu", local_files_only=True)
    model.set_pooling_include_prompt(include_prompt)
    model.save_pretrained(str(e5 / "saved"), create_model_card=False)
    encoder, texts = Encoder(EncoderConfig(str(e5 / "saved"), None, None, 32, "fp32")), ["word3 word4", "word5"]
    assert encoder.usage == Usage("query : ", "word1 word2 ", Similarity.dot)
    queries, passages = encoder.encode_queries(texts), encoder.encode_passages(texts)
    np.testing.assert_allclose(queries, model.encode_query(texts), atol=1e-5)
    np.testing.assert_allclose(passages, model.encode(texts, prompt_name="passage"), atol=1e-5)
    assert (np.linalg.norm(passages, axis=1) > 1.5).all()
    _, scores = DenseIndex(["a", "b"], passages).search(queries, 2)
    np.testing.assert_allclose(np.sort(scores), np.sort(model.similarity(queries, passages).numpy()), rtol=1e-5)


def test_by_cosine_vectors_are_normalised_though_the_model_does_not(e5: Path, tmp_path: Path) -> None:
    folder = with_settings(e5, tmp_path / "cosine", similarity_fn_name="cosine")
    vectors = Encoder(EncoderConfig(str(folder), "", "", 32, "fp32")).encode_passages(["word3 word4", "word5"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_identity_has_the_prefixes_that_are_used(e5: Path) -> None:
    config = EncoderConfig(str(e5), None, None, 32)
    assert config.settled() == replace(config, query_prefix="query : ", passage_prefix="word1 word2 ")
    assert identity_of(config) == identity_of(config.settled())
    assert identity_of(config) != identity_of(replace(config, passage_prefix=""))


def test_bf16_stays_close_to_fp32(encoder: Encoder) -> None:
    vectors = Encoder(replace(CONFIG, precision="bf16")).encode_passages(TEXTS)
    assert vectors.dtype == np.float32
    assert (vectors * encoder.encode_passages(TEXTS)).sum(axis=1).min() > 0.999


def test_auto_precision_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for fast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("engine.models.precision.has_fast_bf16", lambda _, fast=fast: fast)
        assert Encoder(replace(CONFIG, precision="auto"))._model.dtype == dtype


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
        Encoder(replace(CONFIG, precision="fp8"))
    with pytest.raises(UserError, match=r"model.max_tokens=2: .*; set it to 8 or more"):
        identity_of(replace(CONFIG, max_tokens=2))
    with pytest.raises(UserError, match=r"model.base=/nope: "):
        Encoder(replace(CONFIG, model="/nope"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no_such_type"}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(UserError, match=r"model.base=.*cannot be loaded"):
        Encoder(replace(CONFIG, model=str(tmp_path)))


def test_defaults_follow_the_model_section() -> None:
    from omegaconf import OmegaConf

    model = {"base": BASE, "query_prefix": "q: ", "passage_prefix": None, "max_tokens": 99}
    tree = OmegaConf.create({"model": model, "report": {"encoder": OmegaConf.structured(EncoderConfig)}})
    config = OmegaConf.to_object(tree.report.encoder)
    assert config == EncoderConfig(model=BASE, query_prefix="q: ", passage_prefix=None, max_tokens=99)


def test_importing_the_module_costs_little() -> None:
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'ray', 'numpy', 'pyarrow'}"
    code = f"import sys, engine.search.encoder; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


class GpuEngines(NoEngines):
    """Engines that leave the GPU, or do not."""

    def __init__(self, leaves: bool) -> None:
        self.leaves = leaves

    def leave_gpu(self, place: Place) -> bool:
        return self.leaves


def test_a_step_encodes_on_the_gpu_once_the_engines_have_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = replace(quiet_place(tmp_path), engines=GpuEngines(leaves=True))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert encoding_device(place) == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert encoding_device(place) == "cuda"
    held = replace(place, engines=GpuEngines(leaves=False))
    assert encoding_device(held) == "cpu"
    assert load_encoder(CONFIG, held).device == "cpu"
    assert "on the CPU: the engines are loading on the GPU" in printed(held)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_query_has_the_same_vector_alone_and_in_a_short_list(precision: str) -> None:
    encoder = Encoder(replace(CONFIG, precision=precision), device="cpu", num_threads=1)
    vectors = encoder.encode_queries(TEXTS)
    assert all(
        np.array_equal(encoder.encode_queries([text])[0], vector) for text, vector in zip(TEXTS, vectors, strict=True)
    )
    assert encoder.encode_queries([]).shape == (0, encoder.dim)


def test_a_base_is_read_with_the_pooling_that_is_asked_for(tmp_path: Path) -> None:
    """The first token's vector in place of the mean, and each in the cache by itself."""
    base = write_base(tmp_path / "base")
    config = EncoderConfig(str(base), "", "", 32, "fp32")
    by_mean, by_first = (replace(config, pooling=pooling) for pooling in (Pooling.mean, Pooling.cls))
    text = ["word1 word2 word3"]
    plain, mean, first = (Encoder(each, device="cpu").encode_passages(text) for each in (config, by_mean, by_first))
    assert np.array_equal(plain, mean)
    assert not np.allclose(mean, first, atol=1e-3)
    assert identity_of(by_mean) != identity_of(by_first)


def test_the_encoders_of_a_run_follow_the_pooling_of_its_base() -> None:
    config, _ = load_config(["experiment=adapt", "collection=x", "samples=fake", "model.pooling=cls"])
    encoders = (config.report.encoder, config.examples.encoder, config.demonstrations.encoder)
    assert {encoder.pooling for encoder in encoders} == {Pooling.cls}
    assert tuned_encoder(config.report.encoder, Path("tuned")).pooling is Pooling.auto, "its folder says it"
