"""A system that nobody can search by is refused at once; a template or a library that changes makes a new folder."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from engine.errors import UserError
from engine.handover.config import TEMPLATES, SystemConfig
from engine.handover.libraries import library_versions


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"model": "best"}, "system.model=best"),
        ({"weight": 1.5}, "system.weight=1.5"),
        ({"weight": -0.1}, "system.weight=-0.1"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_key(settings: dict[str, object], where: str) -> None:
    with pytest.raises(UserError) as caught:
        SystemConfig(**settings)  # type: ignore[arg-type]  # what a user may write
    assert caught.value.where == where


def test_what_makes_a_folder_another_one() -> None:
    identity = SystemConfig(weight=0.4).identity()
    assert identity["weight"] == 0.4
    assert identity["libraries"] == library_versions()
    assert len(str(identity["templates"])) == 16
    assert (TEMPLATES / "search.py.jinja").is_file()


def test_libraries_are_named_as_pip_knows_them() -> None:
    versions = library_versions()
    assert versions["PyStemmer"] == version("PyStemmer")
    assert {"faiss-cpu", "bm25s", "sentence-transformers", "numpy"} <= versions.keys()
