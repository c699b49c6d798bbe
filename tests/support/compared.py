"""Finished runs for comparing, with reports of the real code over rankings that need no model."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.report import ReportFolder
from engine.storage.files import write_json
from engine.storage.run_folders import begin_run, link
from engine.storage.store import finish
from engine.text.words import words
from eval.compare.runs import ComparedRun
from eval.crossfit import Selection
from eval.data_quality.queries import quality_figures
from eval.evaluation import Evaluation, with_recommendation
from eval.figures import assemble, with_effort
from eval.files import write_evaluation
from eval.recommendation import CorpusSystems
from eval.report import HELD_OUT
from eval.retrieval.metrics import HEADLINE, evaluate
from eval.retrieval.ranking import Results
from eval.weights import FOLDS
from tests.support.small_run import (
    CHOICE,
    CHOSEN,
    RECORDS,
    build_run,
    small_config,
    small_evaluation,
    small_systems,
    step_record,
)

Change = Callable[[Evaluation], Evaluation]
"""Alters what was measured."""


def unchanged(evaluation: Evaluation) -> Evaluation:
    """The same run."""
    return evaluation


def write_finished_run(root: Path, config: str = "seed: 0\n", change: Change = unchanged) -> Path:
    """Writes a run below `root`; `change` alters what was measured. Each kind is measured once, and then copied."""
    shutil.copytree(_measured(change), root, symlinks=True, dirs_exist_ok=True)
    begin_run(root / "run", config)
    return root / "run"


@functools.cache
def _measured(change: Change) -> Path:
    """A folder with a run and its store, made once for all tests of this process."""
    root = Path(tempfile.mkdtemp(prefix="compared-"))
    atexit.register(shutil.rmtree, root)
    folders = build_run(root / "store")
    evaluation = change(small_evaluation(folders))
    output = root / "store" / "report" / "00000000000000ff"
    output.mkdir(parents=True)
    examples = ExamplesFolder(folders["examples"])
    quality = quality_figures(examples, evaluation.real_queries, 0, {})
    report = with_effort(
        assemble(small_config(), folders, output, evaluation, quality), seconds=1.0, peak_memory_bytes=0
    )
    write_evaluation(output, evaluation)
    write_json(ReportFolder(output).report_file, report.as_json())
    finish(output, step_record("report", output, RECORDS["documents"]))
    run = root / "run"
    run.mkdir()
    for noun, folder in {**folders, "report": output}.items():
        link(run, noun, folder)
    return root


def without_words(evaluation: Evaluation) -> Evaluation:
    """The same run, in which every system finds nothing for the judged questions but what base finds."""
    assert evaluation.judged
    base = evaluation.judged.scores["base"].values[HEADLINE]
    crossfitted = dict.fromkeys(evaluation.crossfitted, base)
    return replace(evaluation, judged=_all_as(evaluation.judged, "base"), crossfitted=crossfitted)


def choosing_by_folds(evaluation: Evaluation) -> Evaluation:
    """The same run, where without some of the questions meaning alone, and without others words alone were chosen."""
    named = CorpusSystems(
        {system.name: system for system in small_systems(evaluation.corpus)}, evaluation.corpus, words
    )
    folds = [Selection(model, weight, weight) for model, weight in (("tuned", 0.0), ("base", 1.0)) * (FOLDS // 2)]
    return with_recommendation(small_config(), evaluation, named, replace(CHOSEN, folds=folds), CHOICE.synthetic)


def named_held_out(evaluation: Evaluation) -> Evaluation:
    """The same run, whose judged questions are of a folder that is named as the synthetic queries are."""
    assert evaluation.judged
    benchmark = replace(evaluation.judged.benchmark, name=HELD_OUT)
    return replace(evaluation, judged=replace(evaluation.judged, benchmark=benchmark))


def with_copies(evaluation: Evaluation) -> Evaluation:
    """The same run, in which the last document that queries were written from is a copy of another one."""
    corpus = evaluation.corpus
    row = {name: number for number, name in enumerate(corpus.passage_ids)}
    titles, texts = list(corpus.titles), list(corpus.texts)
    for suffix in ("", "#2"):
        first, copy = row[f"tea{suffix}"], row[f"wool{suffix}"]
        titles[copy], texts[copy] = titles[first], texts[first]
    return replace(evaluation, corpus=replace(corpus, titles=titles, texts=texts))


def asking_otherwise(evaluation: Evaluation) -> Evaluation:
    """The same run, whose queries were worded otherwise."""
    assert evaluation.judged
    return replace(evaluation, judged=_reworded(evaluation.judged), held_out=_reworded(evaluation.held_out))


def _all_as(results: Results, name: str) -> Results:
    trec_runs = dict.fromkeys(results.trec_runs, results.trec_runs[name])
    scores = {system: evaluate(found, results.benchmark.qrels) for system, found in trec_runs.items()}
    return replace(results, trec_runs=trec_runs, scores=scores)


def _reworded(results: Results) -> Results:
    queries: Mapping[str, str] = {name: f"{text}, please" for name, text in results.benchmark.queries.items()}
    return replace(results, benchmark=replace(results.benchmark, queries=queries))


def choosing(run: ComparedRun, **changes: str | float) -> ComparedRun:
    """The same run, as if its report had chosen another system, by the model and the weight of words."""
    known = run.report.recommendation
    assert known
    assert known.choice
    chosen = replace(known, choice=replace(known.choice, **changes))  # type: ignore[arg-type]
    return replace(run, report=replace(run.report, recommendation=chosen))
