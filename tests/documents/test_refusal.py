"""Documents that give nothing are refused with the reasons, in the same words early and late."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.documents.config import DocumentsConfig
from engine.documents.refusal import list_reasons, refuse_nothing
from engine.errors import UserError


def test_nothing_is_refused_and_something_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    config = DocumentsConfig(path=str(tmp_path), tokenizer="")
    refuse_nothing(3, 1, {"empty": 2}, config)
    with pytest.raises(UserError, match="holds no documents") as caught:
        refuse_nothing(0, 0, {}, config)
    assert caught.value.where == f"documents.path={tmp_path}"
    with pytest.raises(UserError, match="none of 3 documents gives a passage: 2 empty, 1 too short") as caught:
        refuse_nothing(3, 0, {"too short": 1, "empty": 2}, config)
    assert caught.value.remedy.startswith("lower documents.min_tokens=1, or set documents.text_field")


def test_reasons_are_listed_in_order() -> None:
    assert list_reasons({"too short": 1200, "empty": 3}) == "3 empty, 1,200 too short"
