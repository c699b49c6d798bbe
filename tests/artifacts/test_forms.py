"""The forms of training examples: each is told by its columns, and by no others."""

from __future__ import annotations

import pytest

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.forms import COLUMNS, Form, form_of, given_schema


@pytest.mark.parametrize("form", Form)
def test_a_form_is_told_by_the_columns_that_it_writes(form: Form) -> None:
    assert form_of(given_schema(form).names) is form
    assert form_of([*reversed(COLUMNS[form]), "condition_label", "score_of_a_judge"]) is form


def test_generated_examples_are_pairs() -> None:
    assert form_of(EXAMPLES.names) is Form.pairs


def test_columns_of_no_form_are_refused() -> None:
    with pytest.raises(ValueError, match="'labels', 'query'"):
        form_of(["query", "labels"])
