"""How far a judge tells questions that their passage answers from those that it does not, and how fast it does.

    python benchmarks/judge.py [--model MODEL] [--instruct]

Takes the cases of tests/data/answerability.jsonl, written by hand: each of a hundred passages has a question that it
answers, and one on the same subject that it does not. The same steps as in a run plan the questions to the judge and
have them answered, by the bundled model of 135 million parameters unless another is named. Prints

- `judge.RUBRIC value AUC`: the probability that an answerable question gets the higher figure than one that is not, 0.5
  by chance, with a 95 % interval (bootstrap over passages);
- `judge.RUBRIC.other value AUC`: the same where what is told apart is the question of another passage, which is easy;
- beside both, how often the answerable question of a passage is above the other one of the same passage, and the rank
  correlation of the figure with the length of the question, which a judge should not look at;
- `judge.words`, `judge.length`: the same of what needs no model, the share of the question's words that stand in the
  passage, and its length;
- `judge.RUBRIC.passing value`: the share of answerable questions that pass the threshold (0.5 nats per token for the
  likelihoods), and beside it those of the others;
- `judge.RUBRIC.speed value`: cases per second. A case is two prompts, since choices are asked in both orders, and
  likelihoods with and without the passage.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._measure import ROOT
from engine.artifacts.columns import PASSAGES, PROMPTS
from engine.artifacts.judged import Figures, read_judged
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import samples_schema
from engine.command_line.compose import load_config
from engine.filters.chain import FiltersConfig
from engine.generation.pools import EnginePools
from engine.judge.stages import Stage, judge_stages
from engine.judge.step import plan_judgements
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.samples.config import SamplesConfig
from engine.samples.step import generate_samples
from engine.storage.parts import write_part
from engine.storage.parts_log import PartsLog
from engine.task.config import TaskConfig
from engine.text.words import words

CASES = ROOT / "tests" / "data" / "answerability.jsonl"
RUBRICS = ("relevance", "answerability")
LEAST_INFORMATION = 0.5
"""The threshold at which passing questions are counted, in nats per token."""
FILTERS = FiltersConfig(use=[], judge=list(RUBRICS), min_information=LEAST_INFORMATION)
"""No case is left out by how it is worded."""
RESAMPLES = 5_000
_DISTANCE = 37
"""The question of another passage is that of the passage so many further on."""


@dataclass(frozen=True)
class Cases:
    """Three questions for each passage, one after the other: answerable, not answerable, and of another passage."""

    passages: list[str]
    questions: list[str]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Returns each question with its passage."""
        return [(question, self.passages[number // 3]) for number, question in enumerate(self.questions)]


def read_cases(file: Path = CASES) -> Cases:
    """Reads the cases, which lie passage by passage, the answerable one first."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    answerable, others = rows[::2], rows[1::2]
    for first, second in zip(answerable, others, strict=True):
        assert first["passage"] == second["passage"], "two questions for a passage"
        assert (first["answerable"], second["answerable"]) == (True, False), "the answerable one is first"
    asked = [row["question"] for row in answerable]
    strange = [*asked[_DISTANCE:], *asked[:_DISTANCE]]
    triples = zip(asked, (row["question"] for row in others), strange, strict=True)
    return Cases([row["passage"] for row in answerable], [question for triple in triples for question in triple])


def write_run(cases: Cases, root: Path) -> dict[str, Path]:
    """Writes the cases as a run has them: documents, a plan, and samples that are the questions."""
    folders = {noun: root / noun for noun in ("documents", "prompts", "samples")}
    for folder in folders.values():
        folder.mkdir()
    names = [f"p{number}" for number in range(len(cases.passages))]
    passages = {"passage_id": names, "document_id": names, "title": [""] * len(names), "text": cases.passages}
    zeros = np.zeros(len(names), np.int32)
    table = pa.table({**passages, "position": zeros, "num_tokens": zeros}).cast(PASSAGES)
    pq.write_table(table, folders["documents"] / "passages.parquet")
    count = len(cases.questions)
    values: dict[str, object] = {
        "sample_id": np.arange(count),
        "text": cases.questions,
        "status": ["generated"] * count,
    }
    values |= {"passage_id": [names[number // 3] for number in range(count)], "replicate": np.arange(count) % 3}
    prompts = PromptsFolder(folders["prompts"])
    prompts.write_basis(TaskConfig(prompt="{{ passage.text }}"), [], [])
    prompts.write_chunk(0, filled(values, PROMPTS))
    parts = PartsLog.take_over(folders["samples"], count)
    write_part(parts.new_part("e0"), filled(values, samples_schema([])))
    parts.list_new()
    return folders


def filled(values: Mapping[str, object], schema: pa.Schema) -> pa.Table:
    """Makes a table of a schema, with nothing in the columns that are not given."""
    count = len(values["sample_id"])  # type: ignore[arg-type]  # a sequence
    empty = {field.name: [""] * count if pa.types.is_string(field.type) else np.zeros(count) for field in schema}
    return pa.table({name: values.get(name, empty[name]) for name in schema.names}).cast(schema)


def ask(stage: Stage[SamplesConfig], folders: Mapping[str, Path], root: Path, place: Place) -> tuple[Figures, float]:
    """Asks one question about all cases, by the steps of a run; returns the figures, and cases per second."""
    plan, output = root / f"{stage.name}-prompts", root / f"{stage.name}-samples"
    plan.mkdir()
    output.mkdir()
    plan_judgements(replace(stage.plan, earlier=()), folders, plan, place)
    record = generate_samples(stage.generator, {"documents": folders["documents"], "prompts": plan}, output, place)
    figures = read_judged(output, stage.criterion).figures
    assert np.isfinite(figures).all(), "every case was judged"
    return figures, record.generation.samples_per_second


def auc(figures: Figures, other: Figures, weights: Figures) -> float:
    """Computes how probable it is that a figure is above one of the other side; ties count half.

    Args:
        figures: of one side, (n,).
        other: of the other side, (n,); those of one place belong together.
        weights: how often each place counts, (n,).
    """
    above = (figures[:, None] > other) + 0.5 * (figures[:, None] == other)
    return float(weights @ above @ weights / weights.sum() ** 2)


def interval(figures: Figures, other: Figures, seed: int = 0) -> tuple[float, float]:
    """Computes the 95 % interval of the same, by drawing passages anew."""
    rng, count = np.random.default_rng(seed), len(figures)
    draws = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    low, high = np.percentile([auc(figures, other, weights) for weights in draws.astype(float)], [2.5, 97.5])
    return float(low), float(high)


def rank_correlation(left: Figures, right: Figures) -> float:
    """Computes Spearman's rank correlation."""
    return float(np.corrcoef(_middle_ranks(left), _middle_ranks(right))[0, 1])


def _middle_ranks(values: Figures) -> Figures:
    """Ranks values, ties by twice the middle of their ranks."""
    in_order = np.sort(values)
    return np.asarray(np.searchsorted(in_order, values) + np.searchsorted(in_order, values, "right"), float)


def print_figures(name: str, figures: Figures, lengths: Figures) -> None:
    """Prints the lines of one judge.

    Args:
        name: what the lines begin with.
        figures: of all cases.
        lengths: of the questions.
    """
    for line, place in ((name, 1), (f"{name}.other", 2)):
        own, other = figures[::3], figures[place::3]
        low, high = interval(own, other)
        right = np.mean((own > other) + 0.5 * (own == other))
        both = [np.concatenate([values[::3], values[place::3]]) for values in (figures, lengths)]
        value = auc(own, other, np.ones(len(own)))
        pairs = f"(pairs {right:.2f}, with length {rank_correlation(*both):+.2f})"
        print(f"{line} value AUC {value:.3f} [{low:.3f}, {high:.3f}] {pairs}", flush=True)


def print_passing(name: str, figures: Figures, threshold: float) -> None:
    """Prints the share of each kind of question that passes a threshold."""
    shares = [float(np.mean(figures[place::3] >= threshold)) for place in range(3)]
    kinds = ("answerable", "unanswerable", "other passage")
    shown = ", ".join(f"{kind} {share:.2f}" for kind, share in zip(kinds, shares, strict=True))
    print(f"{name}.passing value {shares[0]:.2f} at {threshold:g} ({shown})", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled:smollm2-135m-instruct")
    parser.add_argument("--instruct", action="store_true", help="ask in chats")
    options = parser.parse_args(arguments)
    cases = read_cases()
    lengths = np.array([len(question) for question in cases.questions], float)
    print_figures("judge.words", np.array([shared_words(*pair) for pair in cases.pairs]), lengths)
    print_figures("judge.length", lengths, lengths)
    config = load_config([f"samples.model={options.model}", f"samples.instruct={str(options.instruct).lower()}"])[0]
    stages = judge_stages(config.judge, FILTERS, config.samples, {})
    with tempfile.TemporaryDirectory() as folder:
        root, engines = Path(folder), EnginePools()
        place = Place(root / "run", root / "store", ClusterConfig(), Console(), NoTracker(), MemorySampler(), engines)
        folders = write_run(cases, root)
        try:
            for stage in stages:
                figures, per_second = ask(stage, folders, root, place)
                print_figures(f"judge.{stage.name}", figures, lengths)
                print_passing(f"judge.{stage.name}", figures, stage.criterion.reject_below)
                print(f"judge.{stage.name}.speed value {per_second:.1f} cases/s", flush=True)
        finally:
            engines.stop()
    return 0


def shared_words(question: str, passage: str) -> float:
    """Computes the share of a question's words that stand in the passage."""
    asked, said = words(question), set(words(passage))
    return sum(word in said for word in asked) / max(1, len(asked))


if __name__ == "__main__":
    sys.exit(main())
