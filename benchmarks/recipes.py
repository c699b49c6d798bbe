"""What to train on generated queries, and how: recipes compared alone and together with words.

    python benchmarks/recipes.py pack RUN [--information RUN] [--split S] --output FILE    a finished run's examples
    python benchmarks/recipes.py train FILE ... [--base FOLDER] [--processes N] [--seconds S] [--only TEXT]
    python benchmarks/recipes.py table FILE ...

Every recipe (benchmarks/_recipes.py) is trained with three seeds. Each model, the mean of their weights, and points on
the way from the base to it, are measured on the judged queries and on the synthetic ones of held-out documents:
nDCG@10 by the model alone and by words and model at several weights. Results go to a file line by line, so that a run
that was ended goes on. The table has each recipe's mean difference to the base, alone and at one weight of words, with
95 % intervals by query. `train` needs torch, sentence-transformers and numpy alone; on a GPU a model takes seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import _recipe_collections, _recipe_lab, _recipes
from benchmarks._recipe_collections import Packed, Queries, Sparse
from benchmarks._recipe_lab import Lab
from benchmarks._recipes import Recipe

SEEDS = (0, 1, 2)
SHARES = (1.0, 0.75, 0.5, 0.25)
"""The parts of the way from the base to the mean of the models at which is measured."""
HALF_WAY = 0.5
"""The part of the way for each model by itself."""
BASE = "base"
"""The name under which the untouched encoder is measured."""
_RESAMPLES = 10_000


def recipes() -> list[Recipe]:
    """Returns all recipes, those that are asked about first in front."""
    alone = [
        Recipe(),
        Recipe(epochs=1),
        Recipe(epochs=6),
        Recipe(learning_rate=2e-5),
        Recipe(learning_rate=8e-5),
        Recipe(queries="all"),
        Recipe(queries="fused"),
        Recipe(queries="fused10"),
        Recipe(queries="information"),
        Recipe(negatives=1),
        Recipe(negatives=4),
        Recipe(words=0.5),
        Recipe(words=1.2),
        Recipe(words=2.5),
        Recipe(queries="fused", words=1.2),
        Recipe(queries="fused", negatives=1, words=1.2),
        Recipe(thinned=0.5),
        Recipe(thinned=1.0),
        Recipe(thinned=0.5, words=1.2),
        Recipe(free="titles"),
        Recipe(free="sentences"),
        Recipe(free="both"),
        Recipe(free="both", words=1.2),
        Recipe(badly=True),
        Recipe(queries="fused10", badly=True),
        Recipe(positive="teacher"),
        Recipe(queries="all", positive="teacher"),
    ]
    taught = [
        Recipe(
            loss="teacher",
            queries=queries,
            temperature=temperature,
            ranking_share=share,
            candidates=candidates,
            batch_size=64,
        )
        for queries in ("kept", "fused", "all")
        for temperature in (0.25, 0.5, 1.0)
        for share in (0.1, 0.5)
        for candidates in (0, 4)
    ]
    fixed = [
        Recipe(fixed_passages=True),
        Recipe(fixed_passages=True, words=1.2),
        Recipe(fixed_passages=True, queries="fused"),
        Recipe(fixed_passages=True, loss="teacher", queries="fused", batch_size=64),
        Recipe(fixed_passages=True, loss="teacher", queries="all", batch_size=64),
        Recipe(fixed_passages=True, adapter=True, learning_rate=1e-3, epochs=10),
        Recipe(fixed_passages=True, adapter=True, learning_rate=1e-3, epochs=10, words=1.2),
        Recipe(fixed_passages=True, adapter=True, learning_rate=1e-3, epochs=10, loss="teacher", queries="all"),
    ]
    return [*alone, *taught, *fixed]


def pack(run: Path, information: Path | None, split: str, output: Path) -> None:
    """Packs a run's documents, examples and judged questions, without those that were demonstrations."""
    from omegaconf import OmegaConf

    from engine.artifacts.examples import ExamplesFolder
    from engine.search.analyser import make_analyser
    from eval.evaluation import demonstration_queries
    from eval.retrieval.benchmark import load_benchmark
    from eval.retrieval.corpus import read_corpus

    config: Any = OmegaConf.load(run / "config.yaml")
    corpus = read_corpus(run / "documents")
    judged = load_benchmark(
        config.report.benchmark, split or config.report.split, demonstration_queries(run / "prompts")
    )
    assert judged, f"{run} has no judged questions"
    analyser = make_analyser("auto", corpus.encoded_texts())
    examples, columns = ExamplesFolder(run / "examples"), ["sample_id", "passage_id", "query", "split"]
    kept, rejected = examples.kept(columns), examples.rejected([*columns, "reason"])
    rows = [(row, True) for row in kept.to_pylist()]
    counted = {"round_trip", "max_per_passage"}
    rows += [(row, False) for row in rejected.to_pylist() if row["reason"] in counted]
    row_of = {name: number for number, name in enumerate(corpus.passage_ids)}
    known = informed(information) if information else {}
    terms = [list(analyser.terms(text)) for text in corpus.encoded_texts()]
    vocabulary: dict[str, int] = {}
    for words in terms:
        for word in words:
            vocabulary.setdefault(word, len(vocabulary))
    texts = [row["query"] for row, _ in rows]
    _recipe_collections.save(
        Packed(
            name=run.name,
            titles=corpus.titles,
            passages=corpus.texts,
            documents=corpus.document_of,
            words=bm25_weights(terms, vocabulary),
            written=Queries(texts, counts([analyser.terms(text) for text in texts], vocabulary)),
            sources=np.array([row_of[row["passage_id"]] for row, _ in rows], np.int64),
            kept=np.array([is_kept for _, is_kept in rows], np.bool_),
            held_out=np.array([row["split"] == "validation" for row, _ in rows], np.bool_),
            information=np.array([known.get(row["sample_id"], np.nan) for row, _ in rows], np.float32),
            judged=Queries(
                list(judged.queries.values()),
                counts([analyser.terms(text) for text in judged.queries.values()], vocabulary),
            ),
            qrels=[
                {corpus.number_of[name]: grade for name, grade in qrels.items() if name in corpus.number_of}
                | {-1 - at: grade for at, (name, grade) in enumerate(qrels.items()) if name not in corpus.number_of}
                for qrels in judged.qrels.values()
            ],
        ),
        output,
    )
    found = f"{len(corpus.texts)} passages, {len(rows)} queries, {kept.num_rows} of them kept"
    print(f"{output}: {found}, {len(judged.queries)} judged")


