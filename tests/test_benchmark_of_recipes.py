"""The comparison of training recipes: what is packed is what the run holds, and every kind of recipe trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import _recipe_collections, _recipe_lab, _recipes, gpu, recipes
from benchmarks._recipe_collections import Packed
from benchmarks._recipe_lab import Lab
from benchmarks._recipes import Recipe
from engine.search.analyser import make_analyser
from engine.search.bm25 import Bm25Index
from engine.search.fusion import fuse, standardised
from eval.retrieval.corpus import read_corpus
from tests.support.small_run import build_run, write_benchmark

CHOSEN = (
    Recipe(epochs=1),
    Recipe(epochs=1, queries="all", negatives=1, words=1.2, thinned=0.5, free="both"),
    Recipe(epochs=1, loss="teacher", queries="fused", candidates=2, badly=True),
    Recipe(epochs=1, positive="teacher", fixed_passages=True),
    Recipe(epochs=1, fixed_passages=True, adapter=True, loss="teacher", queries="all"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes") / "run"
    folder.mkdir()
    for noun, made in build_run(folder.parent).items():
        (folder / noun).symlink_to(made)
    judged = write_benchmark(folder.parent / "judged")
    (folder / "config.yaml").write_text(f"report: {{benchmark: {judged}, split: test}}\n")
    return folder


@pytest.fixture(scope="module")
def packed(run: Path) -> Packed:
    recipes.pack(run, None, "", run.parent / "small.npz")
    return _recipe_collections.load(run.parent / "small.npz")


@pytest.fixture(scope="module")
def lab(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(packed, gpu.write_base(tmp_path_factory.mktemp("base"), gpu.SMALL), "cpu", max_tokens=64)


def test_words_count_in_a_pack_as_in_the_report(run: Path, packed: Packed, lab: Lab) -> None:
    corpus = read_corpus(run / "documents")
    analyser = make_analyser("auto", corpus.encoded_texts())
    index = Bm25Index(corpus.passage_ids, corpus.encoded_texts(), terms_of=analyser.terms)
    expected = np.stack([index.scores(query) for query in packed.judged.texts])
    assert lab.word_scores[1].numpy() == pytest.approx(expected, abs=1e-4)


def test_fusion_in_a_pack_is_that_of_a_search(packed: Packed) -> None:
    import torch

    rng = np.random.default_rng(0)
    first, second = (rng.random((3, len(packed.texts))).astype(np.float32) for _ in range(2))
    found = 0.5 * _recipe_lab.standardised(torch.from_numpy(first)) + 0.5 * _recipe_lab.standardised(
        torch.from_numpy(second)
    )
    rankings = [(np.argsort(-scores), -np.sort(-scores)) for scores in (first, second)]
    rows, sums = fuse(rankings, [0.5, 0.5], standardised, np.arange(len(packed.texts)))
    assert np.take_along_axis(found.numpy(), rows, 1) == pytest.approx(sums, abs=1e-5)


@pytest.mark.parametrize("recipe", CHOSEN, ids=Recipe.name)
def test_every_kind_of_recipe_trains_and_is_measured(lab: Lab, recipe: Recipe) -> None:
    model = _recipes.train(lab, recipe, seed=0)
    scores = recipes.line(lab, model, recipe, recipe.name(), "0")["scores"]
    assert set(scores) == {"judged", "held_out"}
    for queries in scores.values():
        assert set(queries) == {f"{weight:g}" for weight in _recipe_lab.WEIGHTS}
        assert all(0 <= value <= 1 for values in queries.values() for value in values)


def test_the_mean_of_models_lies_between_them(lab: Lab) -> None:
    import torch

    model = _recipes.train(lab, CHOSEN[0], seed=0)
    half = _recipe_lab.averaged(lab, [model], 0.5)
    for base, mean, tuned in zip(lab.model().parameters(), half.parameters(), model.parameters(), strict=True):
        assert torch.allclose(mean, (base + tuned) / 2, atol=1e-6)


def test_words_that_a_passage_has_are_left_out_of_its_query() -> None:
    draws = np.random.default_rng(0)
    assert _recipes.without_words("how do bees make honey", "Bees make honey.", 1.0, draws) == "how do"
    assert _recipes.without_words("bees make honey", "Bees make honey.", 1.0, draws) == "bees make honey"


def test_results_go_on_and_a_table_is_printed(
    run: Path, packed: Packed, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert packed.name == "run"
    results = tmp_path / "recipes.jsonl"
    arguments = ["train", str(run.parent / "small.npz"), "--base", str(lab.base), "--results", str(results)]
    assert recipes.main([*arguments, "--only", "epochs=1", "epochs=6"]) == 0
    written = results.read_text()
    assert recipes.main([*arguments, "--only", "epochs=1", "epochs=6"]) == 0
    assert results.read_text() == written, "what was measured before is not made again"
    capsys.readouterr()
    assert recipes.main(["table", str(results)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("run, ") for line in lines)
    assert any(line.startswith("epochs=1 ") for line in lines)
