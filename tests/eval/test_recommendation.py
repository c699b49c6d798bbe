"""The choice follows the systems that it is given, and every system is measured beside the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.systems import Bm25System, Search, known_search
from engine.text.words import words
from eval.crossfit import CHOSEN, Chosen, Harmless
from eval.recommendation import ChoiceQueries, CorpusSystems, Measured, crossfitted_columns, recommend
from eval.report import Recommendation
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.figures import units_of
from eval.retrieval.metrics import HEADLINE
from eval.retrieval.ranking import measure
from eval.significance import Bootstrap
from eval.weights import FOLDS
from tests.support.bars import Bars

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
        return known_search((rows, scores))


def queries_of(numbers: Sequence[int], text: str) -> Benchmark:
    """A query for each of some documents, written from it."""
    sources = {f"s{number}": NAMES[number] for number in numbers}
    queries = {f"s{number}": f"{text}{number} #{number}" for number in numbers}
    return Benchmark("made", queries, {name: {source: 1} for name, source in sources.items()}, sources=sources)


def systems_of(base: int, tuned: int) -> CorpusSystems:
    """BM25, and two guesses that are so far off."""
    return CorpusSystems({"bm25": WORDS, "base": Guess("base", base), "tuned": Guess("tuned", tuned)}, CORPUS, words)


SEEN = ChoiceQueries(queries_of(range(20), "word"), queries_of(range(20), "word"), ["word3 #3", "word4 #4"])


def chosen_of(systems: CorpusSystems, queries: ChoiceQueries, *, is_harmless: bool = True) -> Chosen:
    """What is chosen by queries of enough documents."""
    chosen = systems.choose(queries, BOOTSTRAP, Harmless(is_harmless, [is_harmless] * FOLDS))
    assert chosen
    return chosen


def test_words_alone_where_an_encoder_knows_nothing_and_meaning_where_words_find_nothing() -> None:
    by_words = chosen_of(systems_of(15, 15), SEEN).choice
    unheard = replace(SEEN, synthetic=queries_of(range(20), "unheard"))
    by_meaning = chosen_of(systems_of(0, 15), unheard).choice
    assert by_words.weight > 0.5 >= by_meaning.weight
    assert (by_words.synthetic, by_words.documents, by_words.real) == (20, 20, 2)
    assert (by_words.model, by_meaning.model) == ("base", "base")


@pytest.mark.parametrize(("is_harmless", "model"), [(True, "tuned"), (False, "base")])
def test_a_tuned_model_that_adds_something_is_chosen_where_the_decision_lets_it_pass(
    is_harmless: bool, model: str
) -> None:
    unheard = ChoiceQueries(queries_of(range(20), "unheard"), queries_of(range(20, 30), "unheard"), [])
    choice = chosen_of(systems_of(3, 0), unheard, is_harmless=is_harmless).choice
    assert choice.tuning
    assert choice.tuning.low > 0
    assert (choice.model, choice.real) == (model, 0)


def test_what_is_missing_is_not_guessed() -> None:
    systems, none = systems_of(3, 0), queries_of([], "word")
    assert systems.choose(replace(SEEN, synthetic=none), BOOTSTRAP, Harmless(True, [True] * FOLDS)) is None
    assert (
        systems.choose(replace(SEEN, synthetic=queries_of(range(4), "word")), BOOTSTRAP, Harmless(True, [True] * FOLDS))
        is None
    )
    choice = chosen_of(systems, replace(SEEN, held_out=none)).choice
    assert (choice.model, choice.tuning) == ("base", None)


@pytest.mark.parametrize(("held_out", "has_judged", "sets"), [(20, False, 12), (20, True, 15), (0, True, 5)])
def test_a_choice_tells_how_far_it_is(held_out: int, has_judged: bool, sets: int) -> None:
    bars, judged = Bars(), queries_of(range(30), "word") if has_judged else None
    seen = replace(SEEN, held_out=queries_of(range(held_out), "word"), judged=judged)
    systems = replace(systems_of(3, 0), console=bars)
    chosen = chosen_of(systems, seen)
    systems.crossfit(SEEN.held_out, chosen)
    assert bars.ended == [
        ("report", "sets of queries", sets, sets),
        ("report", "folds (of the choice)", FOLDS, FOLDS),
        ("report", "models (cross-fitted)", 2, 2),
    ]


def test_judged_queries_take_part() -> None:
    unheard = ChoiceQueries(queries_of(range(20), "unheard"), queries_of([], "word"), [])
    asked = [f"word{number} #{(number + 9) % 30}" for number in range(30)]
    judged = Benchmark(
        "asked",
        {f"q{number}": text for number, text in enumerate(asked)},
        {f"q{number}": {name: 1} for number, name in enumerate(NAMES)},
    )
    systems = systems_of(0, 0)
    without, seen = (chosen_of(systems, replace(unheard, judged=known)) for known in (None, judged))
    assert (without.choice.judged, seen.choice.judged) == (0, 30)
    assert without.choice.weight < seen.choice.weight, "people name words, which only BM25 finds"


def test_queries_are_encoded_once_by_each_model() -> None:
    prepared: list[str] = []

    class Counting(Guess):
        def prepare(self, queries: Sequence[str]) -> Search:
            prepared.append(f"{self.name} {'|'.join(queries)}")
            return super().prepare(queries)

    systems = systems_of(3, 0)
    systems = replace(systems, systems={**systems.systems, **{name: Counting(name, 1) for name in ("base", "tuned")}})
    benchmark = queries_of(range(12), "word")
    results = measure(benchmark, list(systems.remembered.values()), CORPUS, 100)
    chosen = chosen_of(systems, SEEN)
    systems.crossfit(benchmark, chosen)
    systems.measure_with_words(results, chosen.inside, 100)
    assert len(prepared) == len(set(prepared))


def measured_of(systems: CorpusSystems, benchmark: Benchmark, chosen: Chosen | None) -> Measured:
    """What all systems reach on a benchmark."""
    results = measure(benchmark, list(systems.systems.values()), CORPUS, 100)
    if chosen:
        results = systems.measure_with_words(results, chosen.inside, 100)
    values = systems.crossfit(benchmark, chosen) if chosen else {}
    return Measured(results, values, systems.sizes(chosen.inside if chosen else None), units_of(results, {}))


def test_every_system_is_measured_beside_the_chosen_one() -> None:
    systems, benchmark = systems_of(3, 0), queries_of(range(12), "word")
    chosen = chosen_of(systems, SEEN)
    chosen = replace(chosen, choice=replace(chosen.choice, model="tuned", weight=0.4), inside=0.4)
    measured = measured_of(systems, benchmark, chosen)
    told = recommend(chosen, "base", 20, measured, BOOTSTRAP)
    figures = told.systems
    assert list(figures) == ["bm25", "base", "tuned", "base_words", "tuned_words"]
    assert (told.weight, told.folds) == (0.4, FOLDS)
    assert figures["tuned_words"].to_chosen is None
    assert figures["tuned_words"].p_holm is None
    assert figures["tuned_words"].mean == pytest.approx(measured.crossfitted[CHOSEN].mean())
    assert told.seen == pytest.approx(measured.results.scores["tuned_words"].means()[HEADLINE])
    for name, system in figures.items():
        plain = measured.results.scores[name].means()[HEADLINE]
        assert system.seen == (pytest.approx(plain) if name.endswith("_words") else None)
    columns = crossfitted_columns(chosen, measured)
    assert list(columns) == ["base_words", "tuned_words"]
    assert columns["tuned_words"] is measured.crossfitted[CHOSEN], "what was chosen, in place of the same at one weight"
    assert all(figures[name].mean == pytest.approx(column.mean()) for name, column in columns.items())
    by_words = replace(chosen, choice=replace(chosen.choice, weight=1.0))
    assert list(crossfitted_columns(by_words, measured)) == ["base_words", "tuned_words", "bm25"]
    assert crossfitted_columns(None, replace(measured, crossfitted={})) == {}
    difference = figures["base"].to_chosen
    assert difference
    assert difference.mean == pytest.approx(figures["base"].mean - figures["tuned_words"].mean)
    assert figures["base"].mean == pytest.approx(measured.results.scores["base"].means()[HEADLINE])
    assert 0 < (figures["base"].p_holm or 0) <= 1
    assert figures["bm25"].index_bytes == WORDS.index.num_bytes
    assert figures["base"].index_bytes is None


def test_a_further_encoder_may_have_any_name() -> None:
    systems, benchmark = systems_of(3, 0), queries_of(range(12), "word")
    systems = replace(systems, systems={**systems.systems, "chosen": Guess("chosen", 7)})
    chosen = chosen_of(systems, SEEN)
    measured = measured_of(systems, benchmark, chosen)
    told = recommend(chosen, "base", 20, measured, BOOTSTRAP)
    assert told.systems["chosen"].mean == pytest.approx(measured.results.scores["chosen"].means()[HEADLINE])


def test_what_judged_queries_chose_is_told_by_what_it_gains_on_them_unseen() -> None:
    systems, benchmark = systems_of(3, 0), queries_of(range(12), "word")
    chosen = chosen_of(systems, SEEN)
    measured = measured_of(systems, benchmark, chosen)
    plain = recommend(chosen, "base", 20, measured, BOOTSTRAP)
    assert plain.choice == chosen.choice
    judged = replace(chosen, choice=replace(chosen.choice, judged=12))
    told = recommend(judged, "base", 20, measured, BOOTSTRAP)
    assert told.choice
    system = told.systems[told.choice.system]
    assert told.choice.ndcg == system.mean
    assert told.choice.over_words.mean == pytest.approx(system.mean - told.systems["bm25"].mean)
    assert told.choice.over_words.low <= told.choice.over_words.mean <= told.choice.over_words.high


def test_without_a_choice_the_systems_stand_beside_the_model_of_the_decision() -> None:
    systems, benchmark = systems_of(3, 0), queries_of(range(12), "word")
    told = recommend(None, "tuned", 3, measured_of(systems, benchmark, None), BOOTSTRAP)
    assert (told.choice, told.folds, told.weight, told.seen) == (None, 0, None, None)
    assert [name for name, figures in told.systems.items() if figures.to_chosen is None] == ["tuned"]
    nothing = measured_of(systems, queries_of([], "word"), None)
    assert recommend(None, "base", 3, nothing, BOOTSTRAP) == Recommendation(None, 3, {})