def informed(run: Path) -> Mapping[int, float]:
    """Reads what the passage tells about each query of a run with `examples.filters.min_information`."""
    from engine.artifacts.judged import Criterion, read_judged
    from engine.judge.config import INFORMATION
    from engine.judge.rubric import INFORMATION_COLUMNS

    given, without = INFORMATION_COLUMNS
    criterion = Criterion(INFORMATION, "", INFORMATION, (given,), without, 0.0, 0.0)
    judged = read_judged(run / "judge" / INFORMATION / "samples", criterion)
    return dict(zip(judged.ids.tolist(), judged.figures.tolist(), strict=True))


def counts(texts: Sequence[Sequence[str]], vocabulary: Mapping[str, int]) -> Sparse:
    """Counts the known words of each text."""
    found = [[vocabulary[word] for word in words if word in vocabulary] for words in texts]
    starts = np.concatenate([[0], np.cumsum([len(words) for words in found])]).astype(np.int64)
    columns = np.array([word for words in found for word in words], np.int64)
    return Sparse(starts, columns, np.ones(len(columns), np.float32), len(vocabulary))


def bm25_weights(
    texts: Sequence[Sequence[str]], vocabulary: Mapping[str, int], k1: float = 1.5, b: float = 0.75
) -> Sparse:
    """Returns what each word of each text counts, in the form of Lucene."""
    tallies = [np.unique([vocabulary[word] for word in words], return_counts=True) for words in texts]
    lengths = np.array([len(words) for words in texts], np.float64)
    occurrences = np.zeros(len(vocabulary))
    for words, _ in tallies:
        occurrences[words.astype(np.int64)] += 1
    rarity = np.log(1 + (len(texts) - occurrences + 0.5) / (occurrences + 0.5))
    starts = np.concatenate([[0], np.cumsum([len(words) for words, _ in tallies])]).astype(np.int64)
    columns = np.concatenate([words.astype(np.int64) for words, _ in tallies])
    values = [
        rarity[words.astype(np.int64)] * number / (number + k1 * (1 - b + b * length / lengths.mean()))
        for (words, number), length in zip(tallies, lengths, strict=True)
    ]
    return Sparse(starts, columns, np.concatenate(values).astype(np.float32), len(vocabulary))


