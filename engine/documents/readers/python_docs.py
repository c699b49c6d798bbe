"""Reads the documentation of the Python standard library from the running interpreter.

In: nothing but the interpreter: `pydoc_data.topics` (the language reference) and the docstrings of the public
modules, classes, functions and methods of `sys.stdlib_module_names`. Out: `SourceDocument`s sorted by id,
named as a programmer would name them (`itertools.groupby`, `str.partition`, `topics.pass`). It is a real technical
collection that is on every machine and needs no network. One text is one passage: names that share
a text (re-exports, aliases, copies) are one group, and `canonical` picks the name of the group.

This module and what it imports of ours load the standard library only, because other packages change what they import.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import typing
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pydoc_data.topics import topics
from types import ModuleType

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.python_docs_pieces import (
    PASSAGE_WORDS,
    normalised,
    num_words,
    split,
    units,
    without_rule,
    without_tables,
)

MAX_PASSAGES = 4_000
"""The number of passages that is kept."""
MIN_WORDS = 20
"""A text with fewer words is no passage."""
MAX_RESULT_WORDS = 8
"""The most words, `->` included, that follow a signature which is no docstring."""
SPLIT_DOCSTRING_WORDS = 350
"""A docstring with more words is split."""

SIDE_EFFECTS = {"antigravity", "idlelib", "readline", "rlcompleter", "this"}
SIDE_EFFECTS |= {"tkinter", "turtle", "turtledemo"}
"""Modules whose import opens a window or a browser, prints, changes the terminal, or wants a display."""
NOT_LIBRARY = {"distutils", "encodings", "ensurepip", "lib2to3", "pydoc_data"}
NOT_LIBRARY |= {"xxlimited", "xxlimited_35", "xxsubtype"}
"""Modules of another kind: installers, the 2to3 converter, demonstrations of the C API, data of pydoc, 120 codecs."""
PLATFORM = {"msilib", "msvcrt", "nis", "nturl2path", "ossaudiodev", "spwd", "winreg", "winsound"}
PLATFORM |= {"asyncio.windows_events", "asyncio.windows_utils", "ctypes.macholib"}
PLATFORM |= {"multiprocessing.popen_spawn_win32"}
"""Modules of one operating system only: a passage would depend on where it was read."""
PUBLIC_SPELLING = {"genericpath": "os.path", "ntpath": "os.path", "posixpath": "os.path"}
PUBLIC_SPELLING |= {"nt": "os", "posix": "os"}
"""Modules behind a public one that do not carry its name."""
SKIPPED = SIDE_EFFECTS | NOT_LIBRARY | PLATFORM | set(PUBLIC_SPELLING)
"""Modules that are not read."""

SPECIAL_FORM = type(typing.Optional)  # `typing.Literal` is neither a class nor a function, yet documented
SIGNATURE = re.compile(r"[\w.]+\(")


def read_python_docs() -> Iterator[SourceDocument]:
    """Gives the passages of this interpreter's own documentation, sorted by id.

    Each passage has at least `MIN_WORDS` words and a text no other has. Past `MAX_PASSAGES` those with the
    most parts in their title are dropped first (internals nest deepest), and among them the shortest.
    """
    distinct: dict[str, SourceDocument] = {}
    for document in sorted([*topic_passages(), *docstring_passages()], key=lambda document: document.id):
        distinct.setdefault(normalised(document.text), document)
    long_enough = [document for words, document in distinct.items() if num_words(words) >= MIN_WORDS]
    kept = sorted(long_enough, key=lambda d: (d.title.count("."), -num_words(d.text), d.id))[:MAX_PASSAGES]
    yield from sorted(kept, key=lambda document: document.id)


def read_in_fresh_interpreter() -> Iterator[SourceDocument]:
    """Gives the documents of `read_python_docs`, read by a process that has imported nothing else.

    Libraries replace parts of the interpreter that imports them: Ray, for example, puts another function in the place
    of `print`.

    Raises:
        subprocess.CalledProcessError: the process failed; what it said is on the terminal.
    """
    from engine.runtime.own_packages import search_path  # here, since that process imports this file

    command = [sys.executable, "-P", "-m", "engine.documents.readers.python_docs"]  # -P: no module of this folder
    environment = {**os.environ, **search_path(), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8", env=environment)
    lines = done.stdout.splitlines()
    return (SourceDocument(**json.loads(line)) for line in lines)


@dataclass(frozen=True, slots=True)
class Name:
    """One of the names by which an object can be imported."""

    module: str
    """The module that has the name."""
    qualname: str
    """The name in that module; empty for the module itself."""
    home: str
    """The module that the object says it is from."""
    is_alias: bool = False
    """Whether the object itself has another name."""

    @property
    def spelling(self) -> str:
        """Returns the id as a programmer writes it: builtins without their module, a module by itself."""
        return ".".join(part for part in (self.module, self.qualname) if part and part != "builtins") or "builtins"


def canonical(names: Iterable[Name]) -> Name:
    """Picks the name under which a text is kept.

    Order: builtins; a module that is the object's home or a package around it (`json` for `json.encoder`);
    the object's own name before an alias (`OSError`, not `IOError`); fewest parts; shortest; alphabetical.
    """

    def rank(name: Name) -> tuple[bool, bool, bool, int, int, str]:
        is_home = f"{public_spelling(name.home)}.".startswith(f"{name.module}.")
        text = name.spelling
        return name.module != "builtins", not is_home, name.is_alias, text.count("."), len(text), text

    return min(names, key=rank)


def public_spelling(module: str) -> str:
    """Returns the public name of a module: `_io` is `io`, `posixpath` is `os.path`."""
    return PUBLIC_SPELLING.get(module, ".".join(part.lstrip("_") for part in module.split(".")))


def is_public(dotted: str) -> bool:
    """Tells whether no part of a dotted name starts with an underscore."""
    return not any(part.startswith("_") for part in dotted.split("."))


def library_modules() -> Iterator[tuple[str, ModuleType]]:
    """Lists the public modules of the standard library with their submodules, in the order of their names."""
    waiting = sorted({*sys.stdlib_module_names, "os.path"}, reverse=True)
    while waiting:
        name = waiting.pop()
        module = import_quietly(name) if is_read(name) else None
        if module is not None:
            yield name, module
            inner = pkgutil.iter_modules(getattr(module, "__path__", ()))
            waiting += sorted((f"{name}.{info.name}" for info in inner), reverse=True)


def is_read(module: str) -> bool:
    """Tells whether a module is public, not skipped, and not a test suite inside a package (`ctypes.test`)."""
    return is_public(module) and module not in SKIPPED and "test" not in module.split(".")


def import_quietly(name: str) -> ModuleType | None:
    """Imports a module without its deprecation warning; gives None when it is not built on this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module(name)
        except ImportError as error:
            # an optional C module (`_gdbm` for dbm.gnu) whose library was absent when Python was built
            if is_library(error.name or ""):
                return None
            raise


