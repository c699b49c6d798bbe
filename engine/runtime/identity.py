"""The fingerprint of a step: one hash of all that its result depends on, which is config, inputs and sources.

In: a config dataclass, the fingerprints of a step's inputs, the module of its function. Out: 16 hex digits.
Where a step runs (workers, batch sizes of inference, paths, log folders) is marked with `placement()` beside the
field and stays out, so that a run resumes on another machine. (After marin's split of literals and context.)

The source hash follows imports as written, function-level ones included and `if TYPE_CHECKING` ones not, so an edit
reruns exactly the steps whose code can see it. Comments and docstrings are left out: a mended typo reruns nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import io
import tokenize
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from engine.storage.digests import digest

PACKAGES = ("engine", "training", "eval")
ROOT = Path(__file__).resolve().parents[2]

_Span = tuple[tuple[int, int], tuple[int, int]]
"""Line (from 1) and column of the start and of the end of a piece of source."""
_NO_CODE = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def placement(default: Any = dataclasses.MISSING, *, default_factory: Any = dataclasses.MISSING) -> Any:
    """Makes a dataclass field that says where or how fast something runs; it is left out of every fingerprint."""
    return dataclasses.field(default=default, default_factory=default_factory, metadata={"placement": True})


def origins() -> Any:
    """Makes a dataclass field that tells under which key the user wrote a setting that follows another key.

    It maps the setting's name to that key, such as `path` to `collection`, so that a message about the value can name
    what the user wrote. It is no setting itself: neither the schema of a run's config nor a fingerprint knows it.
    """
    metadata = {"placement": True, "omegaconf_ignore": True}
    return dataclasses.field(default_factory=dict, compare=False, metadata=metadata)


def identity_of(config: object) -> object:
    """Returns the part of a config that changes a result, as plain JSON values.

    A config class may define `identity(self) -> dict` to replace paths by what they hold.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        identity = getattr(config, "identity", None)
        return identity_of(identity()) if identity else fields_of(config)
    if isinstance(config, Mapping):
        return {str(key): identity_of(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [identity_of(value) for value in config]
    return config.value if isinstance(config, Enum) else config


def fields_of(config: object, *, without: Collection[str] = ()) -> dict[str, object]:
    """Returns every field of a dataclass that is no placement, by name; `identity()` methods start from this."""
    fields = [field for field in dataclasses.fields(config) if not field.metadata.get("placement")]  # type: ignore[arg-type]
    return {field.name: identity_of(getattr(config, field.name)) for field in fields if field.name not in without}


@functools.cache
def source_hash(module: str, root: Path = ROOT) -> str:
    """Hashes the project sources that `module` imports, directly or through others, and `module` itself."""
    return digest({name: _code_digest(_path(name, root)) for name in reachable(module, root)})


def reachable(module: str, root: Path = ROOT) -> list[str]:
    """Returns the sorted names of the project modules that `module` reaches by imports, and of `module` itself."""
    seen: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue.extend(_imports(name, root))
    return sorted(seen)


@functools.cache
def _code_digest(file: Path) -> str:
    return hashlib.sha256(code_of(file.read_text(encoding="utf-8")).encode()).hexdigest()


def code_of(source: str) -> str:
    """Returns a Python source without comments, docstrings (those of fields and constants too) and empty lines.

    A statement that is nothing but a string is a docstring. All other text stays as it is written, so that the result
    is the same whichever Python computes it.
    """
    gaps: list[_Span] = []
    statement: list[tokenize.TokenInfo] = []
    texts: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            gaps.append((token.start, token.end))
        elif token.type == tokenize.NEWLINE:
            if all(part.type == tokenize.STRING for part in statement):
                gaps.append((statement[0].start, statement[-1].end))
            elif any("STRING" in tokenize.tok_name[part.type] for part in statement):
                texts.update(range(statement[0].start[0], token.end[0] + 1))
            statement = []
        elif token.type not in _NO_CODE:
            statement.append(token)
    lines = _cut(source.split("\n"), gaps)  # as tokenize counts lines; splitlines knows more ends of lines
    return "\n".join(line for number, line in enumerate(lines, 1) if line.strip() or number in texts)


def _cut(lines: list[str], gaps: list[_Span]) -> list[str]:
    """Returns the lines without what lies in the gaps, and without the blanks that then end them."""
    for (first, start), (last, end) in reversed(gaps):
        rest = lines[last - 1][end:]
        lines[first - 1] = (lines[first - 1][:start] + rest).rstrip()
        lines[first:last] = [""] * (last - first)
    return lines


def _imports(module: str, root: Path) -> Iterator[str]:
    names = _named_imports(_path(module, root).read_text(encoding="utf-8"))
    yield from (name for name in names if _is_module(name, root))


@functools.cache
def _named_imports(source: str) -> list[str]:
    """Finds names in our packages that a source may import; `from a import b` may mean the module `a.b`."""
    tree = ast.parse(source)
    imported: list[str] = []
    skipped = {id(node) for block in ast.walk(tree) for statement in _for_types(block) for node in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        imported += [name for name in names if name.split(".")[0] in PACKAGES]
    return imported


def _for_types(node: ast.AST) -> list[ast.stmt]:
    """Finds the statements that only a type checker sees; those of an `else` run."""
    if not isinstance(node, ast.If):
        return []
    names = [getattr(node.test, field, "") for field in ("id", "attr")]  # TYPE_CHECKING, typing.TYPE_CHECKING
    return node.body if "TYPE_CHECKING" in names else []


def _path(module: str, root: Path) -> Path:
    base = root.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _is_module(name: str, root: Path) -> bool:
    return _path(name, root).is_file()