@cache
def lab_of(file: str, base: str, device: str) -> Lab:
    """Returns the lab of a collection, made once per process."""
    return Lab(_recipe_collections.load(Path(file)), Path(base), device)


def outcomes(task: tuple[str, str, str, Recipe | None]) -> list[dict[str, Any]]:
    """Trains a recipe with all seeds, and returns a line of results for each of its models."""
    import torch

    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = True
    file, base, device, recipe = task
    lab = lab_of(file, base, device)
    if recipe is None:
        return [line(lab, lab.model(), Recipe(), BASE, BASE)]
    models = [_recipes.train(lab, recipe, seed) for seed in SEEDS]
    lines = [line(lab, model, recipe, recipe.name(), str(seed)) for seed, model in zip(SEEDS, models, strict=True)]
    if not recipe.adapter:
        for share in SHARES:
            mean = _recipe_lab.averaged(lab, models, share)
            lines.append(line(lab, mean, recipe, recipe.name(), f"mean {share:g}"))
        for seed, model in zip(SEEDS, models, strict=True):
            half = _recipe_lab.averaged(lab, [model], HALF_WAY)
            lines.append(line(lab, half, recipe, recipe.name(), f"half {seed}"))
    del models
    if device == "cuda":
        torch.cuda.empty_cache()
    return lines


def line(lab: Lab, model: Any, recipe: Recipe, name: str, kind: str) -> dict[str, Any]:
    """Measures a model, and returns its line."""
    trained = len(_recipes.chosen_queries(lab, recipe))
    scores = _recipe_lab.measure(
        lab, model, fixed_passages=recipe.fixed_passages, adapter=model.__dict__.get("adapter")
    )
    return {"collection": lab.packed.name, "recipe": name, "model": kind, "queries": trained, "scores": scores}


def run_all(options: argparse.Namespace) -> None:
    """Trains what the file of results does not hold yet, until the time is over."""
    import torch

    started = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    done = {(row["collection"], row["recipe"]) for row in read_results(options.results)}
    chosen = [recipe for recipe in recipes() if not options.only or recipe.name() in options.only]
    tasks = []
    for recipe in (None, *chosen):
        for file in options.files:
            packed = _recipe_collections.load(file)
            name = recipe.name() if recipe else BASE
            is_possible = not recipe or recipe.queries != "information" or not np.isnan(packed.information).all()
            if (packed.name, name) not in done and is_possible:
                tasks.append((str(file), str(options.base), device, recipe))
    print(f"{len(tasks)} recipes on {torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}", flush=True)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    with options.results.open("a", encoding="utf-8") as results:
        for lines in in_processes(tasks, options.processes):
            for one in lines:
                print(json.dumps(one), file=results, flush=True)
            first, seconds = lines[0], time.monotonic() - started
            mean = np.mean(first["scores"]["judged"]["0.5"])
            print(f"{seconds:.0f} s {first['collection']} {first['recipe']}: {mean:.3f}", flush=True)
            if time.monotonic() - started > options.seconds:
                print("the time is over", flush=True)
                break


