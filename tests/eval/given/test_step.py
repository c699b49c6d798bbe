"""The report of each form and family is measured end to end with tiny models, and read back as it was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import CONTROLS, CONTROLS_FILE, ExamplesFolder
from engine.artifacts.forms import Form
from engine.artifacts.report import GivenReportRecord
from engine.errors import UserError
from engine.search.encoder import EncoderConfig
from engine.storage.store import finish
from engine.storage.typed import to_json_values
from eval.config import ReportConfig
from eval.given.config import GivenReportConfig
from eval.given.figures import GivenReport, is_given_report, read_given_report
from eval.given.measure import Measurement
from eval.given.step import report_given
from eval.given.systems import CROSS_ENCODER, TunedModel
from eval.report import read_report
from tests.support.given import (
    LABELS,
    finish_model,
    graded_rows,
    labelled_rows,
    pair_rows,
    write_classifier,
    write_given,
)
from tests.support.models import write_cross_encoder
from tests.support.places import quiet_place
from tests.support.small_run import build_run, place_in, small_config, step_record, write_benchmark


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models of every family, and examples of every form."""
    home = tmp_path_factory.mktemp("given")
    finish_model(write_cross_encoder(home), "cross_encoder")
    base = home / "base" / "encoder"
    finish_model(base, "bi_encoder")
    finish_model(write_classifier(home / "classifier", base, temperature=1.5), "classifier")
    write_given(home / "pairs", Form.pairs, pair_rows(40))
    write_given(home / "graded", Form.graded, graded_rows(40))
    write_given(home / "labelled", Form.labelled, labelled_rows(40))
    return home


def config_of(home: Path, **settings: Any) -> ReportConfig:
    """The settings of a report whose base is the tiny encoder."""
    encoder = EncoderConfig(str(home / "base" / "encoder"), "", "", 32)
    return replace(small_config(), encoder=encoder, resamples=100, latency_repetitions=1, **settings)