def documented_names() -> Iterator[tuple[Name, str]]:
    """Gives every public name of the library with its own docstring, aliases and re-exports included."""
    for module_name, module in library_modules():
        if module.__doc__:
            yield Name(module_name, "", module_name), inspect.cleandoc(module.__doc__)
        listed = getattr(module, "__all__", None)
        for attribute, value in sorted(vars(module).items()):
            home = home_of(value, module_name)
            if is_exported(attribute, listed, home, module_name):
                alias = getattr(value, "__name__", attribute) != attribute
                yield from described(Name(module_name, attribute, home, alias), value)


def home_of(value: object, module: str) -> str:
    """Returns the module that an object says it is from; some (bound built-in methods) say nothing."""
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else module


def is_exported(attribute: str, listed: Collection[str] | None, home: str, module: str) -> bool:
    """Tells whether a name is public, of the library, and in `__all__` or, without one, not imported from elsewhere."""
    if not (is_public(attribute) and is_library(home)):
        return False
    if listed is not None:
        return attribute in listed
    # `open` is a builtin although it says it is from `_io`
    return module == "builtins" or top_level(public_spelling(home)) == top_level(module)


def is_library(home: str) -> bool:
    """Tells whether a module is of the library: pytest replaces `pdb.set_trace`, transformers adds to loggers."""
    return top_level(home) in sys.stdlib_module_names


def top_level(module: str) -> str:
    """Returns the first part of a module's name."""
    return module.partition(".")[0]


def described(name: Name, value: object) -> Iterator[tuple[Name, str]]:
    """Gives the docstring of one class or function, and for a class those of the members that it defines itself."""
    if not (inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, property | SPECIAL_FORM)):
        return
    if isinstance(value.__doc__, str):
        yield name, inspect.cleandoc(value.__doc__)
    if inspect.isclass(value):
        for attribute, member in sorted(vars(value).items()):
            is_shown = is_public(attribute) and is_library(home_of(member, name.home))
            if is_shown and not inspect.isclass(member):
                alias = name.is_alias or getattr(member, "__name__", attribute) != attribute
                inner = replace(name, qualname=f"{name.qualname}.{attribute}", is_alias=alias)
                yield from described(inner, member)


def is_signature(text: str) -> bool:
    """Tells whether a text is a call and a short result at most, the docstring of dataclasses and C functions."""
    if not SIGNATURE.match(text):
        return False
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ")" and depth == 0:
            tail = text[position + 1 :].split()
            return not tail or (tail[0] == "->" and len(tail) <= MAX_RESULT_WORDS)
    return False


def docstring_passages() -> Iterator[SourceDocument]:
    """Gives one passage per distinct docstring under its canonical name; a very long one is split."""
    names: dict[str, list[Name]] = defaultdict(list)
    texts: dict[str, str] = {}
    for name, text in documented_names():
        words = normalised(text)
        names[words].append(name)
        texts.setdefault(words, text)
    for words, group in names.items():
        if num_words(words) >= MIN_WORDS and not is_signature(words):
            yield from split(canonical(group).spelling, texts[words], above=SPLIT_DOCSTRING_WORDS)


def topic_passages() -> Iterator[SourceDocument]:
    """Gives the language reference, the shortest topic first, since long topics repeat sections that are topics too."""
    seen: set[str] = set()
    for topic in sorted(topics, key=lambda topic: (len(topics[topic]), topic)):
        parts = units(without_tables(topics[topic]))
        fresh = [part for part in parts if normalised(without_rule(part)) not in seen]
        seen.update(normalised(without_rule(part)) for part in fresh)
        for document in split(f"topics.{topic}", "\n\n".join(fresh), above=PASSAGE_WORDS[1]):
            yield replace(document, title=topic, text=without_rule(document.text))


if __name__ == "__main__":
    sys.stdout.writelines(json.dumps(asdict(document)) + "\n" for document in read_python_docs())
