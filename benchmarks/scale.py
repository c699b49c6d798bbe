"""Ten million samples without a model: the memory of the driver in every step but generation and encoding.

    .venv/bin/python benchmarks/scale.py [--samples N ...] [--passages N] [--stages NAME ...] [--folder DIR]

Synthetic samples of 200 bytes over passages of 200 bytes go through the functions of the steps, each stage in a process
of its own, for each number of samples on the same passages; a run of 10,000 samples before them is the base. Prints for
each stage and size `scale.STAGE.SAMPLES value S s, P GB, B bytes a sample beyond the base`, and fails when a peak is
over 6 GB. With --folder the inputs are kept, so that one stage can be measured again.

    plan        plan_prompts of a first round, two conditions
    parts       what is committed, merging, the count of a samples step
    ledger      joining, verdicts (one row in seven is rejected, no filter runs), exact duplicates, split, writing
    near        near duplicates; only where named, at about a CPU minute a million
    batches     reading the training rows, their keys, one epoch of batches
    held_out    drawing the held-out queries of the report
    report      the figures and the samples that the report shows of all examples
    round       plan_prompts of a second round that is a tenth larger
    reuse       taking all samples over into the folder of that plan
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks._measure import call_in_own_process
from benchmarks._scale_inputs import SAMPLES_CONFIG, write_documents, write_samples
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.artifacts.samples import SamplesFolder
from engine.examples.across_rows import (
    reject_by_row,
    reject_exact_duplicates,
    reject_near_duplicates,
    reject_surplus,
)
from engine.examples.duplicates.config import DedupConfig
from engine.examples.join import Joined, join_samples
from engine.examples.ledger import Ledger, write_examples
from engine.examples.split import draw_split
from engine.generation.pools import EnginePools
from engine.prompts.config import PromptsConfig, RoundConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.step import plan_prompts
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.samples.accounts import check_complete, make_record
from engine.samples.reuse import make_recipe, note_recipe, reuse_rows
from engine.storage.merging import compact
from engine.storage.parts_log import PartsLog
from engine.task.config import AttributeConfig, TaskConfig
from eval.data_quality.queries import quality_figures
from eval.page.evidence import shown_samples
from eval.synthetic import held_out_queries
from training.batches.plan import fitting_batch_size, plan_epochs
from training.negatives import NO_NEGATIVES
from training.rows import read_rows, row_keys

BASE_SAMPLES = 10_000
BUDGET_GB = 6.0
STAGES = ("plan", "parts", "ledger", "batches", "held_out", "report", "round", "reuse")
MODEL = "bundled:smollm2-135m-instruct"
TASK = TaskConfig(
    prompt="Passage: {{ passage.text }}\nA {{ condition.form }} that is {{ condition.length }}:",
    attributes={
        "form": AttributeConfig({"question": 3, "keywords": 2, "claim": 1}),
        "length": AttributeConfig(["short", "long"]),
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every stage at every size and prints the figures; fails when a peak is over the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000_000], help="sizes (%(default)s)")
    parser.add_argument("--base", type=int, default=BASE_SAMPLES, help="samples of the base (%(default)s)")
    parser.add_argument("--passages", type=int, default=1_000_000, help="(%(default)s)")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=[*STAGES, "near"])
    parser.add_argument("--folder", type=Path, help="where inputs are kept (a temporary folder, deleted)")
    options = parser.parse_args(arguments)
    root: Path = options.folder or Path(tempfile.mkdtemp(prefix="synthmill-scale-"))
    try:
        measured = [
            measure_stage(root, stage, options.base, options.samples, options.passages) for stage in options.stages
        ]
    finally:
        if not options.folder:
            shutil.rmtree(root)
    return int(max(measured) > BUDGET_GB)


def measure_stage(root: Path, stage: str, base: int, sizes: Sequence[int], passages: int) -> float:
    """Runs one stage for the base and for each size; prints a line for each, returns the highest peak in GB."""
    if not (root / "documents").exists():
        call_in_own_process(write_documents, {"root": str(root), "passages": passages}, root / "documents.log")
    peaks: list[float] = []
    for size in dict.fromkeys([base, *sizes]):
        folder = root / str(size)
        if stage == "parts":
            call_in_own_process(write_samples, {"root": str(root), "size": size}, folder / "samples.log")
        arguments = {"stage": stage, "root": str(root), "size": size, "passages": passages}
        measured = call_in_own_process(run_stage, arguments, folder / f"{stage}.log")
        peaks.append(measured["peak_bytes"])
        beyond = (peaks[-1] - peaks[0]) / size
        figures = f"{measured['seconds']:.1f} s, {peaks[-1] / 1e9:.2f} GB, {beyond:.0f} bytes a sample beyond the base"
        print(f"scale.{stage}.{size} value {figures}", flush=True)
    return max(peaks) / 1e9


@dataclass(frozen=True)
class Case:
    """Some number of samples over the passages that all cases share."""

    root: Path
    samples: int
    passages: int

    @property
    def folder(self) -> Path:
        """Where the stages of this case find what the ones before them left."""
        return self.root / str(self.samples)

    @property
    def documents(self) -> DocumentsFolder:
        """The passages."""
        return DocumentsFolder(self.root / "documents")

    def fresh(self, name: str) -> Path:
        """An empty folder for what a stage writes."""
        output = self.folder / name
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        return output


def plan(case: Case) -> None:
    """A first round of as many samples as the folder's name says."""
    config, inputs = _prompts_config(case, case.samples), {"documents": case.documents.path}
    record = plan_prompts(config, inputs, case.fresh("prompts"), _place(case.root))
    assert record.planned == case.samples


