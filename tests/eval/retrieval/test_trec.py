"""What is written reads back the same, ids with white space included, and trec_eval ranks it as we do."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from engine.errors import UserError
from eval.retrieval.metrics import evaluate
from eval.retrieval.trec import escape_id, read_qrels, read_run, unescape_id, write_qrels, write_run

IDS = [
    "plain",
    "a b",
    "tab\tid",
    "50%",
    "a%20b",
    "a%2520b",
    "100%2",
    "Ω é",
    "nb\u00a0sp",
    "\u2028",
    "line\nend",
    "%",
    "#2",
]


def test_a_trec_run_reads_back_with_float32_scores_and_every_id(tmp_path: Path) -> None:
    rng = random.Random(0)
    trec_run = {query: {document: rng.uniform(-2, 2) for document in IDS} for query in IDS}
    write_run(tmp_path / "x.trec", trec_run, "base")
    read = read_run(tmp_path / "x.trec")
    assert list(read) == sorted(trec_run)
    for query, scores in trec_run.items():
        assert read[query].keys() == scores.keys()
        assert all(np.float32(read[query][name]) == np.float32(score) for name, score in scores.items())


def test_lines_are_trec_lines_in_rank_order(tmp_path: Path) -> None:
    write_run(tmp_path / "x.trec", {"q1": {"a": 0.1, "c": 0.1, "b": 1e-7}, "q0": {"z": 2.0}}, "tuned")
    assert (tmp_path / "x.trec").read_text().splitlines() == [
        "q0 Q0 z 1 2.0 tuned",
        "q1 Q0 c 1 0.1 tuned",
        "q1 Q0 a 2 0.1 tuned",
        "q1 Q0 b 3 1e-07 tuned",
    ]


@pytest.mark.parametrize("name", IDS)
def test_an_id_survives_and_only_unsafe_ones_change(name: str) -> None:
    assert unescape_id(escape_id(name)) == name
    assert not any(letter.isspace() for letter in escape_id(name))
    assert (escape_id(name) == name) == (name in {"plain", "50%", "100%2", "%", "#2"})


def test_pytrec_eval_reads_both_files_and_finds_our_figures(tmp_path: Path) -> None:
    rng = random.Random(1)
    documents = [f"d{number}" for number in range(60)]
    trec_run = {f"q{query}": {document: rng.random() for document in documents} for query in range(12)}
    qrels = {query: {document: rng.randint(0, 3) for document in documents[::7]} for query in trec_run}
    write_run(tmp_path / "x.trec", trec_run, "base")
    write_qrels(tmp_path / "judgements.qrels", qrels)
    with (tmp_path / "x.trec").open() as lines, (tmp_path / "judgements.qrels").open() as judgements:
        judged = pytrec_eval.parse_qrel(judgements)
        theirs = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut"}).evaluate(pytrec_eval.parse_run(lines))
    assert read_qrels(tmp_path / "judgements.qrels") == qrels
    mean = np.mean([values["ndcg_cut_10"] for values in theirs.values()])
    assert evaluate(trec_run, qrels).means()["ndcg@10"] == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "what"), [("q Q0 d 1 0.5", "5 fields"), ("q Q0 d 1 high base", "'high' is no number")]
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, what: str) -> None:
    file = tmp_path / "x.trec"
    file.write_text(f"q Q0 e 1 0.9 base\n{line}\n")
    with pytest.raises(UserError, match=what) as error:
        read_run(file)
    assert error.value.where == f"{file}:2"


def test_a_malformed_judgement_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.qrels"
    file.write_text("q 0 d 1.5\n")
    with pytest.raises(UserError, match=r"1\.5"):
        read_qrels(file)


def test_an_empty_id_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="empty id"):
        escape_id("")
