"""What others are told of a model says where it can be found, and nothing of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.names import public_name


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("bundled:all-minilm-l6-v2", "bundled:all-minilm-l6-v2"),
        ("owner/name@main", "owner/name@main"),
        ("/home/alice/x/bge", "bge"),
        ("/home/alice/x/bge/", "bge"),
        ("~/bge", "bge"),
        ("../../alice/bge", "bge"),
    ],
)
def test_a_folder_is_told_by_its_last_part(model: str, told: str) -> None:
    assert public_name(model) == told


def test_a_folder_that_has_the_name_of_a_hub_id_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert public_name("owner/name") == "name"
    assert public_name(".") == tmp_path.name