def parts(case: Case) -> None:
    """What a start reads of the parts, merging them, and the record of the step."""
    output, files = case.folder / "samples" / "first", PromptsFolder(case.folder / "prompts").plan_files()
    log = PartsLog.take_over(output, size_of(files))
    compact(log)
    log.clear()
    check_complete(output, files)
    record = make_record(output)
    assert record.generated == len(log.committed) == case.samples


def ledger(case: Case) -> None:
    """Curation without filters and encoders."""
    with tempfile.TemporaryDirectory(dir=case.folder) as scratch:
        judged = _judged(case, Path(scratch))
        reject_exact_duplicates(judged)
        reject_surplus(judged, 1000)
        write_examples(judged, case.fresh("examples"), draw_split(case.documents, 0, 0.1))


def near(case: Case) -> None:
    """Near duplicates."""
    with tempfile.TemporaryDirectory(dir=case.folder) as scratch:
        reject_near_duplicates(_judged(case, Path(scratch)), DedupConfig(), num_threads=2)


def batches(case: Case) -> None:
    """One epoch of batches of 128."""
    keys = row_keys(read_rows(ExamplesFolder(case.folder / "examples")), NO_NEGATIVES)
    size = fitting_batch_size(keys, batch_size=128, world_size=1, seed=0)
    assert plan_epochs(keys, batch_size=size, world_size=1, seed=0, epochs=1).size > 0


def held_out(case: Case) -> None:
    """10,000 held-out queries at most."""
    held_out_queries(case.folder / "examples", 10_000)


def report(case: Case) -> None:
    """What the report reads of the examples."""
    examples = ExamplesFolder(case.folder / "examples")
    quality_figures(examples, {}, 0, {})
    shown_samples(examples, seed=0)


def next_round(case: Case) -> None:
    """A tenth more samples."""
    size = case.samples + case.samples // 10
    config = RoundConfig(replace(_prompts_config(case, size), rounds=2), 2)
    inputs = {noun: case.folder / noun for noun in ("prompts", "examples")} | {"documents": case.documents.path}
    record = plan_prompts(config, inputs, case.fresh("prompts-2"), _place(case.root))
    assert record.planned == size


def reuse(case: Case) -> None:
    """All samples of the first round under the plan of the second."""
    output, prompts = case.fresh("samples/second"), PromptsFolder(case.folder / "prompts-2")
    for folder in (case.folder / "samples" / "first", output):  # the first may be of an earlier state of the code
        note_recipe(folder, make_recipe(SAMPLES_CONFIG, prompts, case.documents.passages_file))
    log = PartsLog.take_over(output, size_of(prompts.plan_files()))
    assert reuse_rows(log, prompts, case.documents.joinable()) == case.samples
    shutil.rmtree(output)


def _judged(case: Case, scratch: Path) -> Ledger:
    """The samples joined with their passages, one in seven of them rejected."""
    joined = join_samples(SamplesFolder(case.folder / "samples" / "first"), case.documents, scratch)
    reject_by_row(joined.ledger, _verdicts(joined), scratch / "queries")
    return joined.ledger


def _verdicts(joined: Joined) -> Iterator[pa.Table]:
    for group in joined.blocks.groups:
        with pq.ParquetFile(group.part, pre_buffer=False) as file:
            rows = file.read_row_group(group.index, ["sample_id", "text"]).combine_chunks()
        refused = pa.array(rows["sample_id"].to_numpy() % 7 == 3)
        reasons = pc.if_else(refused, "copy", "")
        details = pc.if_else(refused, "90% verbatim", "")
        yield pa.table([rows["sample_id"], rows["text"], reasons, details], ["sample_id", "query", "reason", "detail"])


def _prompts_config(case: Case, size: int) -> PromptsConfig:
    return PromptsConfig(
        per_passage=-(-size // case.passages),
        max_samples=size,
        rounds=1,
        task=TASK,
        demonstrations=DemonstrationsConfig(collection="", per_prompt=2, num_sets=4, seed=0),
        model=MODEL,
        context_tokens=8192,
        max_tokens=64,
        seed=0,
    )


def _place(root: Path) -> Place:
    return Place(root, root, ClusterConfig(), Console(), NoTracker(), MemorySampler(), EnginePools())


STAGE_OF = {
    "plan": plan,
    "parts": parts,
    "ledger": ledger,
    "near": near,
    "batches": batches,
    "held_out": held_out,
    "report": report,
    "round": next_round,
    "reuse": reuse,
}
"""The stages by name, in the order in which each finds what the ones before it left."""


def run_stage(stage: str, root: str, size: int, passages: int) -> dict[str, float]:
    """One stage, with its time and the peak of its process."""
    started = time.perf_counter()
    STAGE_OF[stage](Case(Path(root), size, passages))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": time.perf_counter() - started, "peak_bytes": peak}


if __name__ == "__main__":
    sys.exit(main())
