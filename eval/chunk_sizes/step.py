"""The chunk_sizes step: search in the same documents, cut into chunks of several sizes.

In: documents cut in every size, synthetic queries that were written from the run's own chunks, judged questions where
there are any. Out: chunk_sizes.json and chunk_sizes.html. Documents are ranked by their best passage, so that all sizes
are measured by the same judgements. Nothing is trained. Passages are encoded once for each size, and kept with the
embeddings of the store; in memory are the texts of one size at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.sweeps import ChunkSizesRecord, SweepFolder
from engine.errors import UserError
from engine.storage.files import write_json, write_text
from engine.storage.typed import to_json_values
from eval.asking.answers import is_made_up
from eval.chunk_sizes.config import ChunkSizesPlan
from eval.chunk_sizes.cut import search_cut
from eval.chunk_sizes.figures import ChunkSizes, set_curves
from eval.chunk_sizes.page import render_chunk_sizes
from eval.evaluation import analyser_of
from eval.retrieval.corpus import read_corpus
from eval.significance import Bootstrap
from eval.sweeps.measuring import JUDGED, clusters_of, query_sets
from eval.synthetic import SYNTHETIC, synthetic_queries

if TYPE_CHECKING:
    from engine.runtime.place import Place


def measure_chunk_sizes(
    config: ChunkSizesPlan, inputs: Mapping[str, Path], output: Path, place: Place
) -> ChunkSizesRecord:
    """Measures BM25, the base encoder and both together at every size, and writes figures and a page.

    Args:
        config: the sizes, and how they are measured.
        inputs: the finished folders `documents`, `prompts`, `samples` and `examples` of the run, and one of documents
            for each size, by its name.
        output: the folder to write into.
        place: where the step runs; its cache has the passages that were encoded before.

    Raises:
        UserError: there is no query to measure on.
    """
    figures = _measure(config, inputs, place)
    folder = SweepFolder(output, "chunk_sizes")
    write_json(folder.figures_file, to_json_values(figures))
    write_text(folder.page_file, render_chunk_sizes(figures))
    return _record(figures)


def _measure(config: ChunkSizesPlan, inputs: Mapping[str, Path], place: Place) -> ChunkSizes:
    from engine.search.encoder import load_encoder

    report = config.report
    corpus = read_corpus(inputs["documents"])
    synthetic = synthetic_queries(inputs["examples"], config.settings.max_queries)
    sets = query_sets(report, inputs, corpus, synthetic, place)
    if not sets:
        remedy = "plan more samples, or name judged questions (report.benchmark)"
        raise UserError("there is neither a judged nor a synthetic query", where="chunk_sizes.tokens", remedy=remedy)
    clusters = {name: clusters_of(benchmark, corpus.original_of) for name, benchmark in sets.items()}
    analyser, encoder = analyser_of(report, corpus, place), load_encoder(report.encoder, place)
    timed = list(next(iter(sets.values())).queries.values())
    sizes, values = [], []
    for size in config.settings.sizes():
        place.console.step("chunk_sizes", f"{size.tokens:,} tokens, overlap {size.overlap_tokens:,}")
        cut = search_cut(inputs[size.name], report, encoder, analyser, place)
        values.append({name: cut.values(benchmark, report.k) for name, benchmark in sets.items()})
        sizes.append(cut.figures(size, timed, report.latency_repetitions))
    bootstrap = Bootstrap(report.resamples, report.seed)
    return ChunkSizes(
        sizes=sizes,
        written_from=config.documents.name,
        encoder=report.encoder.model,
        encoder_tokens=encoder.max_tokens,
        analyser=analyser.name,
        documents=len(corpus.number_of),
        sets={
            name: set_curves(benchmark, [at_size[name] for at_size in values], clusters[name], bootstrap)
            for name, benchmark in sets.items()
        },
        is_made_up=is_made_up(inputs["samples"]),
    )


def _record(figures: ChunkSizes) -> ChunkSizesRecord:
    def queries(name: str) -> int:
        return figures.sets[name].queries if name in figures.sets else 0

    flat = {
        f"{name}, {system}": figures.sizes[curve.flat].name
        for name, curves in figures.sets.items()
        for system, curve in curves.systems.items()
    }
    return ChunkSizesRecord(len(figures.sizes), queries(JUDGED), queries(SYNTHETIC), flat)
