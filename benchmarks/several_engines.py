"""Several engines on one machine: as many of one core each as there are cores, against one engine with all of them.

    .venv/bin/python benchmarks/several_engines.py [--pairs N] [--samples N] [--engines N] [override ...]

Both sides are runs of `synthmill experiment=demo until=samples` with fresh stores and greedy sampling. Prints
`several_engines ratio`, samples/s of the many over those of the one, and for each side its rate, its hit rate (each
engine computes the prefixes that it meets), and how long the slowest engine took to load.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._measure import Generated, print_ratio, print_value, run_samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all pairs and prints the table."""
    options = parse(arguments)
    common = ["experiment=demo", f"prompts.max_samples={options.samples}", "samples.temperature=0", *options.overrides]
    cores = f"cluster.num_cpus={options.engines}"
    sides = {
        "one": ["samples.num_engines=1", f"samples.cpus_per_engine={options.engines}", cores],
        "many": [f"samples.num_engines={options.engines}", "samples.cpus_per_engine=1", cores],
    }
    found: dict[str, list[Generated]] = {name: [] for name in sides}
    for pair in range(options.pairs):
        for name, overrides in sides.items():
            with tempfile.TemporaryDirectory(prefix="several_engines-") as folder:
                found[name].append(run_samples([*common, *overrides], Path(folder)))
            print(f"pair {pair + 1} {name}: {found[name][-1]}", flush=True)
    for name, runs in found.items():
        print_value(f"several_engines_rate.{name}", [run.per_second for run in runs], "samples/s")
        print_value(f"several_engines_hit_rate.{name}", [run.hit_rate for run in runs], "share")
        print_value(f"several_engines_start.{name}", [run.start_seconds for run in runs], "s")
    pairs = zip(found["many"], found["one"], strict=True)
    print_ratio("several_engines", [many.per_second / one.per_second for many, one in pairs])
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs (%(default)s)")
    parser.add_argument("--samples", type=int, default=320, help="samples of each run (%(default)s)")
    parser.add_argument("--engines", type=int, default=2, help="engines of one core each (%(default)s)")
    parser.add_argument("overrides", nargs="*", help="further overrides of both sides")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
