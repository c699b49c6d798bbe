"""The whole flow through the command line, with a fake generator and everything else real."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytrec_eval

from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.command_line.main import main
from engine.pipeline.config import RunConfig
from engine.pipeline.steps import steps
from engine.storage.store import NOUNS
from eval.retrieval.trec import read_qrels, read_run
from tests.support.command_line import CommandLineHere, FinishedRun
from tests.support.paths import ROOT
from tests.support.wandb_files import read_records

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
    [tracked] = (finished_run.folder / "tracking").glob("wandb/offline-run-*/run-*.wandb")
    written = read_records(tracked)
    assert {record.artifact.type for record in written if record.HasField("artifact")} >= {"model", "report"}
    tracked_names = {item.nested_key[0] for record in written for item in record.history.item}
    assert {"samples/table", "examples/kept_table", "examples/rejected_table", "model/loss"} <= tracked_names


def test_a_finished_run_says_so(finished_run: FinishedRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(finished_run.folder)]) == 0
    out = capsys.readouterr().out
    assert "finished after" in out
    assert "made       documents, prompts, samples, examples, model, report, system" in out
    assert "generated  200 samples, by what engines noted last" in out
    assert re.search(r"kept       \d+% \(\d+ of 200\)", out)
    assert "core-hours of engines" in out


def test_every_sample_is_accounted_for(finished_run: FinishedRun) -> None:
    run, report = finished_run.folder, report_of(finished_run.folder)
    samples = SamplesFolder(run / "samples").rows()
    assert samples["sample_id"].to_pylist() == list(range(200))
    prompts = pa.concat_tables([pq.read_table(file) for file in sorted((run / "prompts").glob("plan-*.parquet"))])
    assert prompts["sample_id"].to_pylist() == list(range(200))
    assert report["samples"] == {"planned": 200, "generated": 200, "failed": 0, "is_made_up": True}
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
    assert set(report["fingerprints"]) == set(report["seconds"]) == set(NOUNS) - {"system"}
    assert report["decision"]["model"] in ("base", "tuned")
    assert report["peak_memory_bytes"] > 2e8
    assert len(report["retrieval"]["corpus"]["difference"]["ndcg@10"]["ci95"]) == 2


def test_the_terminal_shows_steps_table_page_and_how_to_load(finished_run: FinishedRun) -> None:
    output = finished_run.output
    for line in (
        *NOUNS,
        "BM25",
        "base",
        "tuned",
        "run/report/report.html",
        "run/system/search.py",
        "SentenceTransformer(",
    ):
        assert line in output
    assert "INFO" not in output, "logs of libraries are in files"


def test_nothing_changed_runs_nothing(finished_run: FinishedRun) -> None:
    again = finished_run.synthmill.run(*finished_run.arguments)  # in a process of its own, as the first one
    assert again.returncode == 0
    assert again.stdout.count("unchanged:") == len(NOUNS)


def fingerprints_of(finished_run: FinishedRun, *changes: str) -> dict[str, str]:
    """The fingerprint of each step of that run, had it been started with changes."""
    with contextlib.chdir(finished_run.synthmill.folder):
        every = steps(load_config([*finished_run.arguments, *changes])[0])
        return {step.entry: step.fingerprint for step in every}


def test_another_learning_rate_is_another_model_and_what_follows(finished_run: FinishedRun) -> None:
    """Which of them run is computed; the soak runs them, and the next test a run that makes some steps anew."""
    first, second = fingerprints_of(finished_run), fingerprints_of(finished_run, "model.learning_rate=1e-4")
    assert report_of(finished_run.folder)["fingerprints"].items() < first.items()
    assert {entry for entry in first if first[entry] != second[entry]} == {"model", "report", "system"}


@pytest.mark.soak
def test_another_learning_rate_runs_the_model_and_what_follows(
    finished_run: FinishedRun, synthmill_here: CommandLineHere
) -> None:
    synthmill = replace(synthmill_here, folder=finished_run.synthmill.folder)
    arguments = [argument for argument in finished_run.arguments if not argument.startswith("run_dir")]
    done = synthmill.run(*arguments, "model.learning_rate=1e-4", "run_dir=other", "tracking=off")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("unchanged:") == 4
    first, second = report_of(finished_run.folder), report_of(finished_run.synthmill.folder / "other")
    changed = {noun for noun in NOUNS[:-1] if first["fingerprints"][noun] != second["fingerprints"][noun]}
    assert changed == {"model", "report"}


def test_a_report_has_models_asked_and_nothing_else_is_made_anew(
    finished_run: FinishedRun, synthmill_here: CommandLineHere
) -> None:
    synthmill = replace(synthmill_here, folder=finished_run.synthmill.folder)
    arguments = [argument for argument in finished_run.arguments if not argument.startswith("run_dir")]
    asks = ("report.expand=[rewrites,hypothetical]", "report.rerank_by=relevance", "report.rerank_depth=5")
    done = synthmill.run(*arguments, *asks, "run_dir=asking")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "rewrites: fake writes 3 texts for each of 10 judged queries" in said
    assert "samples.generator=fake computes what models are asked for the report" in said
    assert "model unchanged" in said
    run = synthmill.folder / "asking"
    figures = pq.read_table(run / "report" / "per_query.parquet")
    half = "base_half_words"
    asked = ["base_with_rewrites", "base_with_hypothetical", f"{half}_by_relevance", f"{half}_and_relevance"]
    assert set(figures["system"].to_pylist()) >= {f"{name}_fake" for name in asked}
    pairs = SamplesFolder(run / "asked" / "reranks" / "samples").rows()
    assert pairs.num_rows == 5 * len(set(pairs["condition_judged_query"].to_pylist()))
    assert SamplesFolder(run / "asked" / "rewrites" / "samples").rows().num_rows % 3 == 0
    assert synthmill.run("trace", "asking/asked/reranks", "0").returncode == 0
    assert synthmill.run("trace", "asking/asked/rewrites", "0").returncode == 0
    asking, weighed = (fingerprints_of(finished_run, *asks, *more) for more in ((), ("report.rerank_weight=0.5",)))
    assert {entry for entry in asking if asking[entry] != weighed[entry]} == {"report", "system"}, "none is asked again"
    fewer = synthmill.run(*arguments, asks[1], "report.max_generated_queries=3", "run_dir=asking")
    assert fewer.returncode == 2
    assert "there are 10 judged queries to ask a model about" in " ".join(fewer.stderr.split())


def test_the_model_loads(finished_run: FinishedRun) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(finished_run.folder / "model"), device="cpu")
    assert model.encode(["a question"]).shape == (1, 384)
    assert model.max_seq_length == 256
    assert "synthmill" in (finished_run.folder / "model" / "README.md").read_text()


FINGERPRINTS = """
import json, sys
from engine.command_line.compose import load_config
from engine.pipeline.steps import steps
from engine.runtime import identity, sources

