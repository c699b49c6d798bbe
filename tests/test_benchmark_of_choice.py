"""The benchmark of the choice keeps vectors, and prints a case's distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import _choice_cases, choice
from eval.choice import THINNING
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.thinned import thinned
from eval.weights import BLANK


def test_a_choice_is_told_by_its_distance_to_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [
        f"{name} is a fruit that grows on the trees of garden number {row}" for row, name in enumerate("abcdef" * 2)
    ]
    ids = [f"d{row}" for row in range(len(texts))]
    corpus = Corpus(ids, ids, [""] * len(ids), texts)
    real = Benchmark("made", {name: f"number {name[1:]}" for name in ids}, {name: {name: 1} for name in ids})
    synthetic = _choice_cases.windows(corpus)
    assert all(synthetic.queries[name] in texts[ids.index(source)] for name, source in synthetic.sources.items())
    vectors = np.random.default_rng(0).standard_normal((len(ids), 8)).astype(np.float32)
    case = _choice_cases.make_case("made", corpus, vectors, (synthetic, real), tmp_path)
    for queries in [real, *(thinned(synthetic, corpus, case.terms_of, share) for share in THINNING)]:
        listed = [query or BLANK for query in queries.queries.values()]
        encoded = np.ones((len(listed), 8), np.float32)
        assert _choice_cases.cached(tmp_path, listed, encoded.copy).tolist() == encoded.tolist()
    assert choice.report(case), "the vectors are kept, so that no model is loaded; they say nothing of the queries"
    printed = capsys.readouterr().out
    assert "made: BM25 1.000" in printed
    assert "choice.distance.made value 0.000 nDCG@10 (budget 0.01)" in printed
