"""Does the decision between base and tuned see harm: models made worse in known ways, and plain good ones.

    python benchmarks/harm.py [--run RUN] [--language SQUAD_FILE] [--folds N] [--results FILE] [--processes N]

Takes the examples and documents of a finished run whose collection has judged questions (by default the demo's). Trains
models that are meant to be worse than the base, in eight ways, and eighteen as anybody would train them
(benchmarks/_harmed.py), and lets eval/decision.py choose between each of them and the base. The decision sees what it
sees in a run: synthetic queries of held-out documents. What is true is measured apart, on the judged questions. Prints
a line per model: the true difference in nDCG@10 with its interval, the decision's estimate, and the model that it
chose; then, with their budgets,

- `harm.refused value`: share of the harmed models, those whose true interval is below zero, that are not promoted;
- `harm.accepted value`: share of the good models, those with a true difference above zero, that are promoted.

With `--folds 4` all of that is done four times, each time with another tenth of the documents held out, since fifty
queries are a matter of chance. What every model reaches on every query is appended to `--results` as it comes: a run
that was ended goes on, and another decision is tried on the same models in seconds. With ten processes on a GPU a model
takes a second or two; without a GPU it is a training of the demo each, so that a run has to be named.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._gate import judge, per_query, report
from benchmarks._harmed import Recipe, good_recipes, harmed_recipes, make_model
from benchmarks._measure import ROOT
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE, ExamplesFolder
from engine.models.resolve import resolve_model
from engine.search.bm25 import Bm25Index
from engine.search.encoder import Encoder, EncoderConfig
from engine.search.order import Vectors
from engine.search.systems import ALL, Bm25System, Search, System
from engine.search.tuned import tuned_encoder
from eval.evaluation import demonstration_queries
from eval.retrieval.benchmark import load_benchmark
from eval.retrieval.corpus import read_corpus
from eval.retrieval.ranking import Results, measure
from eval.synthetic import held_out_queries
from training.families.bi_encoder import save_model
from training.rows import held_out_documents, read_rows

DEPTH = 100
"""Documents ranked per query."""


@dataclass(frozen=True)
class Setting:
    """What models are made from and measured on.

    Attributes:
        run: a finished run folder: documents and prompts.
        examples: the run's examples, or the same with other documents held out.
        fold: 0 for the run's, or the number of the other split.
        base: the base encoder, by any name that `model.base` takes.
        benchmark: the judged questions: a folder, or the name of a benchmark that ships.
        split: which judgements.
        language: questions of another language in the form of SQuAD; "" leaves those models out.
        threads: threads of a process; 0 leaves torch's choice.
        max_tokens: what encoders read of a text.
    """

    run: str
    examples: str
    fold: int
    base: str
    benchmark: str
    split: str
    language: str
    threads: int = 0
    max_tokens: int = 256


@dataclass(frozen=True)
class ExactSystem:
    """A model that searches by plain products: what DenseIndex finds, without faiss."""

    name: str
    encoder: Encoder
    passage_ids: Sequence[str]
    vectors: Vectors

    def prepare(self, queries: Sequence[str]) -> Search:
        """Encodes the queries."""
        from engine.search.dense import numpy_search

        encoded = self.encoder.encode_queries(list(queries))
        return lambda depth, numbers=ALL: numpy_search(self.passage_ids, self.vectors, encoded[numbers], depth)


class Bench:
    """What all models of a setting share: passages, queries, and what BM25 and the base find.

    Args:
        setting: what models are made from and measured on.
    """

    def __init__(self, setting: Setting) -> None:
        folder = Path(setting.run)
        self.setting = setting
        self.corpus = read_corpus(folder / "documents")
        self.rows = read_rows(ExamplesFolder(Path(setting.examples)))
        self.encoder = EncoderConfig(setting.base, None, None, setting.max_tokens)
        judged = load_benchmark(setting.benchmark, setting.split, demonstration_queries(folder / "prompts"))
        assert judged, f"{setting.benchmark} holds no judged questions"
        self.queries = {"judged": judged, "held_out": held_out_queries(Path(setting.examples), 0)}
        bm25 = Bm25System(Bm25Index(self.corpus.passage_ids, self.corpus.encoded_texts()))
        self.others = self.measure([bm25, self.system("base", self.encoder)])

    def system(self, name: str, config: EncoderConfig) -> ExactSystem:
        """Returns a model with the vectors of all passages."""
        encoder = Encoder(config, num_threads=self.setting.threads)
        vectors = encoder.encode_passages(self.corpus.encoded_texts())
        return ExactSystem(name, encoder, self.corpus.passage_ids, vectors)

    def measure(self, systems: Sequence[System]) -> dict[str, Results]:
        """Returns what systems find, by set of queries."""
        return {name: measure(queries, systems, self.corpus, DEPTH) for name, queries in self.queries.items()}

    def compared(self, model: Any) -> dict[str, Results]:
        """Returns what BM25, the base and a tuned model find; the model is written and read again, as in a run."""
        with tempfile.TemporaryDirectory(prefix="synthmill-harm-") as folder:
            save_model(model, Path(folder))
            tuned = self.measure([self.system("tuned", tuned_encoder(self.encoder, Path(folder)))])
        return {
            name: Results(
                results.benchmark,
                {**results.trec_runs, **tuned[name].trec_runs},
                {**results.scores, **tuned[name].scores},
            )
            for name, results in self.others.items()
        }


@cache
def bench_of(setting: Setting) -> Bench:
    """Returns the bench of a setting, which is made once per process."""
    return Bench(setting)


def outcome(setting: Setting, recipe: Recipe) -> dict[str, Any]:
    """Makes a model, measures it, and returns a line of the results file."""
    bench = bench_of(setting)
    base = resolve_model(setting.base, key="model.base")
    model = make_model(recipe, bench.rows, base, Path(setting.language) if setting.language else None)
    queries = {name: per_query(results) for name, results in bench.compared(model).items()}
    return {"kind": recipe.kind, "name": name_of(setting, recipe), "queries": queries}


def name_of(setting: Setting, recipe: Recipe) -> str:
    """Returns the name of a model in the results file."""
    return f"{setting.fold}/{recipe.name}"


def outcomes(setting: Setting, recipes: Sequence[Recipe], processes: int) -> Iterator[dict[str, Any]]:
    """Yields the outcomes of recipes as they come, in no order where there are several processes."""
    if processes == 1:
        yield from (outcome(setting, recipe) for recipe in recipes)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(partial(outcome, setting), recipes)


def read_setting(run: Path, language: str, threads: int = 0) -> Setting:
    """Reads the setting of a finished run from its config.yaml."""
    from omegaconf import OmegaConf

    config: Any = OmegaConf.load(run / "config.yaml")
    return Setting(
        run=str(run),
        examples=str(run / "examples"),
        fold=0,
        base=config.model.base,
        benchmark=config.report.benchmark,
        split=config.report.split,
        language=language,
        threads=threads,
        max_tokens=config.model.max_tokens,
    )


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run; on a GPU the demo's by default")
    parser.add_argument("--base", default="", help="the base encoder, in place of the run's")
    parser.add_argument("--benchmark", default="", help="the judged questions, in place of the run's")
    parser.add_argument("--language", default="", help="questions of another language, JSON in the form of SQuAD")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "harm.jsonl", help="(%(default)s)")
    parser.add_argument("--folds", type=int, default=1, help="how often other documents are held out (%(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="models made at the same time (%(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of a process; 0: as many as cores")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes and measures every model that the results file does not hold yet; fails where a budget is missed."""
    options = parse_options(arguments)
    run = options.run or ROOT / "runs" / "demo"
    if not (run / "config.yaml").is_file():
        print(f"harm left out: {run} is no finished run; make demo makes one")
        return 0
    if not options.run and not has_gpu():
        print(f"harm left out: without a GPU its trainings take an hour or more; --run {run} starts them")
        return 0
    setting = read_setting(run, options.language, options.threads)
    named = {name: getattr(options, name) for name in ("base", "benchmark") if getattr(options, name)}
    setting = dataclasses.replace(setting, **named)
    recipes = [*harmed_recipes(), *good_recipes()]
    recipes = [recipe for recipe in recipes if recipe.kind != "language" or setting.language]
    rows: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="synthmill-harm-") as folder:
        for fold in range(options.folds):
            if fold:
                examples = hold_out_others(Path(setting.examples), fold, Path(folder) / str(fold))
                part = dataclasses.replace(setting, examples=str(examples), fold=fold)
            else:
                part = setting
            rows += measured(part, recipes, options.results, options.processes)
    return int(not report([judge(row) for row in rows]))


