"""A model is loaded as the kind that is asked for, in the precision that is asked for, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.search.loading import Kind, load_model
from tests.support.models import write_cross_encoder


def test_both_kinds_are_loaded_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer

    cross = write_cross_encoder(tmp_path)
    encoder = tmp_path / "base" / "encoder"
    loaded = load_model(Kind.CrossEncoder, str(cross), key="report.rerankers", bf16=False, device="cpu")
    assert isinstance(loaded, CrossEncoder)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    loaded = load_model(Kind.SentenceTransformer, str(encoder), key="model.base", bf16=True, device="cpu")
    assert isinstance(loaded, SentenceTransformer)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("kind", Kind)
def test_what_cannot_be_loaded_is_one_line(kind: Kind, tmp_path: Path) -> None:
    cross = write_cross_encoder(tmp_path)
    (cross / "config.json").write_text('{"model_type": "no-such", "architectures": ["X"]}')
    with pytest.raises(UserError) as caught:
        load_model(kind, str(cross), key="some.key", bf16=False, device="cpu")
    assert str(caught.value).startswith(f"some.key={cross}: ")
    assert "\n" not in str(caught.value)
