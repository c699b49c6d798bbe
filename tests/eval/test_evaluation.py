"""The three systems are built over the same passages, and each passage is encoded once per model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.prompts import PromptsFolder
from engine.search.encoder import Encoder
from engine.task.config import TaskConfig
from engine.task.render import Demonstration
from eval.evaluation import (
    analyser_of,
    choice_queries,
    demonstration_queries,
    evaluate_systems,
    find_benchmark,
)
from eval.retrieval.corpus import read_corpus
from eval.retrieval.metrics import Floats
from eval.significance import resampled_means
from eval.synthetic import held_out_queries
from tests.support.bars import Bars
from tests.support.models import write_cross_encoder
from tests.support.small_run import (
    build_run,
    place_in,
    small_config,
    small_evaluation,
    write_benchmark,
    write_tuned_model,
)


def test_demonstrations_are_known_by_query_id(tmp_path: Path) -> None:
    assert demonstration_queries(build_run(tmp_path)["prompts"]) == {"q6"}
    PromptsFolder(tmp_path).write_basis(TaskConfig(), [Demonstration("a document", "of no benchmark")], [])
    assert demonstration_queries(tmp_path) == set()


def test_a_benchmark_of_other_documents_is_not_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = build_run(tmp_path / "store")
    folder = write_benchmark(tmp_path / "tiny")
    corpus = read_corpus(folders["documents"])
    benchmark = find_benchmark(small_config(str(folder)), folders, corpus, place_in(tmp_path))
    assert benchmark is not None
    assert "q6" not in benchmark.queries
    judgements = folder / "qrels" / "test.tsv"
    judgements.write_text("query-id\tcorpus-id\tscore\nq1\telsewhere\t1\n")
    assert find_benchmark(small_config(str(folder)), folders, corpus, place_in(tmp_path)) is None
    assert "none of the 1 documents judged relevant in tiny" in " ".join(capsys.readouterr().out.split())
    judgements.write_text("query-id\tcorpus-id\tscore\nq6\td1\t1\n")
    assert find_benchmark(small_config(str(folder)), folders, corpus, place_in(tmp_path)) is None
    said = " ".join(capsys.readouterr().out.split())
    assert "all 1 judged queries of tiny were shown as demonstrations, so none is left" in said


def test_queries_that_are_left_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = build_run(tmp_path / "store")
    folder = write_benchmark(tmp_path / "tiny")
    corpus, judgements = read_corpus(folders["documents"]), folder / "qrels" / "test.tsv"
    header, known = "query-id\tcorpus-id\tscore\n", next(iter(corpus.document_ids))
    judgements.write_text(f"{header}q1\t{known}\t1\n")
    assert find_benchmark(small_config(str(folder)), folders, corpus, place_in(tmp_path))
    assert "left out" not in capsys.readouterr().out
    judgements.write_text(f"{header}q1\t{known}\t1\nq2\t{known}\t0\n")
    assert find_benchmark(small_config(str(folder)), folders, corpus, place_in(tmp_path))
    assert "1 of 2 judged queries of tiny left out: no relevant document" in capsys.readouterr().out
    judgements.write_text(f"{header}q2\t{known}\t0\n")
    assert find_benchmark(small_config(str(folder)), folders, corpus, place_in(tmp_path)) is None
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 1 judged queries of tiny left out: no relevant document, so it is not evaluated" in said


def test_each_set_of_queries_is_resampled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clusters: list[int] = []

    def counted(sizes: Floats, *rest: object) -> Floats:
        clusters.append(len(sizes))
        return resampled_means(sizes, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("eval.significance.resampled_means", counted)
    evaluation = small_evaluation(build_run(tmp_path))
    questions = len(evaluation.real_queries)
    documents = evaluation.decision.documents
    assert clusters == [documents, questions, documents, questions], "the last two are with words, and of all systems"
    assert (evaluation.decision.model, evaluation.model) == ("tuned", "base"), "what is recommended is built on"
    assert replace(evaluation, recommendation=None).model == "tuned"
    # The decision and the figures rest on the same draw, so that they never contradict each other.
    assert evaluation.decision.difference == evaluation.held_out_figures.difference["ndcg@10"]


def test_a_second_evaluation_encodes_no_passage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    (tmp_path / "log.txt").write_text("how do I keep fruit fresh\nloop that never slips\n")
    place, config = place_in(tmp_path), small_config(str(write_benchmark(tmp_path / "tiny")))
    config = replace(config, queries=str(tmp_path / "log.txt"))
    bars = Bars()
    first = evaluate_systems(replace(config, indexes=["hnsw", "ivf_pq"]), folders, replace(place, console=bars))
    assert all(done == total for _, _, done, total in bars.ended)
    assert [unit for noun, unit, _, _ in bars.ended if noun == "report"] == [
        "systems (synthetic queries)",
        "systems (judged queries)",
        "systems (queries of the log)",
        "systems (synthetic queries)",
        "folds (of the check for harm)",
        "sets of queries",
        "folds (of the choice)",
        "systems (judged queries)",
        "models (cross-fitted)",
        "indexes",
        "timed searches",
    ], "nothing long is silent"

    def refuse(*_: object) -> None:
        raise AssertionError("passages are encoded once per model, and their words indexed once")

    monkeypatch.setattr(Encoder, "encode_passages", refuse)
    monkeypatch.setattr("engine.search.bm25._build", refuse)
    second = evaluate_systems(config, folders, place)
    assert second.judged is not None
    assert second.indexes is None
    assert first.indexes is not None
    assert first.indexes.model == first.model
    assert first.indexes.indexes["hnsw"].recall == {"10": 1.0, "100": 1.0}
    assert "there are 24" in first.indexes.indexes["ivf_pq"].left_out
    assert first.judged is not None
    assert second.judged.trec_runs == first.judged.trec_runs
    assert second.held_out.trec_runs == first.held_out.trec_runs
    assert second.judged.trec_runs["base"] != second.judged.trec_runs["tuned"]
    assert second.decision == first.decision
    assert set(second.latency) >= {"bm25", "base", "tuned", "bm25+base", "bm25+tuned"}
    assert second.latency["tuned"].encode is not None
    assert second.log is not None
    assert {query.query for query in second.log.shown} == {"how do I keep fruit fresh", "loop that never slips"}
    assert choice_queries(config, folders, None).real == [query.query for query in second.log.shown]


@pytest.mark.parametrize("depth", [0, 3])
def test_a_slow_system_is_shown_on_few_queries_and_base_or_tuned_decided_on_all(tmp_path: Path, depth: int) -> None:
    folders = build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    inputs = {**folders, "cross_encoder": write_cross_encoder(tmp_path / "pairs")}
    config = replace(small_config(), max_reranked=2, trained_reranker_depth=depth, latency_repetitions=0)
    evaluation = evaluate_systems(config, inputs, place_in(tmp_path))
    every = held_out_queries(folders["examples"], 0).queries
    assert len(every) > 2
    assert evaluation.decision.queries == len(every)
    assert len(evaluation.held_out.benchmark.queries) == evaluation.held_out_figures.queries
    assert evaluation.held_out_figures.queries == (2 if depth else len(every))
    assert bool(evaluation.reranking) is bool(depth)


def test_bm25_reads_the_corpus_by_its_language_and_says_where_it_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, place = read_corpus(build_run(tmp_path)["documents"]), place_in(tmp_path)
    assert analyser_of(small_config(), corpus, place).name == "English: Snowball stemmer, stop words"
    assert analyser_of(replace(small_config(), language="none"), corpus, place).name == "no stemmer"
    assert capsys.readouterr().out == ""
    bare = replace(corpus, titles=[""] * len(corpus.texts), texts=["x = 1"] * len(corpus.texts))
    assert not analyser_of(small_config(), bare, place).is_decided
    assert "language not clear: no stemmer; language=NAME names one" in " ".join(capsys.readouterr().out.split())
