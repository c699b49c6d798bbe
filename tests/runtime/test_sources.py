"""What counts of a source and what it imports; and that what was read off once is not read off again."""

from __future__ import annotations

import io
import json
import tokenize
from pathlib import Path

import pytest

from engine.runtime import sources
from engine.runtime.identity import ROOT
from engine.runtime.sources import Source, _Memory, code_of, imports_of

SOURCE = '''"""A module."""
import a  # why

x = 1
"""What x is."""
rows = [
    1,  # the first

    2]

def f(a,
      b='#'):  # no comment begins in a string
    """Says what f does.

    At length.
    """
    text = """kept

    # as it stands
    """
    return f"{a}   {{b}}" 'and' \\
        "so on"
'''
CODE = '''import a
x = 1
rows = [
    1,
    2]
def f(a,
      b='#'):
    text = """kept

    # as it stands
    """
    return f"{a}   {{b}}" 'and' \\
        "so on"'''


def test_code_is_a_source_without_remarks() -> None:
    assert code_of(SOURCE) == CODE
    assert code_of(CODE) == CODE


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_character_that_only_some_take_for_the_end_of_a_line_hides_no_code(end: str) -> None:
    one, two = (f's = """a{end}b"""\nx = {number}\n"a docstring"\n' for number in (1, 2))
    assert code_of(one) == f's = """a{end}b"""\nx = 1'
    assert code_of(one) != code_of(two)


def tokens(source: str) -> list[str]:
    """The tokens of all statements that are more than a string."""
    kept: list[str] = []
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.NEWLINE, tokenize.ENDMARKER}:
            kept += [part.string for part in statement if any(other.type != tokenize.STRING for other in statement)]
            statement = []
        elif token.type not in {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT}:
            statement.append(token)
    return kept


@pytest.mark.parametrize("package", ["engine", "training", "eval"])
def test_the_code_of_every_module_is_all_of_its_statements(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        source = file.read_text()
        assert tokens(code_of(source)) == tokens(source), file
        assert len(code_of(source)) < len(source)


def test_imports_at_every_depth_but_for_those_of_types() -> None:
    source = """import a, b.c
from d import e as f
from . import g
if TYPE_CHECKING:
    import types_only
elif x:
    import h
else:
    import i
class C:
    def m(self):
        try:
            import j
        except ImportError:
            import k
        finally:
            with open(x):
                import l
        match x:
            case 1:
                import m
"""
    assert sorted(imports_of(source)) == ["a", "b.c", "d", "d.e", "h", "i", "j", "k", "l", "m"]


def test_a_source_is_parsed_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _Memory(tmp_path / "cache" / "sources.json")
    read = first.of("import a  # why\n")
    assert read == Source(code=first.of("import a\n").code, imports=("a",))
    first.save()
    monkeypatch.setattr(sources, "code_of", lambda source: pytest.fail(f"{source!r} is parsed again"))
    assert _Memory(tmp_path / "cache" / "sources.json").of("import a  # why\n") == read


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": ["x"]}'])
def test_a_damaged_memory_counts_as_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sources.json"
    file.write_text(text)
    memory = _Memory(file)
    assert memory.of("import a\n").imports == ("a",)
    memory.save()
    assert len(json.loads(file.read_text())) == 1


def test_sources_are_read_where_nothing_can_be_kept() -> None:
    memory = _Memory(Path("/proc/nobody/sources.json"))
    assert memory.of("import a\n").imports == ("a",)
    memory.save()


def test_what_nobody_reads_any_longer_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MOST_REMEMBERED", 2)
    for text in ("a = 1\n", "a = 2\n", "a = 3\n"):
        memory = _Memory(tmp_path / "sources.json")
        memory.of(text)
        memory.save()
    assert len(json.loads((tmp_path / "sources.json").read_text())) == 1