config, _ = load_config(["experiment=demo"])
for _ in sys.stdin:
    identity.source_hash.cache_clear()
    sources.read_source.cache_clear()
    print(json.dumps({step.noun: step.fingerprint for step in steps(config)}), flush=True)
"""


class Copy:
    """A copy of the packages that tests edit, and a process that computes fingerprints from the files as they are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for package in ("engine", "training", "eval", "conf"):
            shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
        environment, pipe = os.environ | {"PYTHONPATH": str(root)}, subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", FINGERPRINTS], cwd=root, env=environment, stdin=pipe, stdout=pipe, text=True
        )
        self.before = self.fingerprints()

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each step."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, str] = json.loads(self.process.stdout.readline())
        return found

    def with_edit(self, edit: Callable[[str], str], *names: str) -> dict[str, str]:
        """The fingerprints while these files are edited; each is as it was afterwards."""
        sources = {self.root / name: (self.root / name).read_text() for name in names}
        try:
            for file, source in sources.items():
                file.write_text(edit(source))
            return self.fingerprints()
        finally:
            for file, source in sources.items():
                file.write_text(source)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("copy"))
    yield made
    made.process.kill()
    made.process.communicate()


AFTER_SAMPLES = {"examples", "model", "report", "system"}


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
        ("engine/runtime/activity.py", set()),
        ("engine/watch/monitor.py", set()),
        ("eval/significance.py", {"report", "system"}),
        ("engine/handover/parts.py", {"system"}),
        ("training/losses/ranking.py", {"model", "report", "system"}),
        ("training/batches/plan.py", {"model", "report", "system"}),
        ("engine/filters/checks.py", AFTER_SAMPLES),
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
    copy: Copy, edited: str, rerun: set[str]
) -> None:
    after = copy.with_edit(lambda source: f"{source}\nEDITED = True\n", edited)
    assert {noun for noun in NOUNS if copy.before[noun] != after[noun]} == rerun


def test_an_edited_template_of_the_page_makes_the_report_anew(copy: Copy) -> None:
    templates = [f"eval/page/templates/{file.name}" for file in (ROOT / "eval/page/templates").iterdir()]
    after = copy.with_edit(lambda source: f"{source}\n", *templates)
    assert {noun for noun in NOUNS if copy.before[noun] != after[noun]} == {"report", "system"}


def test_a_mended_docstring_or_comment_reruns_nothing(copy: Copy) -> None:
    def mend(source: str) -> str:
        mended = source.replace('"""', '"""Mended: ', 1).replace("\nimport ", "\n# why\nimport  ", 1)
        mended = re.sub(r"(\n    [^\n#]+)(?=\n\n\n)", r"\1  # a remark", mended, count=1)
        assert mended != source
        return mended.replace("import  ", "import ")

    names = ("engine/errors.py", "engine/generation/loop.py", "training/step.py")
    assert copy.with_edit(mend, *names) == copy.before


def test_an_edited_template_of_the_system_makes_it_alone_anew(copy: Copy) -> None:
    after = copy.with_edit(lambda source: f"{source}\n", "engine/handover/templates/README.md.jinja")
    assert {noun for noun in NOUNS if copy.before[noun] != after[noun]} == {"system"}


def test_the_pipeline_is_seven_steps_in_order() -> None:
    assert [step.noun for step in steps(RunConfig(collection="x"))] == list(NOUNS)
