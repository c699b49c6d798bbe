"""The cache of passage vectors: encoded once, whoever asks, and whole or absent."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import passage_text
from engine.search import embeddings
from engine.search.embeddings import encode_passages_cached
from engine.search.encoder import Encoder, EncoderConfig
from tests.support.places import quiet_place
from tests.support.training import with_settings, write_base

CONFIG = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64, precision="fp32")
TEXTS = ["how to sort a list", "", "A heap is a binary tree.", "Příliš žluťoučký kůň", "질문", "sort"]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A documents folder with a passage for each of `TEXTS`, every second one with a title."""
    return write_documents(tmp_path / "0123456789abcdef", TEXTS)


def write_documents(folder: Path, texts: list[str]) -> Path:
    folder.mkdir()
    rows = [
        {"passage_id": f"p{n}", "document_id": f"p{n}", "title": "Title" * (n % 2), "text": text, "position": 0}
        for n, text in enumerate(texts)
    ]
    table = pa.Table.from_pylist([{**row, "num_tokens": 1} for row in rows], PASSAGES)
    pq.write_table(table, folder / "passages.parquet")
    return folder


def refuse_to_load(*arguments: object, **options: object) -> None:
    raise LookupError("an encoder was loaded")


def test_passages_have_the_vectors_of_the_encoder_in_their_order(documents: Path, tmp_path: Path) -> None:
    passages = encode_passages_cached(CONFIG, documents, quiet_place(tmp_path))
    texts = [passage_text("Title" * (number % 2), text) for number, text in enumerate(TEXTS)]
    assert passages.ids == [f"p{number}" for number in range(len(TEXTS))]
    np.testing.assert_allclose(passages.vectors, Encoder(CONFIG).encode_passages(texts), atol=2e-6)


def test_batches_of_passages_change_nothing(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode_passages_cached(CONFIG, documents, quiet_place(tmp_path / "a")).vectors
    monkeypatch.setattr(embeddings, "_BATCH_PASSAGES", 4)
    np.testing.assert_allclose(
        encode_passages_cached(CONFIG, documents, quiet_place(tmp_path / "b")).vectors, whole, atol=2e-6
    )


def test_passages_are_encoded_once(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = quiet_place(tmp_path)
    first = encode_passages_cached(CONFIG, documents, place)
    monkeypatch.setattr(embeddings, "Encoder", refuse_to_load)
    link = tmp_path / "documents"
    link.symlink_to(documents)
    again = encode_passages_cached(replace(CONFIG, query_prefix="query: ", batch_tokens=9), link, place)
    assert again.ids == first.ids
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert isinstance(again.vectors, np.memmap)
    assert not again.vectors.flags.writeable


@pytest.mark.parametrize("changed", [{"max_tokens": 32}, {"passage_prefix": "passage: "}, {"precision": "bf16"}])
def test_another_encoder_encodes_again(
    changed: dict[str, object], documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = quiet_place(tmp_path)
    encode_passages_cached(CONFIG, documents, place)
    monkeypatch.setattr(embeddings, "Encoder", refuse_to_load)
    with pytest.raises(LookupError, match="was loaded"):
        encode_passages_cached(replace(CONFIG, **changed), documents, place)  # type: ignore[arg-type]


def changed_machine(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    if change == "bf16":
        monkeypatch.setattr("engine.models.precision.has_fast_bf16", lambda _: True)
    else:
        changed = "engine.search.embeddings.version"
        monkeypatch.setattr(changed, lambda name: "0" if name == change else version(name))


@pytest.mark.parametrize("change", ["bf16", "torch", "sentence-transformers", "transformers"])
def test_another_arithmetic_or_library_encodes_again(
    change: str, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.models.precision.has_fast_bf16", lambda _: False)
    place, config = quiet_place(tmp_path), replace(CONFIG, precision="auto")
    encode_passages_cached(config, documents, place)
    monkeypatch.setattr(embeddings, "Encoder", refuse_to_load)
    encode_passages_cached(replace(config, precision="fp32"), documents, place)  # what `auto` meant
    changed_machine(monkeypatch, change)
    with pytest.raises(LookupError, match="was loaded"):
        encode_passages_cached(config, documents, place)


def test_the_key_has_the_prefix_that_is_used(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Null is the prompt of the model, so it finds the vectors of that prompt, and no others."""
    e5 = with_settings(write_base(tmp_path / "base"), tmp_path / "e5", prompts={"passage": "word1 "})
    place, config = quiet_place(tmp_path), EncoderConfig(str(e5), None, None, 32)
    encode_passages_cached(config, documents, place)
    monkeypatch.setattr(embeddings, "Encoder", refuse_to_load)
    encode_passages_cached(replace(config, passage_prefix="word1 "), documents, place)
    with pytest.raises(LookupError, match="was loaded"):
        encode_passages_cached(replace(config, passage_prefix=""), documents, place)


def test_an_interrupted_encoding_counts_for_nothing(
    documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    place = quiet_place(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode_passages", stop)
        with pytest.raises(KeyboardInterrupt):
            encode_passages_cached(CONFIG, documents, place)
    assert encode_passages_cached(CONFIG, documents, place).vectors.any(axis=1).all()
    assert not list(place.embeddings.glob(".*.tmp"))


def test_no_passages(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "0123456789abcdef", [])
    passages = encode_passages_cached(CONFIG, documents, quiet_place(tmp_path))
    assert passages.vectors.shape == (0, 384)
    assert passages.ids == []
