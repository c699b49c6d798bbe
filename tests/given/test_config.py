"""The identity of given examples is what the files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.given.config import GivenConfig


def test_a_file_counts_by_its_content_and_a_folder_by_its_names_too(tmp_path: Path) -> None:
    for name in ("a/train.jsonl", "b/other.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text('{"query": "q", "passage": "p"}\n')
    config = GivenConfig(str(tmp_path / "a" / "train.jsonl"))
    assert config.identity() == GivenConfig(str(tmp_path / "b" / "other.jsonl")).identity()
    assert GivenConfig(str(tmp_path / "a")).identity() != GivenConfig(str(tmp_path / "b")).identity()
    assert GivenConfig(str(tmp_path / "a"), seed=1).identity() != GivenConfig(str(tmp_path / "a")).identity()
    (tmp_path / "a" / "train.jsonl").write_text('{"query": "q", "passage": "other"}\n')
    assert config.identity() != GivenConfig(str(tmp_path / "b" / "other.jsonl")).identity()


def test_what_is_held_out_is_asked_of_any_folder_where_it_is_measured_on(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"query": "q", "passage": "p"}\n')
    config = GivenConfig(str(tmp_path / "a.jsonl"))
    measured = GivenConfig(config.path, holds_out=True)
    assert measured.identity() == config.identity(), "the examples are the same, and are found"
    config.check_held_out(0)
    measured.check_held_out(1)
    with pytest.raises(UserError, match=r"a\.jsonl: nothing is held out to measure on"):
        measured.check_held_out(0)


def test_the_key_of_a_path_stands_in_messages_and_not_in_the_identity(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"query": "q", "passage": "p"}\n')
    named = GivenConfig(str(tmp_path / "a.jsonl"), key="report.similarity")
    assert named.identity() == GivenConfig(str(tmp_path / "a.jsonl")).identity()
    with pytest.raises(UserError, match=r"report\.similarity=none: does not exist"):
        GivenConfig("none", key="report.similarity").identity()
