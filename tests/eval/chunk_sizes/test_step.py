"""The step over a hand-made run: every size is searched with the same queries, and documents are what is ranked."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.errors import UserError
from engine.search.analyser import make_analyser
from engine.search.encoder import load_encoder
from eval.chunk_sizes.config import ChunkSize, ChunkSizesConfig, ChunkSizesPlan
from eval.chunk_sizes.cut import search_cut
from eval.chunk_sizes.figures import read_chunk_sizes
from eval.chunk_sizes.step import measure_chunk_sizes
from tests.support.small_run import DOCUMENTS, build_run, place_in, small_config, write_benchmark


def whole_documents(folder: Path) -> Path:
    """A documents folder whose passages are whole documents."""
    folder.mkdir(parents=True)
    rows = [
        {"passage_id": name, "document_id": name, "title": title, "text": text, "position": 0, "num_tokens": 90}
        for name, (title, text) in DOCUMENTS.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folder / "passages.parquet")
    return folder


def test_two_sizes_of_a_run_are_measured_on_both_sets(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    report = small_config(str(write_benchmark(tmp_path / "tiny")))
    plan = ChunkSizesPlan(ChunkSizesConfig([64, 128], overlaps=[0.0]), ChunkSize(512, 64), report)
    inputs = {**folders, "64-0": folders["documents"], "128-0": whole_documents(tmp_path / "store/documents/whole")}
    output = tmp_path / "out"
    output.mkdir()
    record = measure_chunk_sizes(plan, inputs, output, place_in(tmp_path))
    figures = read_chunk_sizes(output / "chunk_sizes.json")
    assert (record.sizes, record.judged, record.synthetic) == (2, 5, 18)
    assert [size.passages for size in figures.sizes] == [24, 12]
    assert [size.cut_share for size in figures.sizes] == [0.0, 1.0], "the encoder reads 64 tokens"
    assert figures.sizes[0].vector_bytes == 24 * 384 * 4
    assert figures.sizes[0].bm25_bytes > 0
    assert list(figures.sizes[0].latency_ms) == ["bm25", "base", "base_words"]
    assert list(figures.sets) == ["judged", "synthetic"]
    for curves in figures.sets.values():
        assert list(curves.systems) == ["bm25", "base", "base_words"]
        assert all(0 < curve.sizes[0].means["ndcg@10"] <= 1 for curve in curves.systems.values())
    assert figures.sets["synthetic"].cluster == "document"
    assert "nDCG@10 on" in (output / "chunk_sizes.html").read_text()
    assert set(record.flat) == {f"{name}, {system}" for name in figures.sets for system in curves.systems}
    place = place_in(tmp_path)
    cut = search_cut(inputs["64-0"], report, load_encoder(report.encoder, place), make_analyser("english", []), place)
    assert cut.figures(ChunkSize(64, 0), ["x"], 0).latency_ms == {}


def test_without_any_query_the_run_ends_in_one_line(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    for name in ("kept", "rejected"):
        file = folders["examples"] / f"{name}.parquet"
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    plan = ChunkSizesPlan(ChunkSizesConfig([64]), ChunkSize(512, 64), small_config())
    with pytest.raises(UserError, match=r"chunk_sizes.tokens: there is neither a judged nor a synthetic query"):
        measure_chunk_sizes(plan, folders, tmp_path, place_in(tmp_path))
