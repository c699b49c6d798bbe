"""Which encoder searches: the base where it was made for it, else another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.search.pooling import Pooling
from tests.support.families import write_plain_llama
from tests.support.models import write_cross_encoder
from tests.support.training import make_config
from training.config import Family
from training.iterations import Earlier
from training.negative_settings import RetrieverConfig
from training.retriever import BUNDLED, is_encoder, retriever_of


def test_the_base_searches_as_it_is_trained(base: Path) -> None:
    encoder = retriever_of(make_config(base, query_prefix="q: ", pooling=Pooling.cls))
    assert (encoder.model, encoder.query_prefix, encoder.max_tokens) == (str(base), "q: ", 48)
    assert encoder.pooling is Pooling.cls


@pytest.mark.parametrize("family", [Family.cross_encoder, Family.bi_encoder])
def test_a_base_without_vectors_for_search_does_not_search(tmp_path: Path, family: Family) -> None:
    """A plain decoder, and what sentence-transformers saved as a cross-encoder."""
    for folder in (write_plain_llama(tmp_path / "plain"), write_cross_encoder(tmp_path)):
        assert not is_encoder(folder)
        encoder = retriever_of(make_config(folder, family=family))
        assert (encoder.model, encoder.pooling, encoder.max_tokens) == (BUNDLED, Pooling.auto, 48)


def test_what_is_named_searches_with_its_own_settings(base: Path) -> None:
    named = RetrieverConfig("somewhere", query_prefix="", max_tokens=99, pooling=Pooling.mean)
    encoder = retriever_of(make_config(base, query_prefix="q: ", retriever=named))
    assert (encoder.model, encoder.query_prefix, encoder.max_tokens) == ("somewhere", "", 99)
    assert encoder.key("model") == "model.retriever.model"


def test_a_later_iteration_searches_with_the_model_so_far(base: Path) -> None:
    config = make_config(base, num_hard_negatives=1, pooling=Pooling.cls, retriever=RetrieverConfig("somewhere"))
    encoder = retriever_of(Earlier(1, 9, base).searching(config))
    assert (encoder.model, encoder.pooling) == (str(base), Pooling.auto)


def test_settings_of_nothing_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        RetrieverConfig(query_prefix="q: ")
    assert caught.value.where == "model.retriever.query_prefix=q: "