def reported(
    home: Path, examples: str, model: Path, output: Path, **settings: Any
) -> tuple[GivenReport, GivenReportRecord]:
    """Runs the step, and reads what it wrote."""
    files = settings.pop("files", {})
    inputs = {"examples": home / examples, "model": model, **files}
    output.mkdir()
    record = report_given(GivenReportConfig(config_of(home, **settings)), inputs, output, quiet_place(output.parent))
    report = read_given_report(output / "report.json")
    assert is_given_report(output / "report.json")
    page = (output / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "None" not in page
    assert (report.form, report.family) == (record.form, record.family)
    return report, record


def test_pairs_with_an_encoder(home: Path, tmp_path: Path) -> None:
    report, record = reported(home, "pairs", home / "base" / "encoder", tmp_path / "out")
    figures = report.search["held_out"]
    assert list(figures.systems) == ["bm25", "base", "tuned", "50%bm25+50%base", "50%bm25+50%tuned"]
    assert figures.systems["tuned"].difference["ndcg@10"].mean == 0, "the tuned model is the base here"
    assert figures.systems["bm25"].means["hit@10"] > 0.9, "queries are words of their passage"
    assert record.measured == figures.queries == 20
    assert record.headline == "No clear difference in search"
    with pytest.raises(UserError, match="is the report of a run without documents"):
        read_report(tmp_path / "out")


def test_pairs_with_a_cross_encoder_and_a_further_reranker(home: Path, tmp_path: Path) -> None:
    reranker = {"model": str(home / "cross"), "name": "other", "first": "bm25", "depths": [5]}
    report, _ = reported(home, "pairs", home / "cross", tmp_path / "out", rerankers=[reranker], max_reranked=8)
    figures = report.search["held_out"]
    assert (figures.queries, figures.of) == (8, 20)
    assert list(figures.systems) == [
        "bm25",
        "base",
        "50%bm25+50%base",
        "bm25@5@other",
        "50%bm25+50%base@100@tuned",
        "50%bm25+50%base@30@tuned",
    ]
    assert {name: curve.first for name, curve in figures.reranking.items()} == {
        "other": "bm25",
        "tuned": "50%bm25+50%base",
    }
    assert [point.depth for point in figures.reranking["tuned"].points] == [0, 5, 10, 20, 30, 50, 100]
    assert all(point.latency_ms for point in figures.reranking["tuned"].points)


def test_graded_pairs_with_either_family(home: Path, tmp_path: Path) -> None:
    files = {"similarity": home / "graded"}
    report, record = reported(home, "graded", home / "base" / "encoder", tmp_path / "out", files=files)
    assert {name: (part.pairs, part.of) for name, part in report.similarity.items()} == {
        "held_out": (20, 20),
        "similarity": (20, 20),
    }
    assert report.similarity["held_out"].systems["base"]["spearman"] > 0.3, "texts with words in common are near"
    assert record.measured == 40
    assert report.similarity["similarity"].trained_on == 0, "of a file with a split its held-out pairs are measured"
    cross, _ = reported(home, "graded", home / "cross", tmp_path / "cross", max_held_out=12)
    assert (cross.similarity["held_out"].pairs, cross.similarity["held_out"].of) == (12, 20)
    assert cross.similarity["held_out"].systems["base"] != cross.similarity["held_out"].systems["tuned"]
    assert cross.search == {}


def test_labelled_texts(home: Path, tmp_path: Path) -> None:
    """The file holds out thirty texts; twenty of these are what the run held out, and the model was calibrated by."""
    files = {"labelled": write_given(tmp_path / "file", Form.labelled, labelled_rows(60))}
    report, record = reported(home, "labelled", home / "classifier", tmp_path / "out", files=files)
    figures = report.classification["held_out"]
    assert (figures.texts, list(figures.labels), figures.temperature) == (20, list(LABELS), 1.5)
    of_file = report.classification["labelled"]
    assert (of_file.texts, of_file.trained_on, len(of_file.temperatures)) == (10, 20, 0)
    assert set(figures.systems) == {"tuned", "centroid", "majority"}
    assert figures.calibration["before"].brier != figures.calibration["after"].brier
    assert "wrong" not in record.classification["held_out"], "trackers get no texts"
    assert "calibration" in record.classification["held_out"]


def test_labelled_texts_beside_controls(home: Path, tmp_path: Path) -> None:
    folder = write_given(tmp_path / "labelled", Form.labelled, labelled_rows(40))
    controls = {"sample_id": range(100, 112), "text": [f"word1 word2 word{number % 3}" for number in range(12)]}
    pq.write_table(pa.table(controls, CONTROLS), folder / CONTROLS_FILE)
    counted = replace(ExamplesFolder(folder).record(), controls=12, rejected_controls={"length": 3})
    finish(folder, step_record("examples", folder, counted))
    report, record = reported(home, str(folder), home / "classifier", tmp_path / "out")
    assert report.controls is not None
    assert {name: sample.texts for name, sample in report.controls.samples.items()} == {
        "conditioned": 12,
        "controls": 12,
    }
    assert report.controls.difference > 0.2
    assert record.controls is not None
    assert record.controls["p"] == report.controls.p == 0.001
    assert (report.controls.kept, report.controls.rejected) == (12, {"length": 3})
    assert report.controls.samples["controls"].first_words == (("word1", 1.0),)
    assert "word1" not in str(record.controls), "trackers get no words of texts"
    assert report.classification["held_out"].texts == 20, "controls are not measured on"


def test_texts_alone_say_nothing(home: Path, tmp_path: Path) -> None:
    write_given(tmp_path / "texts", Form.texts, [{"text": "word1"}] * 4)
    report, record = reported(home, str(tmp_path / "texts"), home / "base" / "encoder", tmp_path / "out")
    assert (report.search, report.similarity, report.classification) == ({}, {}, {})
    assert record.headline == "Nothing to measure on"


@pytest.mark.parametrize(("folder", "key"), [("tiny", "tiny"), ("held_out", "judged")])
def test_a_cross_encoder_of_an_adaptation_searches_the_documents(
    home: Path, tmp_path: Path, folder: str, key: str
) -> None:
    folders = build_run(tmp_path / "store")
    config = config_of(home, benchmark=str(write_benchmark(tmp_path / folder)), max_reranked=4)
    inputs = {noun: folders[noun] for noun in ("documents", "prompts", "examples")} | {"model": home / "cross"}
    measured = Measurement(config, inputs, place_in(tmp_path)).measure()
    assert {name: part.queries for name, part in measured.search.items()} == {key: 5, "held_out": 4}
    judged, held_out = measured.search[key], measured.search["held_out"]
    assert (judged.kind, judged.name, held_out.kind) == ("judged", folder, "held_out")
    assert (judged.cluster, held_out.cluster) == ("query", "document")
    assert judged.passages == 24
    assert "50%bm25+50%base@30@tuned" in judged.systems
    assert judged.reranking["tuned"].points[0].latency_ms is not None
    assert held_out.reranking["tuned"].points[0].latency_ms is None, "time is measured once"
    assert not TunedModel(home, CROSS_ENCODER).is_encoder


def test_the_record_is_plain_values(home: Path, tmp_path: Path) -> None:
    _, record = reported(home, "graded", home / "base" / "encoder", tmp_path / "out")
    assert to_json_values(record)["similarity"]["held_out"]["systems"]["tuned"]["pearson"] > 0
