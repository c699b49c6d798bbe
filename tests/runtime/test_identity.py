"""Fingerprints: what a field, an input or a source changes, and what it must not change."""

import ast
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.identity import ROOT, fields_of, identity_of, placement, reachable, source_hash
from engine.runtime.sources import read_source
from engine.storage.digests import digest


class Colour(Enum):
    red = "r"


@dataclass(frozen=True)
class Inner:
    size: int = 3
    workers: int = placement(4)


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    colour: Colour = Colour.red
    inner: Inner = field(default_factory=Inner)
    many: list[Inner] = field(default_factory=lambda: [Inner(1, 2)])
    table: dict[str, Inner] = field(default_factory=lambda: {"a": Inner(5, 6)})
    arguments: dict[str, Any] = placement(default_factory=dict)


@dataclass(frozen=True)
class ByContent:
    path: str = "here"
    size: int = 1
    threads: int = placement(1)

    def identity(self) -> dict[str, object]:
        return fields_of(self) | {"path": len(self.path)}


def test_places_are_left_out_at_every_depth() -> None:
    assert identity_of(Outer()) == {
        "name": "x",
        "colour": "r",
        "inner": {"size": 3},
        "many": [{"size": 1}],
        "table": {"a": {"size": 5}},
    }
    assert identity_of(Outer(inner=Inner(3, 99), arguments={"a": 1})) == identity_of(Outer())
    assert identity_of(Outer(inner=Inner(4, 4))) != identity_of(Outer())


def test_a_place_has_its_default() -> None:
    assert Inner().workers == 4
    assert Outer().arguments == {}
    assert Outer().arguments is not Outer().arguments


def test_a_class_says_itself_what_it_is() -> None:
    assert identity_of(ByContent("abc", 1, 8)) == {"path": 3, "size": 1}
    assert identity_of({"config": [ByContent("abc", 2)]}) == {"config": [{"path": 3, "size": 2}]}


def test_digests_are_the_same_in_every_process() -> None:
    assert digest({"a": 1, "b": [None, 0.5, "ü"]}) == "3e9959dd845301f8"
    assert len(digest("x", 8)) == 8


def test_the_order_of_a_mapping_counts() -> None:
    """The plan draws by the order of a grid's values: another order is another plan."""
    assert digest({"question": 1.0, "keywords": 1.0}) != digest({"keywords": 1.0, "question": 1.0})


def test_half_a_surrogate_pair_has_a_digest() -> None:
    assert digest("\ud800") != digest("\ud801")


SOURCES = {
    "engine/__init__.py": "",
    "engine/a.py": "from engine.b import x\n",
    "engine/b.py": "def f():\n    import engine.c\n\n    from engine import d\n",
    "engine/c.py": "import json\n",
    "engine/d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from engine.types_only import T\n"
    "else:\n    from engine.runtime import T\n",
    "engine/types_only.py": "",
    "engine/runtime.py": "import typing\nif typing.TYPE_CHECKING:\n    import engine.types_only\n",
    "engine/cycle.py": "import engine.a, engine.cycle\n",
    "eval/__init__.py": "",
    "eval/lonely.py": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_follows_imports_as_written(tree: Path) -> None:
    whole = ["engine", "engine.a", "engine.b", "engine.c", "engine.d", "engine.runtime"]
    assert reachable("engine.a", tree) == whole
    assert reachable("engine.cycle", tree) == sorted([*whole, "engine.cycle"])
    assert reachable("eval.lonely", tree) == ["eval.lonely"]


@pytest.mark.parametrize(
    ("edited", "changes"),
    [("engine/a.py", True), ("engine/c.py", True), ("engine/runtime.py", True), ("engine/types_only.py", False)],
)
def test_a_source_counts_when_it_is_reached(tree: Path, edited: str, changes: bool) -> None:
    before = source_hash("engine.a", tree)
    edit(tree / edited, "EDITED = 1\n")
    assert (source_hash("engine.a", tree) != before) is changes


def edit(file: Path, text: str) -> None:
    with file.open("a") as stream:
        stream.write(text)
    source_hash.cache_clear()
    read_source.cache_clear()


def test_a_remark_changes_no_hash(tree: Path) -> None:
    before = source_hash("engine.a", tree)
    edit(tree / "engine" / "a.py", '# a remark\n"""A string that stands alone."""\n\n')
    assert source_hash("engine.a", tree) == before


def test_every_project_import_is_one_that_can_be_followed() -> None:
    """Imports by a computed name would escape the source hash."""
    files = {path for package in ("engine", "training", "eval") for path in (ROOT / package).rglob("*.py")}
    for file in files - {ROOT / "engine" / "documents" / "readers" / "python_docs.py"}:  # it imports what it documents
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)}
        assert not calls & {"importlib.import_module", "import_module", "__import__"}, file
