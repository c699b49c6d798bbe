"""The whole flow through the command line, with a fake generator and everything else real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytrec_eval

from engine.artifacts.samples import SamplesFolder
from engine.pipeline import RunConfig, steps
from engine.storage.store import NOUNS
from eval.retrieval.trec import read_qrels, read_run
from tests.support.command_line import FinishedRun
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def report_of(run: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((run / "report" / "report.json").read_text())
    return report


def test_the_run_folder_has_one_entry_per_noun(finished_run: FinishedRun) -> None:
    for noun in NOUNS:
        assert (finished_run.folder / noun / "_DONE").exists()
        assert (finished_run.folder / noun / "record.json").exists()
    latest = finished_run.synthmill.folder / "runs" / "latest"
    assert latest.resolve() == finished_run.folder.resolve()
    assert list((finished_run.folder / "logs").glob("engine-*.log")), "logs of engines are in the run folder"
    assert list((finished_run.folder / "tracking").rglob("offline-run-*")), "W&B wrote an offline run"


def test_every_sample_is_accounted_for(finished_run: FinishedRun) -> None:
    run, report = finished_run.folder, report_of(finished_run.folder)
    samples = SamplesFolder(run / "samples").rows()
    assert samples["sample_id"].to_pylist() == list(range(200))
    prompts = pa.concat_tables([pq.read_table(file) for file in sorted((run / "prompts").glob("plan-*.parquet"))])
    assert prompts["sample_id"].to_pylist() == list(range(200))
    assert report["samples"] == {"planned": 200, "generated": 200, "failed": 0}
    rejected = report["examples"]["rejected"]
    assert report["examples"]["kept"] + sum(rejected.values()) == 200
    assert pq.read_table(run / "examples" / "kept.parquet").num_rows == report["examples"]["kept"] > 0


def test_the_report_agrees_with_trec_eval(finished_run: FinishedRun) -> None:
    run, report = finished_run.folder, report_of(finished_run.folder)
    figures = report["retrieval"]["corpus"]
    qrels = read_qrels(run / "report" / "runs" / "judgements.qrels")
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "success.1,3,10"})
    for system in ("bm25", "base", "tuned"):
        scores = evaluator.evaluate(read_run(run / "report" / "runs" / f"{system}.trec"))
        pairs = {"ndcg@10": "ndcg_cut_10", "recall@100": "recall_100", "hit@1": "success_1", "hit@10": "success_10"}
        for ours, theirs in pairs.items():
            mean = sum(score[theirs] for score in scores.values()) / len(scores)
            assert figures[system][ours] == pytest.approx(mean, abs=1e-6), (system, ours)


def test_the_report_has_what_others_rely_on(finished_run: FinishedRun) -> None:
    report = report_of(finished_run.folder)
    assert set(report["generation"]) >= {
        "samples_per_second",
        "prompt_tokens_per_second",
        "output_tokens_per_second",
        "prefix_cache_hit_rate",
        "engine_start_seconds",
    }
    assert set(report["training"]) >= {"pairs_per_second", "steps", "examples"}
    assert set(report["fingerprints"]) == set(report["seconds"]) == set(NOUNS)
    assert report["decision"]["model"] in ("base", "tuned")
    assert report["peak_memory_bytes"] > 2e8
    assert len(report["retrieval"]["corpus"]["difference"]["ndcg@10"]["ci95"]) == 2


def test_the_terminal_shows_steps_table_page_and_how_to_load(finished_run: FinishedRun) -> None:
    output = finished_run.output
    for line in (*NOUNS, "BM25", "base", "tuned", "run/report/report.html", "SentenceTransformer("):
        assert line in output
    assert "INFO" not in output, "logs of libraries are in files"


def test_nothing_changed_runs_nothing(finished_run: FinishedRun) -> None:
    again = finished_run.synthmill.run(*finished_run.arguments)
    assert again.returncode == 0
    assert again.stdout.count("unchanged:") == len(NOUNS)


def test_another_learning_rate_runs_model_and_report_only(finished_run: FinishedRun) -> None:
    arguments = [argument for argument in finished_run.arguments if not argument.startswith("run_dir")]
    done = finished_run.synthmill.run(*arguments, "model.learning_rate=1e-4", "run_dir=other", "tracking=off")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("unchanged:") == 4
    first, second = report_of(finished_run.folder), report_of(finished_run.synthmill.folder / "other")
    changed = {noun for noun in NOUNS if first["fingerprints"][noun] != second["fingerprints"][noun]}
    assert changed == {"model", "report"}


def test_the_model_loads(finished_run: FinishedRun) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(finished_run.folder / "model"), device="cpu")
    assert model.encode(["a question"]).shape == (1, 384)
    assert model.max_seq_length == 256
    assert "synthmill" in (finished_run.folder / "model" / "README.md").read_text()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The fingerprints of a copy that nobody edited."""
    root = tmp_path_factory.mktemp("unedited")
    copy_packages(root)
    return fingerprints(root)


