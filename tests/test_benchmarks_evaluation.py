"""What benchmarks/evaluation.py compares is the same on all sides, at a small size and in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _peers, evaluation
from benchmarks._collection import read_collection
from tests.support.small_run import DOCUMENTS, write_benchmark


def write_collection(folder: Path) -> Path:
    """The documents and questions of the small run, each judgement a yes or no."""
    write_benchmark(folder)
    rows = [{"_id": name, "title": title, "text": text} for name, (title, text) in DOCUMENTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file = folder / "qrels" / "test.tsv"
    lines = [line.split("\t") for line in file.read_text().splitlines()]
    graded = ["\t".join((query, document, str(min(int(grade), 1)))) for query, document, grade in lines[1:]]
    file.write_text("\n".join(["\t".join(lines[0]), *graded]))
    return folder


def call_here(
    function: Callable[..., Any], arguments: Mapping[str, Any], log: Path, python: str = sys.executable
) -> Any:
    """Stands for `call_in_own_process` where a small part is called."""
    assert python == sys.executable, "another interpreter has no place in this process"
    log.parent.mkdir(parents=True, exist_ok=True)
    return function(**arguments)


def test_the_sides_have_the_same_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = []

    def call(*given: Any, **settings: Any) -> Any:
        scores.append((figures := call_here(*given, **settings))["scores"])
        return figures

    monkeypatch.setattr(evaluation, "call_in_own_process", call)
    collection = write_collection(tmp_path / "tiny")
    evaluation.main(
        ["--pairs", "1", "--collection", str(collection), "--skip-large"]
    )  # who is faster says nothing here
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if " ratio " in line or " value " in line]
    assert names == [
        *("evaluation.seconds", "evaluation.peak"),
        *("evaluation.sentence_transformers_time", "evaluation.sentence_transformers_memory"),
    ]
    [compared] = [line for line in lines if "_scores differ by" in line]
    assert float(compared.split()[3]) <= evaluation.TOLERATED
    assert [set(side) for side in scores] == [set(_peers.NAMES)] * 2, "all metrics are compared"


def test_scores_that_differ_are_a_miss(capsys: pytest.CaptureFixture[str]) -> None:
    side = {"seconds": 1.0, "peak_bytes": 2**30, "scores": {"ndcg@10": 0.5, "map@100": 0.25}}
    worse = side | {"seconds": 2.0, "scores": {"ndcg@10": 0.5, "map@100": 0.2501}}
    assert not evaluation.report([{"ours": side, "beir": side}], "fp32")
    assert evaluation.report([{"ours": side, "beir": worse}], "fp32")
    assert not evaluation.report([{"ours": side, "beir": worse}], "bf16")
    assert evaluation.report([{"ours": worse, "beir": side}], "bf16"), "slower"
    assert "evaluation.beir_scores differ by 1.00e-04 at most (map@100)" in capsys.readouterr().out


def test_without_a_collection_it_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluation.main(["--collection", str(tmp_path), "--skip-large"]) == 0
    assert f"left out: there is no collection at {tmp_path}" in capsys.readouterr().out


def test_made_queries_find_their_passages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "call_in_own_process", call_here)
    options = evaluation.parse(["--passages", "2001", "--queries", "40"])
    (tmp_path / "large").mkdir()
    figures = evaluation.measure_large(options, tmp_path / "large")
    assert figures["peak_bytes"] >= figures["before_bytes"] > 0, "of this process, whatever its other tests took"
    assert evaluation.report_large({**figures, "peak_bytes": 4.1e9})
    assert not evaluation.report_large({**figures, "peak_bytes": 3.9e9})
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "evaluation.large_found value 1.000 share of the sources first"


def test_packages_that_are_not_there_are_left_out_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _peers.peers_of(sys.executable) == [], "they are never installed among those of the project"
    evaluation.main(["--collection", str(tmp_path), "--skip-large"])
    assert f"evaluation.mteb left out: {sys.executable} has no mteb" in capsys.readouterr().out


def test_no_query_has_the_id_of_a_document(tmp_path: Path) -> None:
    corpus, benchmark = read_collection(str(write_collection(tmp_path / "tiny")))
    assert not set(benchmark.queries) & set(corpus.document_ids)
    assert set(benchmark.queries) == set(benchmark.qrels)
    assert all(name.startswith("query-q") for name in benchmark.queries)
