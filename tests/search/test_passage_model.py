"""Which model encodes a model's passages: itself, unless its folder notes another one."""

from __future__ import annotations

from pathlib import Path

from engine.search.passage_model import passage_model, write_passage_model


def test_a_folder_notes_the_model_below_it(tmp_path: Path) -> None:
    assert passage_model(tmp_path, "its own") == "its own"
    write_passage_model(tmp_path, "of the base")
    assert passage_model(tmp_path, "its own") == "of the base"
