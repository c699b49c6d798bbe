"""What batches of any prompts save by their order: `synthmill experiment=batch` against plain `vllm.LLM.generate`.

    .venv/bin/python benchmarks/batch.py [--pairs N] [--requests N] [--workloads NAME ...] [override ...]
    .venv/bin/python benchmarks/batch.py --pairs 0     without a model; --simulated 0 and --rows 0 leave those parts out

Prompts are made (benchmarks/_batch_prompts.py): few-shot with shuffled demonstrations, documents with many questions,
chats with long system prompts and answers of 8 to 160 tokens, and one file of which nothing is shared; each in shuffled
order. The sides are the run of the command line, `LLM.generate` on the whole file, and `LLM.generate` on chunks of 64
rows, each written to the disk, as scripts do that want to go on after a kill. Model, sampling (greedy), engine
arguments and threads are the same; each side has its own process. The engine has 900 tokens of KV cache for each of 8
requests, as an 80 GB GPU has for a model of 8B parameters (conf/samples/llama31_8b.yaml): old prefixes leave it.

- `batch.WORKLOAD ratio`, `batch.WORKLOAD_chunked ratio`: samples/s of the command over those of the other side. Clock:
  from the first admitted request to the last committed row, and around `generate`.
- `batch.WORKLOAD_share.SIDE value`: prompt tokens that the engine's cache saved, over those that a cache which forgets
  nothing would save (blocks of 128 tokens on CPU).
- `batch.simulated.SIDE value`: the same share of all workloads mixed, by a cache that is replayed exactly (blocks of 16
  tokens, benchmarks/_block_cache.py); several engines get their units from the pool's routing.
- `batch.grouping value`: prompts/s that are put in order, read from Parquet, and the most memory of that process.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import _plain
from benchmarks._batch_prompts import WORKLOADS, Request, mixed
from benchmarks._block_cache import (
    Asked,
    Blocks,
    CacheSize,
    cut_units,
    most_saved,
    saved_by_engines,
    saved_in_chunks,
    saved_in_order,
)
from benchmarks._measure import call_in_own_process, print_ratio, print_value, run_samples

LEAST_SHARE, LEAST_DISTINCT_RATIO, LEAST_PROMPTS_PER_SECOND = 0.95, 0.98, 100_000
CHUNK_ROWS = 64
RUNNING, CACHE_BYTES = 8, 8 * 900 * 23_040
"""Requests at a time, and KV cache: a token of the bundled model takes 23,040 bytes."""
SIZE = CacheSize(tokens=65_536, running=64)
"""Of simulated engines."""
ENGINES = (1, 2, 4, 8)
UNIT_ROWS = 2 * SIZE.running
MODEL, KEY = "bundled:smollm2-135m-instruct", "samples.model"
CPU_BLOCK_TOKENS = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints the table; 1 when a budget is missed."""
    options = parse(arguments)
    missed = False
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        folder = Path(name)
        if options.simulated:
            missed |= report_simulated(
                call_in_own_process(simulated, {"count": options.simulated}, folder / "simulated.log")
            )
        if options.rows:
            file = folder / "prompts.parquet"
            write_many(file, options.rows)
            missed |= report_grouping(call_in_own_process(grouped, {"file": str(file)}, folder / "grouped.log"))
        pairs: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
        for pair in range(options.pairs):
            for workload in options.workloads:
                pairs[workload].append(measure(workload, pair, folder / f"{workload}-{pair}", options))
        for workload, measured in pairs.items():
            missed |= report_workload(workload, measured)
    return int(missed)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="rounds of all sides (%(default)s)")
    parser.add_argument("--requests", type=int, default=240, help="requests of a run (%(default)s)")
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--simulated", type=int, default=50_000, help="prompts of the simulation (%(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="prompts put in order (%(default)s)")
    parser.add_argument("overrides", nargs="*", help="further overrides of the run, for all sides")
    return parser.parse_args(arguments)


def measure(workload: str, pair: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One run of every side on the same file."""
    from engine.command_line.compose import load_config

    folder.mkdir()
    file = folder / "prompts.jsonl"
    overrides = [*as_batch(WORKLOADS[workload](options.requests, pair), file), *options.overrides]
    environment = _plain.environment(load_config(overrides)[0])
    ours = run_samples(overrides, folder / "synthmill")
    sides = {"ours": {"samples": ours.samples, "seconds": ours.seconds, "hit_rate": ours.hit_rate}}
    for side, rows in (("plain", 0), ("chunked", CHUNK_ROWS)):
        asked = {"overrides": overrides, "file": str(file), "chunk_rows": rows}
        found = call_in_own_process(plain_side, asked, folder / f"{side}.log", environment)
        sides[side] = {name: found[name] for name in ("samples", "seconds", "hit_rate")}
    best = call_in_own_process(best_hit_rate, {"file": str(file)}, folder / "best.log")
    for side, figures in sides.items():
        share = figures["hit_rate"] / best if best else 1.0
        rate = figures["samples"] / figures["seconds"]
        print(f"{workload} {pair + 1} {side}: {figures['seconds']:.1f} s, {rate:.2f}/s, share {share:.3f}", flush=True)
    return {"sides": sides, "best": best}


def as_batch(requests: Sequence[Request], file: Path) -> list[str]:
    """Writes requests to a JSONL file; returns the overrides of a run that answers them with a small cache."""
    file.write_text("".join(json.dumps(asdict(request)) + "\n" for request in requests), encoding="utf-8")
    limits = [f"samples.max_num_seqs={RUNNING}", f"samples.kv_cache_bytes={CACHE_BYTES}", "samples.temperature=0"]
    return ["experiment=batch", f"prompts.path={file}", f"samples.model={MODEL}", *limits]


def plain_side(overrides: list[str], file: str, chunk_rows: int) -> dict[str, Any]:
    """Plain vLLM in the order of the file; runs in its own process."""
    from engine.command_line.compose import load_config

    prompts = [_plain.Prompt(request.prompt, max_tokens=request.max_tokens) for request in read_requests(Path(file))]
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as folder:
        chunks = _plain.Chunks(chunk_rows, Path(folder)) if chunk_rows else None
        return _plain.generate_plain(load_config(overrides)[0], prompts, chunks=chunks)


def read_requests(file: Path) -> list[Request]:
    """The requests of a JSONL file."""
    return [Request(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def best_hit_rate(file: str) -> float:
    """Share of prompt tokens that a cache of whole blocks saves which forgets nothing; runs in its own process."""
    asked = tokenized(read_requests(Path(file)), CPU_BLOCK_TOKENS)
    return most_saved(asked, CPU_BLOCK_TOKENS) / sum(prompt.tokens for prompt in asked)


def tokenized(requests: Sequence[Request], block_tokens: int) -> list[Asked]:
    """The blocks of prompts, by the bundled model's tokenizer."""
    import numpy as np

    from engine.models.tokenizer import load_tokenizer

    tokenizer, blocks = load_tokenizer(MODEL, key=KEY), Blocks(block_tokens)
    asked = []
    for start in range(0, len(requests), 1000):
        texts = [request.prompt for request in requests[start : start + 1000]]
        for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            ids = np.array(encoding.ids, np.int32)
            asked.append(Asked(len(ids), blocks.of(ids)))
    return asked


def simulated(count: int) -> dict[str, float]:
    """Shares of the optimum of all workloads mixed; runs in its own process."""
    import pyarrow as pa

    from engine.prompts.grouping import group_prompts

    requests = mixed(count, seed=0)
    asked = tokenized(requests, SIZE.block_tokens)
    rows = pa.table({"row": range(count), "prompt": [request.prompt for request in requests]})
    with tempfile.TemporaryDirectory() as folder:
        grouped = pa.concat_tables(group_prompts([rows], Path(folder))).drop_columns(["prompt"])
    best = most_saved(asked, SIZE.block_tokens)
    ordered = [asked[row] for row in grouped["row"].to_pylist()]
    figures = {
        "optimum": best / sum(prompt.tokens for prompt in asked),
        "file_order": saved_in_order(asked, SIZE) / best,
        "chunked": saved_in_chunks(asked, SIZE, CHUNK_ROWS) / best,
        "ours": saved_in_order(ordered, SIZE) / best,
    }
    for engines in ENGINES[1:]:
        routed = saved_by_engines(ordered, cut_units(grouped["prefix"].to_pylist(), UNIT_ROWS), SIZE, engines)
        figures[f"ours_{engines}_engines"] = routed.saved / best
        figures[f"evenness_{engines}_engines"] = routed.evenness
    return figures


def write_many(file: Path, count: int) -> None:
    """Writes a Parquet file of prompts of some hundred characters: documents of which each has ten questions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks._batch_prompts import sentence

    rng, draw = np.random.default_rng(0), random.Random(0)
    questions = [sentence(draw, 12) for _ in range(5000)]
    schema = pa.schema([("row", pa.int64()), ("prompt", pa.string())])
    halves = [sentence(draw, 20) for _ in range(2000)]
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, count, 1 << 16):
            size = min(1 << 16, count - start)
            documents = rng.integers(max(1, count // 10), size=size).tolist()
            asked = rng.integers(len(questions), size=size).tolist()
            prompts = [
                f"Read this. {halves[d % 2000]} {d} {halves[d // 2000 % 2000]}\n{questions[q]}"
                for d, q in zip(documents, asked, strict=True)
            ]
            writer.write_table(pa.table({"row": range(start, start + size), "prompt": prompts}, schema=schema))


def grouped(file: str) -> dict[str, float]:
    """Puts a file in order; runs in its own process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from engine.prompts.grouping import group_prompts

    def tables() -> Iterator[pa.Table]:
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(1 << 14):
            yield pa.Table.from_batches([batch])

    before, began, used = _peak_bytes(), time.monotonic(), time.process_time()
    rows = size = shared = prefixes = 0
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as folder:
        for table in group_prompts(tables(), Path(folder)):
            rows += table.num_rows
            size += table["prompt"].nbytes
            shared += int(table["shared_bytes"].to_numpy().sum())
            prefixes = table["prefix"][-1].as_py() + 1
    seconds = time.monotonic() - began
    return {
        "rows": rows,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - used,
        "bytes": size,
        "shared": shared / size,
        "prefixes": prefixes,
        "peak_bytes": _peak_bytes(),
        "bytes_before": before,
    }


def _peak_bytes() -> int:
    """The most memory of this process; what `getrusage` says includes its parent's before it began."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def report_simulated(figures: dict[str, float]) -> bool:
    """Prints the simulation; True when a budget is missed."""
    for name, value in figures.items():
        budget = LEAST_SHARE if name.startswith("ours") else 0.0
        print_value(f"batch.simulated.{name}", [value], "share", budget)
    return any(value < LEAST_SHARE for name, value in figures.items() if name.startswith("ours"))


def report_grouping(figures: dict[str, float]) -> bool:
    """Prints how fast a file is put in order; True when a budget is missed."""
    rate = figures["rows"] / figures["seconds"]
    print_value("batch.grouping", [rate], "prompts/s", LEAST_PROMPTS_PER_SECOND)
    print_value("batch.grouping_cpu", [figures["rows"] / figures["cpu_seconds"]], "prompts per CPU second")
    print_value("batch.grouping_prompt", [figures["bytes"] / figures["rows"]], "bytes")
    print_value("batch.grouping_shared", [figures["shared"]], "share")
    print_value("batch.grouping_prefixes", [figures["prefixes"]], "")
    print_value("batch.grouping_peak", [figures["peak_bytes"] / 2**20], "MiB")
    print_value("batch.grouping_peak_before", [figures["bytes_before"] / 2**20], "MiB")
    return rate < LEAST_PROMPTS_PER_SECOND


def report_workload(workload: str, pairs: Sequence[dict[str, Any]]) -> bool:
    """Prints the table of a workload; True when a budget is missed."""
    rates = {
        side: [pair["sides"][side]["samples"] / pair["sides"][side]["seconds"] for pair in pairs]
        for side in ("ours", "plain", "chunked")
    }
    over_plain = print_ratio(f"batch.{workload}", _over(rates["ours"], rates["plain"]))
    print_ratio(f"batch.{workload}_chunked", _over(rates["ours"], rates["chunked"]))
    shares = {
        side: [pair["sides"][side]["hit_rate"] / pair["best"] for pair in pairs if pair["best"]] for side in rates
    }
    if not shares["ours"]:
        return over_plain < LEAST_DISTINCT_RATIO
    medians = {
        side: print_value(
            f"batch.{workload}_share.{side}", values, "of the optimum", LEAST_SHARE if side == "ours" else 0.0
        )
        for side, values in shares.items()
    }
    return medians["ours"] < LEAST_SHARE


def _over(rates: Sequence[float], others: Sequence[float]) -> list[float]:
    return [rate / other for rate, other in zip(rates, others, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