def copy_packages(root: Path) -> None:
    for package in ("engine", "training", "eval", "conf"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))


AFTER_SAMPLES = {"examples", "model", "report"}


@pytest.mark.parametrize(
    ("edited", "rerun"),
    [
        ("engine/command_line/help.py", set()),
        ("engine/generation/routing.py", set()),
        ("engine/generation/pool.py", set()),
        ("engine/generation/actor.py", set()),
        ("engine/runtime/console.py", set()),
        ("engine/runtime/cluster.py", set()),
        ("engine/runtime/capacity.py", set()),
        ("engine/runtime/tracking.py", set()),
        ("eval/significance.py", {"report"}),
        ("training/losses/ranking.py", {"model", "report"}),
        ("training/batches/plan.py", {"model", "report"}),
        ("engine/examples/filters/checks.py", AFTER_SAMPLES),
        ("engine/examples/duplicates/minhash.py", AFTER_SAMPLES),
        ("engine/generation/loop.py", {"samples", *AFTER_SAMPLES}),
        ("engine/generation/vllm_generator.py", {"samples", *AFTER_SAMPLES}),
        ("engine/prompts/plan.py", {"prompts", "samples", *AFTER_SAMPLES}),
        ("engine/task/render.py", {"prompts", "samples", *AFTER_SAMPLES}),
        ("engine/documents/chunking.py", set(NOUNS)),
        ("engine/errors.py", set(NOUNS)),
    ],
)
def test_an_edited_source_reruns_exactly_the_steps_whose_code_can_see_it(
    tmp_path: Path, before: dict[str, str], edited: str, rerun: set[str]
) -> None:
    copy_packages(tmp_path)
    with (tmp_path / edited).open("a") as stream:
        stream.write("\nEDITED = True\n")
    after = fingerprints(tmp_path)
    assert {noun for noun in NOUNS if before[noun] != after[noun]} == rerun


def test_an_edited_template_of_the_page_makes_the_report_anew(tmp_path: Path, before: dict[str, str]) -> None:
    copy_packages(tmp_path)
    for template in (tmp_path / "eval" / "page" / "templates").iterdir():
        template.write_text(template.read_text() + "\n")
    after = fingerprints(tmp_path)
    assert {noun for noun in NOUNS if before[noun] != after[noun]} == {"report"}


def test_a_mended_docstring_or_comment_reruns_nothing(tmp_path: Path, before: dict[str, str]) -> None:
    copy_packages(tmp_path)
    for name in ("engine/errors.py", "engine/generation/loop.py", "training/step.py"):
        source = (tmp_path / name).read_text()
        mended = source.replace('"""', '"""Mended: ', 1).replace("\nimport ", "\n# why\nimport  ", 1)
        mended = re.sub(r"(\n    [^\n#]+)(?=\n\n\n)", r"\1  # a remark", mended, count=1)
        assert mended != source
        (tmp_path / name).write_text(mended.replace("import  ", "import "))
    assert fingerprints(tmp_path) == before


def fingerprints(root: Path) -> dict[str, str]:
    code = (
        "import json; from engine.command_line.compose import load_config; from engine.pipeline import steps\n"
        "config, _ = load_config(['experiment=demo'])\n"
        "print(json.dumps({step.noun: step.fingerprint for step in steps(config)}))"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_pipeline_is_six_steps_in_order() -> None:
    assert [step.noun for step in steps(RunConfig(collection="x"))] == list(NOUNS)
