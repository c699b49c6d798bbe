"""A system folder, copied elsewhere, finds what the report's TREC runs have, without this project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.report import ReportFolder
from engine.artifacts.system import SystemFolder, SystemRecord
from engine.handover.config import SystemConfig, reranker_config
from engine.handover.parts import write_words
from engine.handover.step import hand_over
from engine.models.precision import has_fast_bf16
from engine.search.analyser import Analyser
from engine.search.bm25 import Bm25Index
from engine.search.cross_encoder import load_cross_encoder
from engine.search.reranked import RerankedSystem
from engine.search.systems import Bm25System
from engine.storage.files import write_json
from engine.storage.store import finish
from eval.retrieval.corpus import read_corpus
from eval.retrieval.trec import read_run
from eval.step import evaluate_model
from tests.support.languages import ARTICLES
from tests.support.models import write_cross_encoder
from tests.support.small_run import (
    MODEL_RECORD,
    QUESTIONS,
    build_run,
    place_in,
    small_config,
    step_record,
    write_benchmark,
    write_tuned_model,
)

ISOLATED = """
import importlib.util, json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"engine", "eval", "training", "conf", "tests"}:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocker())
queries, found = json.loads(sys.argv[1]), {}
for folder in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("search", f"{folder}/search.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found[folder] = [module.search(query, 1000) for query in queries]
print(json.dumps(found))
"""
"""Searches with the program of each folder in a process that cannot import the project, whatever is installed."""
SYSTEMS = {
    "bm25": SystemConfig(weight=1.0),
    "base": SystemConfig(model="base", weight=0.0),
    "tuned": SystemConfig(model="tuned", weight=0.0),
    "chosen": SystemConfig(),
    "reranked": SystemConfig(reranker="trained"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Folders of a run with a report, whose models compute in what is fast here: bfloat16 or single precision.

    A cross-encoder is among them that knows nothing.
    """
    root = tmp_path_factory.mktemp("run")
    folders = build_run(root / "store")
    write_tuned_model(folders["model"])
    folders["cross_encoder"] = write_cross_encoder(root / "pairs").rename(root / "store" / "00000000000000ce")
    finish(folders["cross_encoder"], step_record("model", folders["cross_encoder"], MODEL_RECORD))
    config = small_config(str(write_benchmark(root / "tiny")))
    config = replace(config, encoder=replace(config.encoder, query_prefix="question: "))
    report = root / "store" / "report" / "00000000000000ff"
    report.mkdir(parents=True)
    finish(report, step_record("report", report, evaluate_model(config, folders, report, place_in(root))))
    return {**folders, "report": report}


@pytest.fixture(scope="module")
def copies(run: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A copy of the system folder for each way to search."""
    made, elsewhere = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("elsewhere")
    for name, config in SYSTEMS.items():
        output = made / name
        output.mkdir()
        finish(
            output, step_record("system", output, hand_over(config, run, output, place_in(run["report"].parents[2])))
        )
        shutil.copytree(output, elsewhere / name)
    shutil.rmtree(made)
    return {name: elsewhere / name for name in SYSTEMS}


def search_alone(folders: list[Path], queries: list[str]) -> dict[str, list[list[dict[str, Any]]]]:
    """What the programs of folders find for queries, in one process of their own."""
    command = [sys.executable, "-IB", "-c", ISOLATED, json.dumps(queries), *map(str, folders)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # as in the place of this run
    done = subprocess.run(command, cwd=folders[0], env=one_thread, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[dict[str, Any]]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def of_documents(hits: list[dict[str, Any]]) -> dict[str, float]:
    """Documents by their best passages, as the report ranks them."""
    scores: dict[str, float] = {}
    for hit in hits:
        scores.setdefault(hit["document_id"], hit["score"])
    return scores


def test_scores_and_ranks_are_those_of_the_report(run: Mapping[str, Path], copies: Mapping[str, Path]) -> None:
    judged = {name: text for name, (text, _) in QUESTIONS.items() if name not in {"q6", "q7"}}
    found = search_alone(list(copies.values()), list(judged.values()))
    for name, folder in copies.items():
        system = SystemFolder(folder).settings()["figures"]["system"]
        trec_run = read_run(run["report"] / "runs" / f"{system}.trec")
        is_reranked = name == "reranked"  # to its tokenizer texts of one length are the same, so that many are equal
        for query_id, hits in zip(judged, found[str(folder)], strict=True):
            scores, expected = of_documents(hits), trec_run[query_id]
            assert is_reranked or list(scores)[: len(expected)] == list(expected), (name, query_id)
            assert len(scores) == len(expected)
            assert scores == pytest.approx(expected, abs=1e-4 if is_reranked else 1e-6), (name, query_id)
    assert found[str(copies["base"])] != found[str(copies["tuned"])]


def test_a_folder_holds_what_its_system_needs_and_no_more(copies: Mapping[str, Path]) -> None:
    always = {"system.json", "search.py", "README.md", "passages.jsonl", "offsets.npy", "record.json", "_DONE"}
    words, meaning = {"bm25"}, {"encoder", "faiss.index"}
    for name, parts in (("bm25", words), ("base", meaning), ("tuned", meaning)):
        assert {path.name for path in copies[name].iterdir()} == always | parts
    settings = SystemFolder(copies["tuned"]).settings()
    assert settings["encoder"] == {
        "name": "the tuned model",
        "query_prefix": "question: ",
        "passage_prefix": "",
        "max_tokens": 64,
        "similarity": "cosine",
        "normalise": True,
        "dtype": "bfloat16" if has_fast_bf16("cpu") else "float32",
        "dimensions": 384,
    }
    assert "set by system.model=tuned" in settings["why"]
    assert SystemFolder(copies["bm25"]).record() == SystemRecord(24, 0, settings_terms(copies["bm25"]), "bm25", 1.0)


def settings_terms(folder: Path) -> int:
    terms: int = SystemFolder(folder).settings()["bm25"]["terms"]
    return terms


def test_what_the_report_chose_is_handed_over_with_its_figures(
    run: Mapping[str, Path], copies: Mapping[str, Path]
) -> None:
    report, settings = ReportFolder(run["report"]).values(), SystemFolder(copies["chosen"]).settings()
    choice = report["recommendation"]["choice"]
    assert settings["weight_of_words"] == choice["weight"]
    assert settings["figures"]["queries"] == 5
    measured = settings["figures"]["systems"][settings["system"]]["mean"]
    assert measured == report["recommendation"]["systems"][settings["system"]]["mean"]
    assert settings["kind"] == "words and meaning", "the run of this test chooses both"
    assert settings["native_fusion"]["queries"] == len(ReportFolder(run["report"]).queries(100))
    assert 0 < settings["native_fusion"]["min_max_weight"] < 1


def test_the_cross_encoder_of_the_run_is_handed_over_where_it_is_named_or_recommended(
    run: Mapping[str, Path], copies: Mapping[str, Path]
) -> None:
    record, settings = SystemFolder(copies["reranked"]).record(), SystemFolder(copies["reranked"]).settings()
    assert (record.system, record.reranker) == (SystemFolder(copies["chosen"]).record().system, "trained")
    assert settings["reranker"]["name"] == "the cross-encoder that the run trained"
    assert settings["reranker"]["depth"] == 50
    assert settings["figures"]["system"] == f"{record.system}@50@trained"
    readme = (copies["reranked"] / "README.md").read_text()
    assert f"| {record.system}@50@trained \u2020 (this one) |" in readme
    assert f"{record.system}@50@trained has " in readme, "what it reaches where all queries chose it"
    assert "the report measured no such system" not in readme
    assert str(run["cross_encoder"]) not in readme + json.dumps(settings), "no path of this machine"
    measured = ReportFolder(run["report"]).values()["recommendation"]["reranker"]
    assert measured["gain"]["ci95"][0] <= 0, "it knows nothing"
    assert not SystemFolder(copies["chosen"]).reranker.exists()


def test_the_program_is_a_command_that_loads_nothing_in_vain(copies: Mapping[str, Path]) -> None:
    command = [sys.executable, "-IB", "-X", "importtime", "search.py", "steep", "fruit in winter"]
    done = subprocess.run(command, cwd=copies["bm25"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert 1 < len(lines) <= 10
    assert lines[0].split()[1].startswith("apples")
    assert "torch" not in done.stderr
    assert "faiss" not in done.stderr


def test_a_reranker_orders_the_first_passages_as_a_report_has_it(run: Mapping[str, Path], tmp_path: Path) -> None:
    place = place_in(run["report"].parents[2])
    config = SystemConfig(weight=1.0, reranker=str(write_cross_encoder(tmp_path)), rerank_depth=6)
    output = tmp_path / "system"
    output.mkdir()
    record = hand_over(config, run, output, place)
    assert (record.system, record.reranker) == ("bm25", config.reranker)
    settings = SystemFolder(output).settings()
    assert settings["figures"] is None, "the report measured no such system"
    assert settings["reranker"]["name"] == Path(config.reranker).name
    told = [output / name for name in ("system.json", "README.md", "search.py")]
    assert not [path for path in told if str(tmp_path) in path.read_text()], "no path of this machine"
    query = QUESTIONS["q2"][0]
    [[hits]] = search_alone([output], [query]).values()
    corpus = read_corpus(run["documents"])
    ids, terms_of = sorted(corpus.passage_ids, reverse=True), Analyser(settings["analyser"]["language"]).terms
    bm25 = Bm25System(Bm25Index.load(output / "bm25", ids, terms_of).reordered(corpus.ranks_of_ids))
    scorer, ranks = load_cross_encoder(reranker_config(config.reranker), place), corpus.ranks_of_ids
    reranked = RerankedSystem("x", bm25, scorer, corpus.encoded_texts(), ranks, depth=6)
    [rows], [scores] = reranked.prepare([query])(6)
    rows, scores = rows[rows >= 0], scores[rows >= 0]
    assert [hit["passage_id"] for hit in hits] == [corpus.passage_ids[row] for row in rows.tolist()]
    assert [hit["score"] for hit in hits] == pytest.approx(scores, abs=1e-6)
    assert rows.tolist() != bm25.prepare([query])(len(rows))[0][0].tolist(), "the first order was another one"


@pytest.mark.parametrize("language", ["german", "korean"])
def test_words_of_other_languages_are_found_alike(language: str, tmp_path: Path) -> None:
    sentences = [text for text in ARTICLES[language].replace(",", ".").split(".") if text.strip()]
    ids = [f"s{number}" for number in range(len(sentences))]
    rows = [
        {"passage_id": name, "document_id": name, "title": "", "text": text}
        for name, text in zip(ids, sentences, strict=True)
    ]
    documents = tmp_path / "documents"
    documents.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), documents / "passages.parquet")
    analyser = Analyser(language)
    bm25 = {"k1": 1.2, "b": 0.6, "analyser": analyser.name}
    (tmp_path / "report").mkdir()
    write_json(tmp_path / "report" / "report.json", {"decision": {"model": "base"}, "settings": {"bm25": bm25}})
    output = tmp_path / "system"
    output.mkdir()
    inputs = {"documents": documents, "report": tmp_path / "report"}
    hand_over(SystemConfig(weight=1.0), inputs, output, place_in(tmp_path))
    queries = [*sentences, ARTICLES[language], "GPU 2019"]
    [found] = search_alone([output], queries).values()
    expected, scores = Bm25Index(ids, sentences, 1.2, 0.6, analyser.terms).search(queries, len(ids))
    for query, hits in enumerate(found):
        matched = max(1, int((scores[query] > 0).sum()))
        assert [hit["passage_id"] for hit in hits] == [ids[row] for row in expected[query][:matched]]
        assert [hit["score"] for hit in hits] == pytest.approx(scores[query][:matched], abs=1e-6)


def test_passages_without_a_word_are_handed_over_without_words(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_pylist([{"passage_id": "a", "document_id": "a", "title": "", "text": "?!"}], schema=PASSAGES),
        tmp_path / "passages.parquet",
    )
    report = {"settings": {"bm25": {"k1": 1.5, "b": 0.75}}}
    (tmp_path / "system").mkdir()
    words = write_words(report, tmp_path, SystemFolder(tmp_path / "system"), place_in(tmp_path))
    assert words.num_terms == 0
    assert words.analyser.language == "none", "reports from before there were analysers name none"
    assert not (tmp_path / "system" / "bm25").exists()
