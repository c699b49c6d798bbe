"""Several engines on one machine: as many of one core each as there are cores, against one engine with all of them.

    .venv/bin/python benchmarks/several_engines.py [--pairs N] [--samples N] [--engines N] [--workloads NAME ...]
        [override ...]

Workloads are the demo's prompts, and those of benchmarks/batch.py, a new file for each pair: few-shot with shuffled
demonstrations, documents with many questions, chats with long system prompts. Both sides are runs of
`synthmill ... until=samples` with fresh stores and greedy sampling on the same prompts. Every engine has the same
limits, whichever side it is on, as a GPU brings its own memory: for a file of prompts those of benchmarks/batch.py, 8
requests at a time and 900 tokens of KV cache for each; for the demo the defaults.

- `several_engines.WORKLOAD ratio`: samples/s of the many over those of the one. Clock: from the first admitted request
  to the last committed row.
- For each side its rate, its hit rate (each engine computes the prefixes that it meets), how long the slowest engine
  took to load, and `late`, how long after the first the last engine began to write: an engine that loads longer than
  the other needs for all samples writes none, and then the ratio says nothing (`working` counts those that wrote).
  Choose --samples so that a run is many times longer than that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._batch_prompts import WORKLOADS
from benchmarks._measure import Generated, print_ratio, print_value, run_samples
from benchmarks.batch import as_batch

DEMO = "demo"
SHARING = (DEMO, "few_shot", "documents", "chats")
"""The workloads in which prompts begin alike."""


@dataclass(frozen=True)
class Side:
    """One run of one side."""

    run: Generated
    late_seconds: float
    """From the first request of the first engine to that of the last."""
    working: int
    """Engines that wrote something; the others came too late."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all pairs of all workloads and prints the table."""
    options = parse(arguments)
    found: dict[str, dict[str, list[Side]]] = {name: {"one": [], "many": []} for name in options.workloads}
    for pair in range(options.pairs):
        for workload, sides in found.items():
            with tempfile.TemporaryDirectory(prefix="several_engines-") as name:
                folder = Path(name)
                asked = prompts_of(workload, options.samples, pair, folder)
                for side, overrides in both_sides(options.engines).items():
                    sides[side].append(measure([*asked, *overrides, *options.overrides], folder / side))
                    print(f"{workload} {pair + 1} {side}: {sides[side][-1]}", flush=True)
    for workload, sides in found.items():
        report(workload, sides)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs of each workload (%(default)s)")
    parser.add_argument("--samples", type=int, default=320, help="samples of each run (%(default)s)")
    parser.add_argument("--engines", type=int, default=2, help="engines of one core each (%(default)s)")
    parser.add_argument("--workloads", nargs="+", default=list(SHARING), choices=[DEMO, *WORKLOADS])
    parser.add_argument("overrides", nargs="*", help="further overrides of both sides, behind `--`")
    return parser.parse_args(arguments)


def prompts_of(workload: str, samples: int, pair: int, folder: Path) -> list[str]:
    """The overrides that both sides of a pair are asked with; a file of prompts is written into the folder."""
    if workload == DEMO:
        return ["experiment=demo", f"prompts.max_samples={samples}", "samples.temperature=0"]
    return as_batch(WORKLOADS[workload](samples, pair), folder / "prompts.jsonl")


def both_sides(engines: int) -> dict[str, list[str]]:
    """The overrides of each side."""
    cores = f"cluster.num_cpus={engines}"
    return {
        "one": ["samples.num_engines=1", f"samples.cpus_per_engine={engines}", cores],
        "many": [f"samples.num_engines={engines}", "samples.cpus_per_engine=1", cores],
    }


def measure(overrides: Sequence[str], folder: Path) -> Side:
    """One run."""
    from engine.samples.starts import read_starts

    run = run_samples(overrides, folder)
    [start] = read_starts(folder / "run" / "samples")
    began = [engine.first_admitted for engine in start.engines if engine.first_admitted]
    return Side(run, max(began) - min(began), len(began))


def report(workload: str, sides: dict[str, list[Side]]) -> None:
    """Prints the table of a workload."""
    for name, measured in sides.items():
        runs = [side.run for side in measured]
        print_value(f"several_engines_rate.{workload}.{name}", [run.per_second for run in runs], "samples/s")
        print_value(f"several_engines_hit_rate.{workload}.{name}", [run.hit_rate for run in runs], "share")
        print_value(f"several_engines_start.{workload}.{name}", [run.start_seconds for run in runs], "s")
    print_value(f"several_engines_late.{workload}", [side.late_seconds for side in sides["many"]], "s")
    print_value(f"several_engines_working.{workload}", [float(side.working) for side in sides["many"]], "engines")
    pairs = zip(sides["many"], sides["one"], strict=True)
    print_ratio(f"several_engines.{workload}", [many.run.per_second / one.run.per_second for many, one in pairs])


if __name__ == "__main__":
    sys.exit(main())
