"""How a model wants to be used: prompts of its own, similarity, and the longest text that it reads."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from engine.errors import UserError
from engine.search.usage import Similarity, Usage, has_unit_vectors, length_limit, usage_of
from tests.support.models import write_roberta, write_tiny_model

E5 = {"query": "query: ", "passage": "passage: "}
BGE = {"query": "Represent this sentence for searching relevant passages: "}
GTE = {"query": "q", "document": "d", "passage": "p"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sentence-transformers has not saved."""
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def usage(folder: Path, settings: object, query: str | None = None, passage: str | None = None) -> Usage:
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return usage_of(str(folder), query, passage, key="model.base")


@pytest.mark.parametrize(
    ("prompts", "query", "passage"),
    [
        (E5, "query: ", "passage: "),
        (BGE, BGE["query"], ""),
        (GTE, "q", "d"),
        ({"query": "q", "document": None}, "q", ""),
        ({"query": "q", "document": "", "passage": "p"}, "q", "p"),
        ({"s2p_query": "q"}, "", ""),
        (None, "", ""),
    ],
)
def test_prompts_are_those_of_the_model(plain: Path, prompts: object, query: str, passage: str) -> None:
    assert usage(plain, {"prompts": prompts}) == Usage(query, passage, Similarity.cosine)


def test_the_config_overrides_prompts_one_by_one(plain: Path) -> None:
    assert usage(plain, {"prompts": E5}, query="") == Usage("", "passage: ", Similarity.cosine)
    assert usage(plain, {"prompts": E5}, passage="p: ") == Usage("query: ", "p: ", Similarity.cosine)


def test_a_model_without_settings_has_no_prompts_and_is_compared_by_cosine(tmp_path: Path) -> None:
    folder = str(write_tiny_model(tmp_path))
    assert usage_of(folder, None, None, key="model.base") == Usage("", "", Similarity.cosine)


@pytest.mark.parametrize(("name", "similarity"), [(None, "cosine"), ("cosine", "cosine"), ("dot", "dot")])
def test_the_similarity_is_that_of_the_model(plain: Path, name: str | None, similarity: str) -> None:
    assert usage(plain, {"similarity_fn_name": name}).similarity.value == similarity


def test_a_distance_is_refused(plain: Path) -> None:
    with pytest.raises(UserError, match="compares vectors by euclidean") as caught:
        usage(plain, {"similarity_fn_name": "euclidean"})
    assert caught.value.where == f"model.base={plain}"
    assert caught.value.remedy == "name a model that compares by cosine or dot"


def test_settings_that_are_no_json_are_refused(plain: Path) -> None:
    (plain / "config_sentence_transformers.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        usage_of(str(plain), None, None, key="model.base")


@pytest.mark.parametrize(("own", "max_tokens", "limit"), [(512, 64, 32), (512, 20, 20), (24, 64, 24), (None, 64, 32)])
def test_the_least_of_all_limits_counts(tmp_path: Path, own: int | None, max_tokens: int, limit: int) -> None:
    """RoBERTa's table has 34 rows, two of which stand for no position."""
    folder = write_roberta(tmp_path, positions=34)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.max_seq_length = own
    assert length_limit(model, max_tokens) == limit


class Bare(torch.nn.ModuleList):
    """A model of which only the config is known."""

    def __init__(self, positions: int | None) -> None:
        module: Any = torch.nn.Identity()
        module.config = SimpleNamespace(max_position_embeddings=positions)
        super().__init__([module])
        self.max_seq_length = None


@pytest.mark.parametrize(("positions", "limit"), [(-1, 64), (None, 64), (50, 50)])
def test_where_there_is_no_table_the_config_tells_the_positions(positions: int | None, limit: int) -> None:
    assert length_limit(Bare(positions), 64) == limit


def test_a_model_that_normalises_is_known_by_its_last_module() -> None:
    minilm = usage_of("bundled:all-minilm-l6-v2", None, None, key="model.base")
    assert minilm == Usage("", "", Similarity.cosine)
    from engine.models.resolve import resolve_model

    folder = resolve_model("bundled:all-minilm-l6-v2", key="model.base")
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert has_unit_vectors(model)
    model.pop(2)
    assert not has_unit_vectors(model)
