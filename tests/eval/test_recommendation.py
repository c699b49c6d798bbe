"""The choice follows the systems that it is given, and every system is measured beside the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.order import Ranking
from engine.search.systems import Bm25System, Search
from engine.text.words import words
from eval.recommendation import ChoiceQueries, CorpusSystems, recommend
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.ranking import measure
from eval.significance import Bootstrap

NAMES = [f"d{number:02}" for number in range(30)]
CORPUS = Corpus(NAMES, NAMES, [""] * 30, [f"shared words and word{number}" for number in range(30)])
BOOTSTRAP = Bootstrap(200)
WORDS = Bm25System(Bm25Index(NAMES, CORPUS.texts))


@dataclass(frozen=True)
class Guess:
    """Finds the document whose number ends a query, or else one that lies `off` behind it."""

    name: str
    off: int

    def prepare(self, queries: Sequence[str]) -> Search:
        """Knows the number from a mark that no word filter takes away."""
        first = np.array([[(int(query.split("#")[1]) + self.off) % 30] for query in queries])
        rows = (first + np.arange(30)) % 30
        scores = np.tile(np.linspace(1, 0, 30, dtype=np.float32) ** 8, (len(queries), 1))
        return lambda depth: self._cut((rows, scores), depth)

    @staticmethod
    def _cut(ranking: Ranking, depth: int) -> Ranking:
        return ranking[0][:, :depth].copy(), ranking[1][:, :depth].copy()


def queries_of(numbers: Sequence[int], text: str) -> Benchmark:
    """A query for each of some documents, written from it."""
    sources = {f"s{number}": NAMES[number] for number in numbers}
    queries = {f"s{number}": f"{text}{number} #{number}" for number in numbers}
    return Benchmark("made", queries, {name: {source: 1} for name, source in sources.items()}, sources=sources)


def systems_of(base: int, tuned: int) -> CorpusSystems:
    """BM25, and two guesses that are so far off."""
    return CorpusSystems({"bm25": WORDS, "base": Guess("base", base), "tuned": Guess("tuned", tuned)}, CORPUS, words)


SEEN = ChoiceQueries(queries_of(range(20), "word"), queries_of(range(20), "word"), ["word3 #3", "word4 #4"])


def test_words_alone_where_an_encoder_knows_nothing_and_meaning_where_words_find_nothing() -> None:
    by_words = systems_of(15, 15).choose(SEEN, BOOTSTRAP, is_harmless=True)
    unheard = replace(SEEN, synthetic=queries_of(range(20), "unheard"))
    by_meaning = systems_of(0, 15).choose(unheard, BOOTSTRAP, is_harmless=True)
    assert by_words
    assert by_meaning
    assert by_words.weight > 0.5 >= by_meaning.weight
    assert (by_words.synthetic, by_words.documents, by_words.real) == (20, 20, 2)
    assert (by_words.model, by_meaning.model) == ("base", "base")


@pytest.mark.parametrize(("is_harmless", "model"), [(True, "tuned"), (False, "base")])
def test_a_tuned_model_that_adds_something_is_chosen_where_the_decision_lets_it_pass(
    is_harmless: bool, model: str
) -> None:
    unheard = ChoiceQueries(queries_of(range(20), "unheard"), queries_of(range(20, 30), "unheard"), [])
    choice = systems_of(3, 0).choose(unheard, BOOTSTRAP, is_harmless=is_harmless)
    assert choice
    assert choice.tuning
    assert choice.tuning.low > 0
    assert (choice.model, choice.real) == (model, 0)


def test_what_is_missing_is_not_guessed() -> None:
    systems, none = systems_of(3, 0), queries_of([], "word")
    assert systems.choose(replace(SEEN, synthetic=none), BOOTSTRAP, is_harmless=True) is None
    assert systems.choose(replace(SEEN, synthetic=queries_of(range(4), "word")), BOOTSTRAP, is_harmless=True) is None
    choice = systems.choose(replace(SEEN, held_out=none), BOOTSTRAP, is_harmless=True)
    assert choice
    assert (choice.model, choice.tuning) == ("base", None)


def test_every_system_is_measured_beside_the_chosen_one() -> None:
    systems, benchmark = systems_of(3, 0), queries_of(range(12), "word")
    choice = systems.choose(SEEN, BOOTSTRAP, is_harmless=True)
    assert choice
    choice = replace(choice, model="tuned", weight=0.4)
    alone = measure(benchmark, list(systems.systems.values()), CORPUS, 100)
    results = systems.measure_with_words(alone, choice.weight, 100)
    figures = recommend(choice, 20, results, CORPUS, BOOTSTRAP).systems
    assert list(figures) == ["bm25", "base", "tuned", "base_words", "tuned_words"]
    assert figures["tuned_words"].to_chosen is None
    difference = figures["base"].to_chosen
    assert difference
    assert difference.mean == pytest.approx(figures["base"].mean - figures["tuned_words"].mean)
    assert figures["base"].mean == pytest.approx(alone.scores["base"].means()["ndcg@10"])
    assert systems.with_words(0.0) == systems.with_words(1.0) == [], "one of the two systems is left out"
    assert recommend(None, 3, results, CORPUS, BOOTSTRAP).systems == {}