def has_gpu() -> bool:
    """Returns whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def hold_out_others(examples: Path, fold: int, folder: Path) -> Path:
    """Writes a run's examples with another tenth of the documents held out, none of those of another fold or the run's.

    Args:
        examples: the run's.
        fold: 1 to 9.
        folder: what is written.
    """
    folder.mkdir()
    tables = {name: pq.read_table(examples / name) for name in (KEPT_FILE, REJECTED_FILE)}
    taken = held_out_documents(ExamplesFolder(examples))
    for name, table in tables.items():
        documents = table["document_id"].to_pylist()
        split = [
            "validation" if document not in taken and _fold_of(document) == fold else "train" for document in documents
        ]
        position = table.column_names.index("split")
        pq.write_table(table.set_column(position, "split", pa.array(split, pa.string())), folder / name)
    return folder


def _fold_of(document: str) -> int:
    share = int(hashlib.sha256(f"fold{document}".encode()).hexdigest()[:12], 16) / 16**12
    return 1 + int(9 * share)


def measured(setting: Setting, recipes: Sequence[Recipe], results: Path, processes: int) -> list[Mapping[str, Any]]:
    """Returns the outcomes of recipes in their order; those that the results file lacks are made and appended."""
    done = read_results(results)
    left = [recipe for recipe in recipes if name_of(setting, recipe) not in done]
    with results.open("a", encoding="utf-8") as file:
        for one in outcomes(setting, left, processes):
            print(json.dumps(one), file=file, flush=True)
            done[one["name"]] = one
    return [done[name_of(setting, recipe)] for recipe in recipes]


def read_results(file: Path) -> dict[str, dict[str, Any]]:
    """Reads the outcomes of a results file, by name; there are none where there is no file yet."""
    if not file.exists():
        return {}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: row for row in rows}


if __name__ == "__main__":
    sys.exit(main())
