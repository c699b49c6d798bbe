"""What a comparison of chunk sizes comes to, in sentences.

In: a ChunkSizes. Out: short texts, the same on the page and on the terminal.
"""

from __future__ import annotations

from eval import wording
from eval.chunk_sizes.figures import ChunkSizes, SetCurves, SizeFigures
from eval.sweeps.measuring import JUDGED
from eval.sweeps.names import system_name
from eval.sweeps.paired import SMALL

_WHOLE = 1.02
"""With no more chunks than this for each document, documents count as whole."""


def main_set(figures: ChunkSizes) -> SetCurves:
    """Returns the set of queries that headlines are about: judged questions where there are any."""
    return figures.sets.get(JUDGED) or next(iter(figures.sets.values()))


def queries_of(curves: SetCurves) -> str:
    """Says which queries a set is, such as `52 judged questions of cacm`."""
    if curves.cluster == "document":
        return f"{curves.queries:,} synthetic queries of {curves.clusters:,} documents"
    return f"{curves.queries:,} judged questions of {curves.name}"


def size_in_words(size: SizeFigures) -> str:
    """Writes a size, such as `256 tokens (overlap 32)`."""
    overlap = f"overlap {size.overlap_tokens:,}" if size.overlap_tokens else "no overlap"
    return f"{size.tokens:,} tokens ({overlap})"


def flat_sentence(figures: ChunkSizes, curves: SetCurves, system: str) -> str:
    """Says from which size on the curve of one system is flat, and how sure that is."""
    curve = curves.systems[system]
    name = system_name(system)
    flat, best = figures.sizes[curve.flat], figures.sizes[curve.best]
    reached = curve.sizes[curve.flat]
    if reached.to_best is None:
        others = "every smaller size is worse" if curve.flat else "which is the smallest of all"
        return f"{name}: best with {size_in_words(best)} (nDCG@10 {reached.means['ndcg@10']:.3f}); {others}."
    difference = wording.with_interval(reached.to_best.difference)
    return (
        f"{name}: flat from {size_in_words(flat)} on, {difference} beside the best, {size_in_words(best)} "
        f"(nDCG@10 {curve.sizes[curve.best].means['ndcg@10']:.3f})."
    )


def advice(figures: ChunkSizes) -> str:
    """Says in a few words how long chunks should be for search by words and meaning."""
    sizes = [size.tokens for size in figures.sizes]
    curve = main_set(figures).systems["base_words"]
    tokens, to_best = figures.sizes[curve.flat].tokens, curve.sizes[curve.flat].to_best
    if to_best and to_best.difference.low < -SMALL:
        return f"Chunks of {tokens:,} tokens may be enough"
    if tokens == min(sizes):
        return f"Chunks of {tokens:,} tokens, the smallest tried, are enough"
    if tokens == max(sizes):
        return f"Chunks of {tokens:,} tokens, the largest tried, are needed"
    return f"Chunks of {tokens:,} tokens are enough"


def doubt_sentence(figures: ChunkSizes) -> str:
    """Says where these queries leave open how much shorter chunks lose; "" where they do not."""
    curves = main_set(figures)
    curve = curves.systems["base_words"]
    to_best = curve.sizes[curve.flat].to_best
    if to_best is None or to_best.difference.low >= -SMALL:
        return ""
    loss = f"{-to_best.difference.low:.3f}"
    return f"{queries_of(curves)} do not rule out that chunks of this size lose {loss} nDCG@10: more would tell."


def limit_sentence(figures: ChunkSizes) -> str:
    """Says what the encoder reads of a chunk."""
    cut = [
        f"{wording.share(size.cut_share, 1)} of those of {size_in_words(size)}"
        for size in figures.sizes
        if size.cut_share > 0
    ]
    start = f"The encoder reads {figures.encoder_tokens:,} tokens of a chunk, the title included; BM25 reads all."
    if not cut:
        return f"{start} It reads every chunk here to its end."
    return f"{start} Chunks that it does not read to the end: {'; '.join(cut)}."


def whole_sentence(figures: ChunkSizes) -> str:
    """Says from which size on documents are hardly cut at all, so that larger sizes cannot change anything; else ""."""
    whole = [size.tokens for size in figures.sizes if size.passages <= _WHOLE * figures.documents]
    if not whole:
        return ""
    return f"From {min(whole):,} tokens on nearly every document is one chunk, so that larger sizes change nothing."


def megabytes(size: SizeFigures) -> str:
    """Writes what the vectors and BM25's index take together, in units of 10^6 bytes."""
    return f"{(size.vector_bytes + size.bm25_bytes) / 1e6:,.1f}"


def milliseconds(size: SizeFigures, system: str) -> str:
    """Writes the time of one query with a system, or a dash where none was measured."""
    return f"{size.latency_ms[system]:.1f}" if system in size.latency_ms else "\u2013"