def in_processes(tasks: Sequence[Any], processes: int) -> Iterator[list[dict[str, Any]]]:
    """Yields the results of tasks as they come."""
    if processes == 1:
        yield from map(outcomes, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(outcomes, tasks)


def read_results(file: Path) -> list[dict[str, Any]]:
    """Reads the lines of a file of results; none where there is no file."""
    return [json.loads(row) for row in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def print_table(rows: Sequence[Mapping[str, Any]], queries: str, weight: str) -> None:
    """Prints for each collection what every recipe adds to the base, alone and together with words."""
    for name in dict.fromkeys(row["collection"] for row in rows):
        own = [row for row in rows if row["collection"] == name]
        base = next(row["scores"][queries] for row in own if row["recipe"] == BASE)
        level = {at: float(np.mean(base[at])) for at in ("0", weight)}
        print(f"\n{name}, {len(base['0'])} {queries} queries: base {level['0']:.4f}, with words {level[weight]:.4f}")
        for recipe in dict.fromkeys(row["recipe"] for row in own if row["recipe"] != BASE):
            models = [row for row in own if row["recipe"] == recipe]
            seeds = [row["scores"][queries] for row in models if row["model"].isdigit()]
            cells = [f"{models[0]['queries']:>5}"]
            cells += [difference(seeds, base, at) for at in ("0", weight)]
            for kind in ("mean 1", "mean 0.5", "half"):
                found = [row["scores"][queries] for row in models if row["model"].startswith(kind)]
                cells += [difference(found, base, at) if found else "-" for at in ("0", weight)]
            print(f"{recipe:70} " + " | ".join(cells))


def difference(models: Sequence[Mapping[str, Sequence[float]]], base: Mapping[str, Sequence[float]], at: str) -> str:
    """Returns the mean difference of models to the base with its interval over queries."""
    gains = np.mean([model[at] for model in models], axis=0) - np.array(base[at])
    draws = np.random.default_rng(0).integers(0, len(gains), (_RESAMPLES, len(gains)))
    error = gains[draws].mean(1).std()
    return f"{gains.mean():+.4f} [{gains.mean() - 1.96 * error:+.3f}, {gains.mean() + 1.96 * error:+.3f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Packs, trains, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="pack a finished run")
    packing.add_argument("run", type=Path)
    packing.add_argument("--information", type=Path, help="a run of the same samples that was asked for information")
    packing.add_argument("--split", default="", help="judgements, in place of the run's")
    packing.add_argument("--output", type=Path, required=True)
    training = commands.add_parser("train", help="train and measure all recipes")
    training.add_argument("files", type=Path, nargs="+")
    training.add_argument("--base", type=Path, required=True, help="folder of the base encoder")
    training.add_argument("--processes", type=int, default=1)
    training.add_argument("--seconds", type=float, default=1e9, help="start nothing new after so long")
    training.add_argument("--only", nargs="+", help="the names of some recipes, as the table has them")
    training.add_argument("--results", type=Path, default=Path("runs/recipes.jsonl"))
    table = commands.add_parser("table", help="print what was found")
    table.add_argument("results", type=Path, nargs="+")
    table.add_argument("--queries", default="judged", choices=("judged", "held_out"))
    table.add_argument("--weight", default="0.5", help="weight of words (%(default)s)")
    options = parser.parse_args(arguments)
    if options.command == "pack":
        pack(options.run, options.information, options.split, options.output)
    elif options.command == "train":
        run_all(options)
    else:
        rows = [row for file in options.results for row in read_results(file)]
        print_table(rows, options.queries, options.weight)
    return 0


if __name__ == "__main__":
    sys.exit(main())
