"""The standard library's documentation: names, texts, and the same result in every process."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.python_docs import (
    MAX_PASSAGES,
    MIN_WORDS,
    SPLIT_DOCSTRING_WORDS,
    Name,
    canonical,
    import_quietly,
    is_public,
    is_signature,
    public_spelling,
    read_python_docs,
)
from engine.documents.readers.python_docs_pieces import normalised, num_words
from tests.support.paths import ROOT

DUMP = """
import dataclasses, json
from engine.documents.readers.python_docs import read_python_docs
print(json.dumps([dataclasses.astuple(document) for document in read_python_docs()]))
"""


@pytest.fixture(scope="module")
def documents() -> list[SourceDocument]:
    return list(read_python_docs())


def dump(*before: str, hash_seed: str) -> list[list[str]]:
    """What a fresh interpreter with an almost empty environment reads, after importing `before`."""
    script = "\n".join([*(f"import {module}" for module in before), DUMP])
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "LANG": "C"}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=os.sep,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    rows: list[list[str]] = json.loads(result.stdout)
    return rows


@pytest.mark.parametrize(
    "known",
    [
        "itertools.groupby",
        "str.partition",
        "os.path.join",
        "functools.lru_cache",
        "collections.Counter.most_common",
        "json.dumps",
        "sorted",
        "topics.pass",
        "open.1",
        "asyncio.gather",
    ],
)
def test_well_known_names_are_present(documents: list[SourceDocument], known: str) -> None:
    assert known in {document.id for document in documents}


@pytest.mark.parametrize(
    "alias",
    [
        "posixpath.join",
        "builtins.sorted",
        "builtins.str.partition",
        "json.decoder.JSONDecoder",
        "_io.StringIO",
    ],
)
def test_aliases_are_absent(documents: list[SourceDocument], alias: str) -> None:
    assert alias not in {document.id for document in documents}


def test_ids_are_sorted_unique_and_public(documents: list[SourceDocument]) -> None:
    ids = [document.id for document in documents]
    assert all(first < second for first, second in pairwise(ids))
    assert all(map(is_public, ids))


def test_texts_are_distinct_and_neither_short_nor_very_long(documents: list[SourceDocument]) -> None:
    texts = [normalised(document.text) for document in documents]
    assert len(set(texts)) == len(texts)
    assert all(MIN_WORDS <= num_words(text) <= SPLIT_DOCSTRING_WORDS for text in texts)
    assert not any(text.startswith("Alias for field number") or is_signature(text) for text in texts)


def test_number_of_passages(documents: list[SourceDocument]) -> None:
    assert 2_500 <= len(documents) <= MAX_PASSAGES


def test_limit_drops_the_deepest_names_first(documents: list[SourceDocument], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.documents.readers.python_docs.MAX_PASSAGES", 1_000)
    kept = list(read_python_docs())
    assert len(kept) == 1_000
    assert {document.id for document in kept} < {document.id for document in documents}
    deepest = max(document.title.count(".") for document in kept)
    assert deepest < max(document.title.count(".") for document in documents)


def test_titles_name_the_object_or_the_topic(documents: list[SourceDocument]) -> None:
    titles = {document.id: document.title for document in documents}
    assert titles["itertools.groupby"] == "itertools.groupby"
    assert titles["topics.pass"] == "pass"
    assert titles["topics.for.1"] == "for"


def test_same_in_every_process_whatever_was_imported_before() -> None:
    plain = dump(hash_seed="0")
    assert plain == dump("xml.dom.minidom", "asyncio", "typing", hash_seed="4242")


def test_what_another_package_adds_to_the_library_is_left_out(
    documents: list[SourceDocument], monkeypatch: pytest.MonkeyPatch
) -> None:
    def added() -> None:
        """Do what transformers does to loggers: a method with a long docstring, on a class of the library.

        It comes from a package that is no part of the library at all, so nobody should find it there.
        """

    added.__module__ = "transformers.utils.logging"
    monkeypatch.setattr("logging.Logger.added", added, raising=False)
    assert list(read_python_docs()) == documents


@pytest.mark.parametrize("missing", ["_gdbm", "some_package"])
def test_only_a_module_that_was_not_built_may_be_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError(missing, name=missing)

    monkeypatch.setattr("engine.documents.readers.python_docs.importlib.import_module", fail)
    if missing.startswith("_"):
        assert import_quietly("dbm.gnu") is None
    else:
        with pytest.raises(ModuleNotFoundError, match=missing):
            import_quietly("dbm.gnu")


def test_takes_a_few_seconds_at_most() -> None:
    start = time.thread_time()
    assert sum(1 for _ in read_python_docs()) > 0
    assert time.thread_time() - start < 10


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([Name("io", "open", "_io", is_alias=False), Name("builtins", "open", "_io")], "open"),
        ([Name("builtins", "IOError", "builtins", is_alias=True), Name("builtins", "OSError", "builtins")],
         "OSError"),
        ([Name("json.decoder", "JSONDecoder", "json.decoder"), Name("json", "JSONDecoder", "json.decoder")],
         "json.JSONDecoder"),
        ([Name("glob", "join", "posixpath"), Name("os.path", "join", "posixpath")], "os.path.join"),
        ([Name("ast", "wraps", "functools"), Name("functools", "wraps", "functools")], "functools.wraps"),
        ([Name("random", "Random.randint", "random"), Name("random", "randint", "random")], "random.randint"),
        ([Name("b", "same", "c"), Name("a", "same", "c")], "a.same"),
    ],
)  # fmt: skip
def test_canonical_name_in_any_order(names: list[Name], expected: str) -> None:
    assert canonical(names).spelling == canonical(reversed(names)).spelling == expected


def test_spelling_of_modules_and_builtins() -> None:
    assert Name("decimal", "", "decimal").spelling == "decimal"
    assert Name("builtins", "", "builtins").spelling == "builtins"
    assert public_spelling("_io") == "io"
    assert public_spelling("posixpath") == "os.path"
    assert not is_public("asyncio._private.thing")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ArgInfo(args, varargs=(), locals)", True),
        ("f(x) -> list of pairs", True),
        ("f(x) -> list of pairs Return the pairs of the argument in order.", False),
        ("Return f(x)", False),
        ("f(x", False),
    ],
)
def test_is_signature(text: str, expected: bool) -> None:
    assert is_signature(text) is expected
