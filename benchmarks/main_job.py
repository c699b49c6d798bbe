"""The main job's own figures: `synthmill experiment=demo`, then the same again with nothing changed.

    .venv/bin/python benchmarks/main_job.py [override ...]

Runs the demo into runs/demo (or continues it: what is made already is not made again, and its figures are those of
the run that made it), reads report.json, and prints one line per figure: `NAME value VALUE UNIT (budget B)`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs the demo twice and prints its figures; fails when a budget is missed."""
    overrides = ["experiment=demo", "run_dir=runs/demo", *sys.argv[1:]]
    run_demo(overrides)
    report = json.loads((ROOT / "runs" / "demo" / "report" / "report.json").read_text(encoding="utf-8"))
    started = time.monotonic()
    run_demo(overrides)
    figures = [*figures_of(report), ("demo.rerun", time.monotonic() - started, "s", 5.0)]
    for name, value, unit, budget in figures:
        limit = f" (budget {budget:g})" if budget else ""
        print(f"{name} value {value:.3f} {unit}{limit}")
    return int(any(budget and value > budget for _, value, _, budget in figures))


def run_demo(overrides: list[str]) -> None:
    """One run of the command line, its output passed through."""
    subprocess.run([sys.executable, "-m", "engine", *overrides], cwd=ROOT, check=True)


def figures_of(report: dict[str, Any]) -> list[tuple[str, float, str, float]]:
    """Name, value, unit and budget (an upper limit; 0 for none) of what a report holds."""
    generation, training = report["generation"], report["training"]
    seconds = report["seconds"]
    found = [
        ("demo.total", sum(seconds.values()), "s", 600.0),
        *((f"demo.{noun}", spent, "s", 0.0) for noun, spent in seconds.items()),
        ("demo.peak_memory", report["peak_memory_bytes"] / 1e9, "GB", 12.0),
        ("generation.samples_per_second", generation["samples_per_second"], "samples/s", 0.0),
        ("generation.prompt_tokens_per_second", generation["prompt_tokens_per_second"], "tokens/s", 0.0),
        ("generation.output_tokens_per_second", generation["output_tokens_per_second"], "tokens/s", 0.0),
        ("generation.prefix_cache_hit_rate", generation["prefix_cache_hit_rate"], "share", 0.0),
        ("generation.engine_start", generation["engine_start_seconds"], "s", 0.0),
        ("training.pairs_per_second", training["pairs_per_second"], "pairs/s", 0.0),
    ]
    for collection, scores in report["retrieval"].items():
        found += [
            (f"{collection}.{system}.ndcg@10", scores[system]["ndcg@10"], "", 0.0)
            for system in ("bm25", "base", "tuned")
        ]
        found.append((f"{collection}.difference.ndcg@10", scores["difference"]["ndcg@10"]["mean"], "", 0.0))
    return found


if __name__ == "__main__":
    sys.exit(main())
