"""What evaluating a collection costs: time and memory, over the evaluators of sentence-transformers, mteb and BEIR.

    .venv/bin/python benchmarks/evaluation.py [--pairs N] [--collection DIR] [--model NAME] [--precision fp32|bf16]
                                              [--mteb-python PATH] [--passages N] [--queries N] [--skip-large]

Each side encodes passages and queries of one collection with the same model in the same precision, searches exactly
and computes the metrics, in a process of its own:

- ours: `Encoder`, `DenseIndex` and `measure`, as the report step calls them;
- sentence-transformers: `InformationRetrievalEvaluator`, which also writes no file;
- mteb: a retrieval task of its own kind, by `mteb.evaluate`;
- BEIR: `DenseRetrievalExactSearch` with `EvaluateRetrieval`.

The last two where `--mteb-python` names an interpreter that has them; benchmarks/_peers.py says how to make one.

Clock: from the loaded model to the last metric. Memory: the peak of the process, libraries and model included. Ratios
are theirs over ours, so that above 1 is faster, and smaller. Scores have to be equal where the definitions are:
nDCG@10, MRR@10, Recall@100, hit@1, 3 and 10, MAP@100, with ids renamed so that ties fall alike. sentence-transformers
takes relevance as yes or no, and divides the average precision by 100 where more than 100 documents are relevant; CACM
has neither. In bf16 it also rounds scores to bf16, so there the scores are shown and not compared.

Then `evaluation.large`: 5,000 held-out queries over 1,000,000 passages of made vectors (384 dimensions, two passages a
document), which lie on the disk as a run's embeddings do: exact search, documents, ranks by texts, all metrics.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._collection import MAX_TOKENS, K, figures_since, peak_bytes, read_collection
from benchmarks._measure import ROOT, call_in_own_process, print_ratio, print_value
from benchmarks._peers import SIDES, peers_of

if TYPE_CHECKING:
    from engine.search.dense import DenseIndex
    from engine.search.order import Vectors
    from engine.search.systems import Search

CACM = ROOT.parent / "shared" / "data" / "cacm"
MOST_GB = 4.0
TOLERATED = 1e-6
ROUNDED = 6e-6
"""What means may differ by that the other side rounds to five digits."""
DIM = 384


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all sides and prints the table; fails when a budget is missed."""
    options = parse(arguments)
    options.peers = peers_of(options.mteb_python)
    for name in sorted({*SIDES} - {"sentence_transformers", *options.peers}):
        print(f"evaluation.{name} left out: {options.mteb_python} has no {name}; see benchmarks/_peers.py", flush=True)
    missed = False
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        if (Path(options.collection) / "corpus.jsonl").is_file():
            pairs = [measure_pair(options, Path(folder) / str(pair)) for pair in range(options.pairs)]
            missed = report(pairs, options.precision)
        else:
            print(f"evaluation left out: there is no collection at {options.collection}", flush=True)
        if not options.skip_large:
            missed |= report_large(measure_large(options, Path(folder) / "large"))
    return int(missed)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="runs of every side (%(default)s)")
    parser.add_argument("--collection", default=str(CACM), help="a folder in the form of BEIR (%(default)s)")
    parser.add_argument("--model", default="bundled:all-minilm-l6-v2", help="the encoder (%(default)s)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="of its weights (%(default)s)")
    parser.add_argument("--mteb-python", default=sys.executable, help="has mteb or beir, see _peers.py (%(default)s)")
    parser.add_argument("--passages", type=int, default=1_000_000, help="made passages (%(default)s)")
    parser.add_argument("--queries", type=int, default=5_000, help="made queries (%(default)s)")
    parser.add_argument("--skip-large", action="store_true", help="leave the made vectors out")
    return parser.parse_args(arguments)


def measure_pair(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """One run of each side that there is."""
    given = {"collection": options.collection, "model": options.model, "precision": options.precision}
    pythons = {"sentence_transformers": sys.executable} | dict.fromkeys(options.peers, options.mteb_python)
    figures = {"ours": call_in_own_process(ours, given, folder / "ours.log")}
    for name, python in pythons.items():
        figures[name] = call_in_own_process(SIDES[name], given, folder / f"{name}.log", python=python)
    for name, side in figures.items():
        print(f"{name}: {side['seconds']:.1f} s, peak {side['peak_bytes'] / 2**20:.0f} MiB", flush=True)
    return figures


def report(pairs: Sequence[Mapping[str, Mapping[str, Any]]], precision: str) -> bool:
    """Prints the table of the sides; True when a budget is missed."""
    missed = False
    print_value("evaluation.seconds", [pair["ours"]["seconds"] for pair in pairs], "s")
    print_value("evaluation.peak", [pair["ours"]["peak_bytes"] / 2**20 for pair in pairs], "MiB")
    for side in [name for name in pairs[0] if name != "ours"]:
        missed |= print_ratio(f"evaluation.{side}_time", _over(pairs, side, "seconds")) < 1
        missed |= print_ratio(f"evaluation.{side}_memory", _over(pairs, side, "peak_bytes")) < 1
        differences = compare_scores(pairs[0]["ours"]["scores"], pairs[0][side]["scores"])
        largest = max(differences, key=differences.__getitem__)
        budget = (TOLERATED if side == "sentence_transformers" else ROUNDED) if precision == "fp32" else 0.0
        print(f"evaluation.{side}_scores differ by {differences[largest]:.2e} at most ({largest})", flush=True)
        missed |= bool(budget) and differences[largest] > budget
    return missed


def compare_scores(ours: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    """The differences of means, by metric, of those metrics that both sides have."""
    return {name: abs(ours[name] - others[name]) for name in ours if name in others}


def _over(pairs: Sequence[Mapping[str, Mapping[str, Any]]], side: str, figure: str) -> list[float]:
    return [pair[side][figure] / pair["ours"][figure] for pair in pairs]


def ours(collection: str, model: str, precision: str) -> dict[str, Any]:
    """Our side; runs in its own process."""
    from engine.search.dense import DenseIndex
    from engine.search.encoder import Encoder, EncoderConfig
    from engine.search.systems import DenseSystem
    from eval.retrieval.ranking import measure

    corpus, benchmark = read_collection(collection)
    encoder = Encoder(EncoderConfig(model, "", "", MAX_TOKENS, precision))
    started = time.monotonic()
    index = DenseIndex(corpus.passage_ids, encoder.encode_passages(corpus.encoded_texts()))
    results = measure(benchmark, [DenseSystem("base", encoder, index)], corpus, K)
    return figures_since(started, results.scores["base"].means())


def measure_large(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Evaluates made queries over made vectors; writing them is another process's work."""
    given = {"folder": str(folder), "passages": options.passages, "queries": options.queries}
    call_in_own_process(write_vectors, given, folder / "write.log")
    figures: dict[str, float] = call_in_own_process(evaluate_large, given, folder / "evaluate.log")
    return figures


def report_large(figures: Mapping[str, float]) -> bool:
    """Prints the figures of the made vectors; True when a budget is missed."""
    peak = figures["peak_bytes"] / 1e9
    print_value("evaluation.large_peak", [peak], "GB", MOST_GB)
    print_value("evaluation.large_before", [figures["before_bytes"] / 1e9], "GB")
    print_value("evaluation.large_seconds", [figures["seconds"]], "s")
    print_value("evaluation.large_found", [figures["found"]], "share of the sources first")
    return peak > MOST_GB


def write_vectors(folder: str, passages: int, queries: int) -> None:
    """Writes unit vectors of passages, in the form of the cache of embeddings, and queries near some of them."""
    import numpy as np

    rng = np.random.default_rng(0)
    open_memmap: Any = np.lib.format.open_memmap
    file = open_memmap(f"{folder}/passages.npy", mode="w+", dtype=np.float32, shape=(passages, DIM))
    for start in range(0, passages, 50_000):
        part = rng.standard_normal((min(50_000, passages - start), DIM), dtype=np.float32)
        file[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    file.flush()
    sources = np.sort(rng.choice(passages, queries, replace=False))
    near = file[sources] + rng.standard_normal((queries, DIM), dtype=np.float32) * 0.08
    np.save(f"{folder}/queries.npy", near / np.linalg.norm(near, axis=1, keepdims=True))
    np.save(f"{folder}/sources.npy", sources)


@dataclass(frozen=True)
class MadeSystem:
    """A dense system whose queries are encoded already."""

    index: DenseIndex
    vectors: Vectors
    name: str = "made"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Takes the vectors of all queries."""
        from engine.search.systems import vector_search

        assert len(queries) == len(self.vectors), f"{len(queries)} queries, {len(self.vectors)} vectors"
        return vector_search(self.index, self.vectors)


def evaluate_large(folder: str, passages: int, queries: int) -> dict[str, float]:
    """Searches and scores as the report does with held-out queries; runs in its own process."""
    import numpy as np

    from engine.search.dense import DenseIndex
    from eval.retrieval.benchmark import make_benchmark
    from eval.retrieval.corpus import Corpus
    from eval.retrieval.ranking import measure

    documents = [f"d{row // 2}" for row in range(passages)]
    texts = [f"the passage with the number {row}" for row in range(passages)]
    corpus = Corpus([f"p{row}" for row in range(passages)], documents, [""] * passages, texts)
    sources = {f"q{number}": documents[row] for number, row in enumerate(np.load(f"{folder}/sources.npy"))}
    asked = {name: f"what says {source}" for name, source in sources.items()}
    benchmark = make_benchmark("made", asked, {name: {source: 1} for name, source in sources.items()})
    benchmark = replace(benchmark, sources=sources)
    vectors = np.load(f"{folder}/queries.npy")
    in_order = [int(name[1:]) for name in benchmark.queries]
    before, started = peak_bytes(), time.monotonic()
    index = DenseIndex(corpus.passage_ids, np.load(f"{folder}/passages.npy", mmap_mode="r"))
    results = measure(benchmark, [MadeSystem(index, vectors[in_order])], corpus, K)
    means = results.scores["made"].means()
    assert len(results.trec_runs["made"]) == queries, "each query has its ranking"
    return {**figures_since(started, {}), "before_bytes": before, "found": means["hit@1"]}


if __name__ == "__main__":
    sys.exit(main())
