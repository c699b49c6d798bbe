"""`synthmill search` shows what both models of a run find, from cached vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from engine.errors import UserError
from eval.page.side_by_side import Hit, encoders_of, find_hits, results_table
from eval.retrieval.corpus import Corpus, read_corpus
from eval.systems import dense_system
from tests.support.small_run import DOCUMENTS, finished_run, place_in


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a report, its models the bundled one and a disturbed copy."""
    return finished_run(tmp_path_factory.mktemp("run"))


def rendered(table: object, width: int = 120) -> str:
    """What the terminal shows."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def answers(run_dir: Path, question: str, k: int, width: int = 120) -> str:
    """What both models of the run find, as the terminal shows it."""
    encoders = zip(("base", "tuned"), encoders_of(run_dir), strict=True)
    documents, place = run_dir / "documents", place_in(run_dir.parent)
    systems = [dense_system(name, encoder, documents, place) for name, encoder in encoders]
    return rendered(results_table(question, read_corpus(documents), find_hits(systems, question, k), "tuned"), width)


def test_both_models_answer_from_cached_vectors(run_dir: Path) -> None:
    cached = {path.name: path.stat().st_mtime_ns for path in (run_dir.parent / "store" / "embeddings").iterdir()}
    text = answers(run_dir, "how do I keep [fruit] fresh?", k=3)
    assert "how do I keep [fruit] fresh?" in text
    assert text.count("apples") >= 2
    assert "base" in text
    assert "tuned" in text
    assert {
        path.name: path.stat().st_mtime_ns for path in (run_dir.parent / "store" / "embeddings").iterdir()
    } == cached


def test_k_larger_than_the_corpus_shows_every_passage(run_dir: Path) -> None:
    text = answers(run_dir, "bread", k=500, width=200)
    assert all(name in text for name in DOCUMENTS)


def test_the_tuned_encoder_reads_as_the_base_does(run_dir: Path) -> None:
    base, tuned = encoders_of(run_dir)
    assert base.model == "bundled:all-minilm-l6-v2"
    assert Path(tuned.model) == (run_dir / "model").resolve()
    assert (tuned.max_tokens, tuned.query_prefix) == (base.max_tokens, base.query_prefix)


def test_moved_passages_say_where_the_other_model_had_them() -> None:
    corpus = Corpus(["a", "b"], ["a", "b"], ["A title", ""], ["text of a", "text of b"])
    hits = [[Hit(0, 0.9, 2), Hit(1, 0.8, 1)], [Hit(1, 0.7, 2), Hit(0, 0.6, 1)]]
    text = rendered(results_table("q", corpus, hits, "tuned"))
    assert "tuned (the one to use)" in text
    assert text.count("base: #") == 2
    assert "A title: text of a" in text


def test_a_run_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished report"):
        encoders_of(tmp_path)
