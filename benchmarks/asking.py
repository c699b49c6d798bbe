"""What searches are worth that ask a model about each query, on a collection with judged queries.

    python benchmarks/asking.py COLLECTION [--folder DIR] [KEY=VALUE...]

    python benchmarks/asking.py ../shared/data/cacm 'report.expand=[rewrites,hypothetical]' report.rerank_by=likelihood

Has the model asked about the judged queries by the steps of a run, without any sample or training, and measures every
system on them. What was answered stays in the folder, so that a benchmark that was stopped goes on. Prints

- `asking.SYSTEM value nDCG@10`, and beside it the difference to the system that it begins with (base, or base and words
  by halves), with a 95 % interval over queries;
- for passages in another order the same with other weights of the model, since `report.rerank_weight` was chosen so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.artifacts.prompts import PromptsFolder
from engine.command_line.compose import load_config
from engine.generation.pools import EnginePools
from engine.pipeline.addressed import addressed
from engine.pipeline.asked import expansions, reranks, with_scores
from engine.pipeline.config import RunConfig
from engine.pipeline.steps import steps
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.runtime.tracking import NoTracker
from engine.search.reordered import ReorderedSystem
from engine.search.systems import Bm25System, DenseSystem, System
from engine.storage.files import write_text
from eval.asking.config import FIRST
from eval.asking.systems import asked_systems, first_stage
from eval.config import ReportConfig
from eval.evaluation import analyser_of
from eval.retrieval.benchmark import Benchmark, load_benchmark
from eval.retrieval.corpus import Corpus, read_corpus
from eval.retrieval.metrics import HEADLINE
from eval.retrieval.ranking import Results, measure
from eval.significance import Bootstrap
from eval.systems import dense_system
from eval.wording import with_interval

WEIGHTS = (0.2, 0.4, 0.6, 0.8)
"""The weights of a model's scores that are tried."""
_MADE = ".made"
"""Beside the folder of a step that has ended."""


@dataclass(frozen=True)
class Asked:
    """A collection, and what a model answered about its queries."""

    config: ReportConfig
    folders: Mapping[str, Path]
    """What the report would be given, by name."""
    corpus: Corpus
    benchmark: Benchmark


def ask(config: RunConfig, root: Path, place: Place) -> Asked:
    """Has the model asked about the judged queries; what a stopped benchmark has is kept."""
    config = addressed(config)
    known = {step.entry: step for step in steps(config) if step.entry in {"documents", "prompts", "examples"}}
    folders = {entry: root / entry for entry in known}
    _run(known["documents"], {}, folders["documents"], place)
    for entry in ("prompts", "examples"):
        folders[entry].mkdir(exist_ok=True)
    PromptsFolder(folders["prompts"]).write_basis(config.task, [], [])
    for name in (KEPT_FILE, REJECTED_FILE):
        pq.write_table(EXAMPLES.empty_table(), folders["examples"] / name)
    order = tuple(known[entry] for entry in ("documents", "prompts", "examples"))
    made = dict(folders)
    for step in [*expansions(config, order), *reranks(config, order)]:
        made[step.entry] = root / step.entry
        _run(step, {source.key: made[source.entry] for source in step.inputs}, made[step.entry], place)
        folders[step.key] = made[step.entry]
    benchmark = load_benchmark(config.report.benchmark, config.report.split)
    assert benchmark, f"{config.report.benchmark} has judged queries"
    return Asked(with_scores(config), folders, read_corpus(folders["documents"]), benchmark)


def _run(step: Step, inputs: Mapping[str, Path], output: Path, place: Place) -> None:
    mark = output.with_name(output.name + _MADE)
    if not mark.exists():
        output.mkdir(parents=True, exist_ok=True)
        print(step.entry, step.function(step.config, inputs, output, place), flush=True)
        write_text(mark, "")


def systems_of(asked: Asked, place: Place) -> list[System]:
    """Makes base and words alone and by halves, and the systems that look answers up."""
    from engine.search.bm25 import Bm25Index

    config, corpus = asked.config, asked.corpus
    terms_of, k1, b = analyser_of(config, corpus, place).terms, config.bm25_k1, config.bm25_b
    words = Bm25System(Bm25Index(corpus.passage_ids, corpus.encoded_texts(), k1=k1, b=b, terms_of=terms_of))
    base: DenseSystem = dense_system("base", config.encoder, asked.folders["documents"], place)
    both = first_stage(words, base, corpus.ranks_of_ids)
    return [words, base, both, *_weighted(asked_systems(config, asked.folders, [words, base], corpus))]


def _weighted(systems: Sequence[System]) -> Iterator[System]:
    """Gives the systems, and beside one with a weight the same with other weights."""
    for system in systems:
        yield system
        if isinstance(system, ReorderedSystem) and system.weight < 1:
            yield from (replace(system, name=f"{system.name}-{weight}", weight=weight) for weight in WEIGHTS)


def print_figures(results: Results) -> None:
    """Prints what each system reaches, and how far that is from the system that it begins with."""
    values = {name: scores.values[HEADLINE] for name, scores in results.scores.items()}
    for name, reached in values.items():
        line = f"asking.{name} value {reached.mean():.3f} nDCG@10"
        first = FIRST if name.startswith(f"{FIRST}_") else "base" if name.startswith("base_with_") else ""
        if first:
            gain = {"gain": reached - values[first]}
            queries = [str(number) for number in range(len(reached))]
            line += f", {with_interval(Bootstrap().resample(gain, queries)['gain'].figures())} to {first}"
        print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection")
    parser.add_argument("--folder", default="outputs/asking", metavar="DIR")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_intermixed_args(arguments)
    config, _ = load_config(["experiment=adapt", f"collection={options.collection}", *options.overrides])
    root, engines = Path(options.folder).absolute(), EnginePools()
    root.mkdir(parents=True, exist_ok=True)
    place = Place(root / "run", root / "store", ClusterConfig(), Console(), NoTracker(), MemorySampler(), engines)
    try:
        asked = ask(config, root, place)
    finally:
        engines.stop()
    print_figures(measure(asked.benchmark, systems_of(asked, place), asked.corpus, asked.config.k))
    return 0


if __name__ == "__main__":
    sys.exit(main())
