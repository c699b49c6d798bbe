"""Reports of given examples that are made of numbers, for tests of their page and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from eval.classification.figures import ClassificationFigures
from eval.classification.measure import measure_labels
from eval.data_quality.controls import ControlFigures, compare_with_controls
from eval.fusions import half_words
from eval.given.figures import GivenReport
from eval.given.searched import METRICS, SearchedSystem, SearchFigures
from eval.report import TrainingFigures
from eval.reranking.figures import RerankCurve, RerankPoint
from eval.significance import Bootstrap, DifferenceFigures
from eval.similarity.figures import SimilarityFigures, similarity_figures
from eval.sweeps.paired import Paired
from tests.support.written_classifier import TRAINED, Written, encode, texts_with

TRAINING = TrainingFigures(12.5, 40, 320, epochs=2, batch_size=16, learning_rate=2e-5, loss="mnrl", precision="fp32")


def made_report(**parts: Any) -> GivenReport:
    """A report of the given parts."""
    return GivenReport(
        created="2026-11-26T12:00:00+00:00",
        form="pairs",
        family="bi_encoder",
        base="bundled:all-minilm-l6-v2",
        training=TRAINING,
        fingerprints={"examples": "0123456789abcdef", "model": "0123456789abcde0", "report": "0123456789abcde1"},
        seconds={"examples": 1.0, "model": 90.0, "report": 12.0},
        peak_memory_bytes=1_500_000_000,
        **parts,
    )


def made_controls() -> ControlFigures:
    """Texts of many words beside controls of few."""
    various = [f"word{number} and word{number * 7 % 53} or word{number * 3 % 41}" for number in range(40)]
    alike = [f"a story of {'cats' if number % 3 else 'dogs'} and rain" for number in range(30)]
    return compare_with_controls(various, alike, encode, 0, permutations=99)


def made_search(*, reranked: bool = False) -> SearchFigures:
    """Levels of BM25, base and tuned, alone and with words; with a tuned reranker in place of the tuned encoder."""
    first = half_words("base")
    if reranked:
        systems = {"bm25": system(0.5), "base": system(0.6), first: system(0.65)}
        systems[f"{first}@30@tuned"] = system(0.72, first)
        systems[f"{first}@100@tuned"] = system(0.73, first)
    else:
        systems = {"bm25": system(0.5), "base": system(0.6), "tuned": system(0.66, "base")}
        systems |= {first: system(0.65), half_words("tuned"): system(0.67, first)}
    curves = {"tuned": made_curve(first)} if reranked else {}
    return SearchFigures("x", 200, 900, 500, 600, "document", 200, systems, curves)


def made_curve(first: str) -> RerankCurve:
    """A curve that rises to depth 30 and then stays."""
    points = []
    for depth, level in ((0, 0.65), (5, 0.68), (10, 0.7), (20, 0.715), (30, 0.72), (50, 0.722), (100, 0.721)):
        gain = DifferenceFigures(level - 0.65, (level - 0.67, level - 0.63), 0.01)
        beside = Paired(gain, 0.01, 0.04) if depth else None
        points.append(RerankPoint(depth, level, (level - 0.04, level + 0.04), beside, 4.0 + 8.5 * depth))
    return RerankCurve(first, 200, "document", 200, points)


def system(level: float, beside: str = "") -> SearchedSystem:
    """A system with the same level in every metric."""
    difference = dict.fromkeys(METRICS, DifferenceFigures(0.06, (0.02, 0.1), 0.003)) if beside else {}
    levels, intervals = dict.fromkeys(METRICS, level), dict.fromkeys(METRICS, (level - 0.03, level + 0.03))
    return SearchedSystem(levels, intervals, beside, difference, 12.5)


def made_similarity(*, worse: bool = False) -> SimilarityFigures:
    """Figures of eighty pairs, on which tuned is surely better, or worse."""
    rng = np.random.default_rng(0)
    grades = rng.random(80)
    close, far = grades + rng.normal(0, 0.1, 80), grades + rng.normal(0, 0.8, 80)
    scores = {"base": close, "tuned": far} if worse else {"base": far, "tuned": close}
    return similarity_figures(grades, scores, [str(number) for number in range(80)], Bootstrap(200))


def made_classification(*, several: bool = False) -> ClassificationFigures:
    """Figures of six texts, one of which is wrong with much confidence and holds markup."""
    model = Written([[4, 0], [0, 4], [0, 2], [3, 0], [6, 0], [1, 0]], several=several, temperature=2.0)
    texts = texts_with([["x"], ["y"], ["y"], ["x"], ["y"], ["x"]], last="<script>alert(1)</script>")
    figures = measure_labels(texts, TRAINED, model, encode, Bootstrap(100))
    assert figures is not None
    return figures
