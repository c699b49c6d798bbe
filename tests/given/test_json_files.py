"""JSON files that are one value: SQuAD's form, arrays, and what is neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.given.json_files import read_json_records

QUESTIONS = [{"question": "who?", "answers": []}, {"question": "why?", "is_impossible": True}]
SQUAD = {"data": [{"title": "Bees", "paragraphs": [{"context": "Bees hum.", "qas": QUESTIONS}]}, {"paragraphs": []}]}


def read(tmp_path: Path, content: object) -> list[dict[str, object]]:
    (tmp_path / "a.json").write_text(json.dumps(content))
    return [dict(values) for _, values in read_json_records(tmp_path / "a.json")]


def test_a_question_has_its_paragraph_and_its_article(tmp_path: Path) -> None:
    shared = {"context": "Bees hum.", "title": "Bees"}
    assert read(tmp_path, SQUAD) == [
        {"question": "who?", "is_impossible": False} | shared,
        {"question": "why?", "is_impossible": True} | shared,
    ]


def test_an_array_gives_its_objects(tmp_path: Path) -> None:
    rows = [{"sentence1": "a", "labels": {"label": 1.0}}]
    assert read(tmp_path, rows) == read(tmp_path, {"data": rows}) == rows


@pytest.mark.parametrize("content", [{"rows": []}, ["a"], "a", {"data": [{"paragraphs": [{"context": "x"}]}]}])
def test_other_forms_are_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(UserError, match=r"a\.json"):
        read(tmp_path, content)


def test_malformed_json_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[\n{"a": }]')
    with pytest.raises(UserError, match=r"a\.json:2: malformed JSON"):
        list(read_json_records(tmp_path / "a.json"))
