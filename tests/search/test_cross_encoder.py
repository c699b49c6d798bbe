"""A cross-encoder scores pairs as its model does, and what scores no pairs is refused by its files alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from engine.search import cross_encoder
from engine.search.cross_encoder import CrossEncoder, CrossEncoderConfig, load_cross_encoder
from tests.support.models import write_cross_encoder, write_tiny_model
from tests.support.places import quiet_place

QUERIES = ["word1 word2", "word3", "word4 word5 word6 word7"]
PASSAGES = ["word8 word1", "word9 " * 100, "word2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny cross-encoder that reads 64 tokens."""
    return write_cross_encoder(tmp_path_factory.mktemp("cross"))


def test_scores_are_the_logits_of_each_pair_alone(folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    scores = load_cross_encoder(CrossEncoderConfig(str(folder)), quiet_place(tmp_path)).score(QUERIES, PASSAGES)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertForSequenceClassification.from_pretrained(folder)
    for query, passage, score in zip(QUERIES, PASSAGES, scores, strict=True):
        tokens = tokenizer(query, passage, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            assert score == pytest.approx(model.eval()(**tokens).logits.item(), abs=1e-4)
    assert len(set(scores.tolist())) == 3
    assert len(CrossEncoder(CrossEncoderConfig(str(folder))).score([], [])) == 0


def test_a_pair_is_cut_after_so_many_tokens(folder: Path) -> None:
    short = CrossEncoder(CrossEncoderConfig(str(folder), max_tokens=8))
    first, second = short.score(["word1"] * 2, ["word2 " * 10, "word2 " * 30])
    assert first == pytest.approx(second)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("max_tokens", 2, "report.rerankers.max_tokens=2: 2 is out of range"),
        ("batch_size", 0, "report.rerankers.batch_size=0: 0 is out of range"),
        ("precision", "fp8", "report.rerankers.precision=fp8: fp8 is unknown; set it to one of auto"),
        ("model", "no/such/model", "report.rerankers=no/such/model: there is no such model"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_runs(folder: Path, setting: str, value: object, said: str) -> None:
    config = replace(CrossEncoderConfig(str(folder)), **{setting: value})  # type: ignore[arg-type]
    with pytest.raises(UserError) as caught:
        config.identity()
    assert str(caught.value).startswith(said)


def test_a_model_that_scores_no_pairs_is_refused_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no model is loaded to find that out")

    monkeypatch.setattr(cross_encoder, "load_model", refuse)
    encoder = write_tiny_model(tmp_path / "encoder")
    with pytest.raises(
        UserError, match=r"is no cross-encoder: its config\.json names BertModel; name the folder of a cross-"
    ):
        CrossEncoderConfig(str(encoder)).identity()
    classifier = write_cross_encoder(tmp_path / "classes", labels=3)
    with pytest.raises(UserError, match="has 3 scores for a pair"):
        CrossEncoderConfig(str(classifier)).identity()
    (classifier / "config_sentence_transformers.json").write_text(json.dumps({"model_type": "CrossEncoder"}))
    with pytest.raises(UserError, match="has 3 scores for a pair"):
        CrossEncoderConfig(str(classifier)).identity()


def test_a_language_model_is_none_unless_somebody_made_it_one(tmp_path: Path) -> None:
    writer = write_tiny_model(tmp_path)
    config = json.loads((writer / "config.json").read_text())
    (writer / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(UserError, match=r"is a language model: its config\.json names LlamaForCausalLM"):
        CrossEncoderConfig(str(writer)).check()
    (writer / "config_sentence_transformers.json").write_text(json.dumps({"model_type": "CrossEncoder"}))
    CrossEncoderConfig(str(writer)).check()


@pytest.mark.parametrize("name", ["/no/such/folder", "bundled:nothing", "owner/name"])
def test_no_remedy_names_a_bundled_model_since_none_scores_pairs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        CrossEncoderConfig(name).check()
    assert "bundled:" not in caught.value.remedy
    assert "report.rerank_by=likelihood needs none" in caught.value.remedy


def test_the_identity_is_that_of_the_weights_and_of_what_changes_scores(folder: Path) -> None:
    config = CrossEncoderConfig(str(folder))
    assert identity_of(replace(config, batch_size=7)) == identity_of(config)
    assert identity_of(replace(config, max_tokens=32)) != identity_of(config)
    assert str(folder) not in str(identity_of(config))
