"""What a Ray of our own costs beside the work: CPU seconds of starting, idling and ending it, by kind of process.

    .venv/bin/python benchmarks/ray_start.py [--idle SECONDS] [--repeats N] [--as-it-comes]

One process imports Ray, starts it as a run does (engine/runtime/cluster.py), lets it idle and shuts it down. CPU
seconds of user and system together hardly depend on what else the machine does; how long the start takes does.
`--as-it-comes` starts the processes that Ray starts by itself, for a comparison. Prints a table of each repeat, and
medians: `ray_start.cpu` and `ray_start.wall` of the start, and `ray_idle.share` of a core that the idle Ray uses.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._cpu_account import Account, print_table
from benchmarks._measure import call_in_own_process, print_value

_SETTLE_SECONDS = 3.0
"""After the start: Ray's helpers go on loading for a moment when `ray.init` has returned."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, and prints the tables and the medians."""
    options = parse(arguments)
    cpu, wall, idle = [], [], []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory(prefix="ray_start-") as folder:
            account = Account()
            asked = {"idle_seconds": options.idle, "as_it_comes": options.as_it_comes, "logs": folder}
            times = call_in_own_process(start_and_stop, asked, Path(folder, "start.log"), watch=account.watch)
        names = ("import", "start", "idle", "stop")
        table = account.table(dict(zip(names, itertools.pairwise(times), strict=True)))
        print_table(table)
        cpu.append(sum(row["start"] for row in table.values()))
        idle.append(sum(row["idle"] for row in table.values()) / options.idle)
        wall.append(times[2] - times[1] - _SETTLE_SECONDS)
    print_value("ray_start.cpu", cpu, "CPU s")
    print_value("ray_start.wall", wall, "s")
    print_value("ray_idle.share", idle, "of a core")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds that Ray idles (%(default)g)")
    parser.add_argument("--repeats", type=int, default=1, help="starts (%(default)s)")
    parser.add_argument("--as-it-comes", action="store_true", help="with every process that Ray starts by itself")
    return parser.parse_args(arguments)


def start_and_stop(idle_seconds: float, as_it_comes: bool, logs: str) -> list[float]:
    """Starts Ray and ends it, in a process of its own; returns the times between which its phases lie."""
    times = [time.time()]
    from engine.runtime import cluster

    cluster.quiet()
    import ray

    times.append(time.time())
    if as_it_comes:
        cluster.only_needed_processes = contextlib.nullcontext  # type: ignore[attr-defined, assignment]  # the name that it calls
    cluster.start_ray(cluster.ClusterConfig(num_cpus=2), Path(logs))
    time.sleep(_SETTLE_SECONDS)
    times.append(time.time())
    time.sleep(idle_seconds)
    times.append(time.time())
    ray.shutdown()
    return [*times, time.time()]


if __name__ == "__main__":
    sys.exit(main())
