"""Queries and judgements are looked at once a process, whole where they are few; large ones at their first lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts import collection
from engine.errors import UserError
from engine.pipeline import judged_looks
from engine.pipeline.judged_looks import look_at_judgements, remark_on_judged
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.sweeps.config import read_sweep
from engine.sweeps.sweep import check
from tests.sweeps.test_sweep import GIVEN, compose


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that objects are read from."""
    files: list[Path] = []

    def noting(plain: Callable[[Path], Any]) -> Callable[[Path], Any]:
        return lambda file: (files.append(file), plain(file))[1]

    monkeypatch.setattr(collection, "read_objects", noting(collection.read_objects))
    return files


def shown(corpus: Path, count: int, **settings: Any) -> DemonstrationsConfig:
    return DemonstrationsConfig(collection=str(corpus), from_qrels=count, seed=0, **settings)


def test_files_that_have_not_changed_are_read_once(corpus: Path, read: list[Path]) -> None:
    queries = corpus / "queries.jsonl"
    for _ in range(3):
        look_at_judgements(corpus, "test")
    assert read == [queries]
    remarks = {remark_on_judged(shown(corpus, 10, per_prompt=number), "test") for number in (1, 2, 3)}
    assert len(remarks) == 1, "the same is told each time"
    assert read == [queries, queries]
    assert remark_on_judged(shown(corpus, 9), "test") == ""
    with queries.open("a") as stream:
        stream.write("oops\n")
    for _ in range(2):
        with pytest.raises(UserError, match="malformed JSON"):
            look_at_judgements(corpus, "test")
        with pytest.raises(UserError, match="malformed JSON"):
            remark_on_judged(shown(corpus, 10), "test")


def test_a_sweep_looks_at_the_judgements_of_its_points_once(corpus: Path, tmp_path: Path, read: list[Path]) -> None:
    space = {"model.epochs": {"int": [1, 3]}, "model.batch_size": {"int": [16, 64]}}
    said = {"space": space, "metric": "model.steps", "mode": "max"}
    overrides = [*GIVEN, f"collection={corpus}", f"runs_dir={tmp_path}"]
    assert len(read_sweep(said, "f.yaml", "rates").space.checks()) > 1
    check(read_sweep(said, "f.yaml", "rates"), overrides, compose)
    assert read.count(corpus / "queries.jsonl") == 1


def test_of_large_files_the_first_lines_are_looked_at(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, judgements = corpus / "queries.jsonl", corpus / "qrels" / "test.tsv"
    good = queries.read_text(), judgements.read_text()
    monkeypatch.setattr(judged_looks, "_WHOLE_BYTES", 10)
    monkeypatch.setattr(judged_looks, "_FIRST_LINES", 5)
    assert remark_on_judged(shown(corpus, 10), "test") == ""
    for file, text in zip((queries, judgements), good, strict=True):
        file.write_text(f"{text}oops\n")
        look_at_judgements(corpus, "test")  # the end is left to the step
        file.write_text(f"{text.partition(chr(10))[0]}\noops\n")
        with pytest.raises(UserError) as caught:
            look_at_judgements(corpus, "test")
        assert caught.value.where == f"{file}:2"
        file.write_text(text)


def test_judged_queries_without_a_collection_are_refused(monkeypatch: pytest.MonkeyPatch, corpus: Path) -> None:
    monkeypatch.chdir(corpus)
    monkeypatch.setattr(judged_looks, "_WHOLE_BYTES", 10)
    with pytest.raises(UserError, match="there is no collection"):
        remark_on_judged(DemonstrationsConfig(collection="", from_qrels=2, seed=0), "test")


def test_a_collection_without_judgements_passes(tmp_path: Path) -> None:
    look_at_judgements(tmp_path, "test")
