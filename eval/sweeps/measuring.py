"""What every measurement of a sweep shares: on which queries it is made, with which systems, and what it gives.

In: the settings of the report, folders of a run. Out: judged and synthetic queries, search by words and meaning
together, and what each query reaches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.search.fusion import FusedSystem, Part
from engine.search.systems import System
from eval.evaluation import find_benchmark
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus, with_words
from eval.retrieval.metrics import HEADLINE, Floats, evaluate
from eval.retrieval.ranking import rank_documents

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.config import ReportConfig

MEASURED = (HEADLINE, "recall@10", "recall@50", "recall@100")
"""The metrics of a sweep, the headline metric first."""
JUDGED = "judged"
"""The name of the set of judged questions, whatever collection they are of."""
HALF = 0.5
"""The weight of words beside an encoder; docs/results.md shows that no other is right for more collections."""


def query_sets(
    report: ReportConfig, inputs: Mapping[str, Path], corpus: Corpus, synthetic: Benchmark, place: Place
) -> dict[str, Benchmark]:
    """Returns the sets of queries that there are: judged ones first, then synthetic ones, by the name of the set.

    Args:
        report: names the benchmark.
        inputs: the finished folder `prompts`, whose demonstrations are left out.
        corpus: the passages of the run.
        synthetic: queries that were written from documents.
        place: where warnings go.
    """
    judged = find_benchmark(report, inputs, corpus, place)
    sets = {JUDGED: judged} if judged else {}
    return sets | ({synthetic.name: synthetic} if synthetic.queries else {})


def both(words: System, meaning: System, corpus: Corpus, weight: float = HALF) -> FusedSystem:
    """Returns the system that searches by words and by meaning, with a weight of words; see `with_words`."""
    return FusedSystem(with_words(meaning.name), [Part(words, weight), Part(meaning, 1 - weight)], corpus.ranks_of_ids)


def values_per_query(
    benchmark: Benchmark, systems: Sequence[System], corpus: Corpus, k: int
) -> dict[str, dict[str, Floats]]:
    """Ranks documents with every system, and returns what each query reaches, by system and metric, (queries,)."""
    values = {}
    for system in systems:
        trec_run = rank_documents(system, benchmark, corpus, k)
        values[system.name] = dict(evaluate(trec_run, benchmark.qrels, MEASURED).values)
    return values


def clusters_of(benchmark: Benchmark, original_of: Mapping[str, str]) -> list[str]:
    """Returns what each query is drawn with: its document, copies being one, or itself; in the order of the scores.

    Args:
        benchmark: the queries.
        original_of: document id -> id of the document that it is a copy of, `Corpus.original_of`.
    """
    return [benchmark.unit_of(query_id, original_of) for query_id in sorted(benchmark.queries)]
