"""Planning without a model: 1,000,000 conditioned prompts from 100,000 documents with 20 demonstrations.

    .venv/bin/python benchmarks/planning.py [--documents N] [--prompts N]

Runs the prompts step's own function on synthetic passages, in a process of its own for a quarter of the prompts and for
all of them, and prints one line per figure. The task has four attributes: a weighted list, a word list of 1,500 lines,
a range, and a taxonomy; the instruction mentions the taxonomy, so prefixes depend on conditions as well.

The rate is prompts over the wall time of the whole step (reading passages, demonstration sets, draws, token sums,
plan files on the disk) without one part: counting the tokens of every document, which is a cost per document and not
per prompt, and has a line of its own. A rate that includes it follows. Memory is the peak of the process, resident.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import PASSAGES
from engine.generation.pools import EnginePools
from engine.prompts import lengths, planner
from engine.prompts import step as prompts
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.task.config import AttributeConfig, RangeConfig, TaskConfig

DEMONSTRATIONS, WORDS = 20, 1500
MODEL = "bundled:smollm2-135m-instruct"
BUDGET_RATE, BUDGET_MEMORY = 50_000.0, 1.3
SUBJECTS = ("bread", "bees", "pumps", "towers", "loans", "leaves", "brakes", "tables", "storms", "clocks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Plans both sizes and prints the figures; fails when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="passages to plan for (%(default)s)")
    parser.add_argument("--prompts", type=int, default=1_000_000, help="prompts of the larger plan (%(default)s)")
    options = parser.parse_args(arguments)
    documents = options.documents
    with tempfile.TemporaryDirectory(prefix="synthmill-planning-") as scratch:
        folder = Path(scratch)
        write_inputs(folder, documents)
        # Spawned, so that no process starts with the memory of another.
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            found = [pool.apply(plan, (folder, documents, size)) for size in (options.prompts // 4, options.prompts)]
    whole = found[-1]
    rate = whole["planned"] / (whole["seconds"] - whole["counting_seconds"])
    memory = whole["peak_bytes"] / found[0]["peak_bytes"]
    print(f"planning value {rate:.0f} prompts/s (budget {BUDGET_RATE:g})")
    print(f"planning_with_counting value {whole['planned'] / whole['seconds']:.0f} prompts/s")
    print(f"planning_counting value {documents / whole['counting_seconds']:.0f} documents/s")
    for one in found:
        print(f"planning_memory_{one['planned']} value {one['peak_bytes'] / 1e9:.3f} GB")
    print(f"planning_memory ratio {memory:.3f} (budget {BUDGET_MEMORY:g})")
    print(f"planning_prefixes value {whole['prefixes']:.0f}")
    return int(rate < BUDGET_RATE or memory > BUDGET_MEMORY)


def write_inputs(folder: Path, documents: int) -> None:
    """Synthetic passages of about 60 words, demonstrations, and a word list."""
    (folder / "documents").mkdir()
    generator = np.random.default_rng(0)
    words = [f"{subject[:4]}{ending}" for subject in SUBJECTS for ending in ("", "s", "ed", "ing", "er", "y", "al")]
    texts = [" ".join(generator.choice(words, 60)) for _ in range(documents)]
    ids = [f"d{number}" for number in range(documents)]
    numbers = pa.array(np.zeros(documents), pa.int32())
    titles = pa.array([SUBJECTS[number % len(SUBJECTS)] for number in range(documents)])
    table = pa.table([pa.array(ids), pa.array(ids), titles, pa.array(texts), numbers, numbers], schema=PASSAGES)
    pq.write_table(table, folder / "documents" / "passages.parquet")
    rows = [{"document": text, "query": f"what about {text[:20]}"} for text in texts[:DEMONSTRATIONS]]
    (folder / "demonstrations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "words.txt").write_text("".join(f"word{number}\n" for number in range(WORDS)))


def make_config(folder: Path, documents: int, size: int) -> PromptsConfig:
    """A task with four attributes, and enough samples of each document."""
    task = TaskConfig(
        instruction="Queries about {{ condition.topic_path }} for {{ condition.topic }}.\n\n",
        demonstration="Passage: {{ demonstration.document }}\nQuery: {{ demonstration.query }}\n\n",
        prompt="Passage: {{ passage.text }}\nA {{ condition.form }} of {{ condition.length }} words with the word "
        "{{ condition.word }}:",
        attributes={
            "form": AttributeConfig({"question": 5, "keywords": 3, "claim": 1, "title": 1}),
            "word": AttributeConfig(file=str(folder / "words.txt")),
            "length": AttributeConfig(range=RangeConfig(3, 20)),
            "topic": AttributeConfig(
                taxonomy={"science": {"physics": ["optics"], "life": ["cells"]}, "arts": ["film"]}
            ),
        },
    )
    shown = DemonstrationsConfig(
        path=str(folder / "demonstrations.jsonl"), collection="", per_prompt=4, num_sets=8, seed=0
    )
    return PromptsConfig(
        per_passage=-(-size // documents),
        max_samples=size,
        rounds=1,
        task=task,
        demonstrations=shown,
        model=MODEL,
        context_tokens=8192,
        max_tokens=64,
        seed=0,
    )


def plan(folder: Path, documents: int, size: int) -> dict[str, float]:
    """One run of the step; seconds, those spent counting documents, and the peak of memory."""
    counting = 0.0
    count = lengths.count_passages

    def timed(passages: pa.Table, tokenizer: object) -> lengths.PassageCounts:
        nonlocal counting
        started = time.perf_counter()
        found = count(passages, tokenizer)  # type: ignore[arg-type]
        counting = time.perf_counter() - started
        return found

    vars(planner)["count_passages"] = timed
    output = folder / f"prompts-{size}"
    output.mkdir()
    config = make_config(folder, documents, size)
    place = Place(folder, folder, ClusterConfig(), Console(), NoTracker(), MemorySampler(), EnginePools())
    started = time.perf_counter()
    record = prompts.plan_prompts(config, {"documents": folder / "documents"}, output, place)
    seconds = time.perf_counter() - started
    assert record.planned == size, record.ended_early
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    prefixes = record.prefixes
    assert isinstance(prefixes, int), "a count"
    return {"planned": size, "seconds": seconds, "counting_seconds": counting, "peak_bytes": peak, "prefixes": prefixes}


if __name__ == "__main__":
    sys.exit(main())
