"""What a card says of where examples came from follows from the folders of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.forms import Form
from tests.support.given import write_given
from tests.support.training import write_documents, write_examples
from training.origin import GENERATED, given_origin, origin_of

ROWS = {
    Form.pairs: {"query": "q", "passage": "p"},
    Form.triplets: {"query": "q", "passage": "p", "negative": "n"},
    Form.graded: {"query": "q", "passage": "p", "score": 0.5},
    Form.labelled: {"text": "t", "labels": ["a"]},
    Form.texts: {"text": "t"},
}


@pytest.mark.parametrize("form", Form)
def test_of_given_examples_nothing_is_called_a_language_models(tmp_path: Path, form: Form) -> None:
    origin = origin_of({"examples": write_given(tmp_path / "given", form, [ROWS[form]] * 2)})
    assert origin == given_origin(form)
    assert "language model" not in f"{origin.source} {origin.origin} {origin.rights}"
    assert not origin.is_synthetic


def test_generated_ones_are_synthetic_and_of_a_mixture_both_is_said(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "documents", documents=4)
    generated = write_examples(tmp_path / "examples", count=8, documents=4)
    assert origin_of({"documents": documents, "examples": generated}) is GENERATED
    mixed = origin_of({"documents": documents, "examples": write_given(tmp_path / "m", Form.pairs, [ROWS[Form.pairs]])})
    assert mixed.source.startswith("pairs that were given, and queries that a language model wrote")
    labelled = write_given(tmp_path / "l", Form.labelled, [ROWS[Form.labelled]])
    assert "texts that a language model wrote" in origin_of({"documents": documents, "examples": labelled}).source
