"""Nodes that die under a run: rows lost, rows written twice, what is kept, where training went on, and the time lost.

    .venv/bin/python benchmarks/cluster.py [--interval S] [--nodes N ...] [--faults NAME ...] [--generator bundled]

Starts clusters of Ray on this machine (`benchmarks/_networks.py`: each node in a network of its own where the kernel
allows it, else on loopback) and runs `synthmill experiment=adapt until=model` on each, with one engine for each node
and two training workers; what writes is the fake generator at a set rate, or the bundled model. First undisturbed.
Then once more for each fault: every `--interval` seconds while samples are generated, once while they are curated, and
once in training when it has a checkpoint,

- `node`: a node dies (kill -9 of its raylet and all its workers; the driver's node is spared), and another one comes;
- `two`: two nodes die at once, and two others come;
- `driver`: the driver dies, and the same command is given again;
- `cut`: a node is cut off for 90 s, once in generation and once in training: it lives on, and nobody hears it.

Prints for each run

- `cluster.NODES.FAULT.rate value R rows/s`: planned rows over the time from the first part to the end of generation;
- `cluster.NODES.FAULT.lost_time value S s`: the time of the whole run less that of the undisturbed one;
- `cluster.NODES.FAULT.wrong value N (budget 0)`: rows lost, rows twice, 1 for another kept set than the undisturbed
  run's (with a model, which draws: than that of the same samples, curated once more while nothing is hurt), 1 where
  training that was hurt began anew;

and all that as a table.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks._faults import Fault, FaultyRun, Outcome, table_of
from benchmarks._faulty_job import GENERATORS, Job, Phase
from benchmarks._measure import print_value
from benchmarks._networks import Loopback
from benchmarks._nodes import cluster_of

_HEADING = (
    *("nodes", "fault", "times", "rows/s", "time lost, s"),
    *("rows lost", "rows twice", "kept set equal", "training resumed"),
)
_LIMIT_SECONDS = 1800.0
_FEWEST_NODES = {Fault.none: 1, Fault.driver: 1, Fault.node: 2, Fault.cut: 2, Fault.two: 3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every fault on every cluster; fails where anything is not as in the undisturbed run."""
    options = parse(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # no node outlives this process
    rows, wrong, expected = [_HEADING], 0, ""
    for nodes in options.nodes:
        calm = measured(options, nodes, Fault.none)
        expected = expected or calm.kept
        for fault in (Fault.none, *options.faults):
            if not is_possible(fault, nodes):
                continue
            outcome = calm if fault is Fault.none else measured(options, nodes, fault)
            same = outcome.kept_again or expected
            name, found = f"cluster.{nodes}.{fault.name}", sum(wrongs(outcome, same))
            lost_seconds = outcome.seconds - calm.seconds
            print_value(f"{name}.rate", [outcome.rate], "rows/s")
            print_value(f"{name}.lost_time", [lost_seconds], "s")
            print(f"{name}.wrong value {found} (budget 0)", flush=True)
            wrong += found
            rows.append((str(nodes), fault.value, *cells_of(outcome, lost_seconds, same)))
    print(table_of(rows))
    return int(wrong > 0)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interval", type=float, default=60.0, help="seconds between faults (%(default)s)")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3], help="sizes of clusters (%(default)s)")
    parser.add_argument("--samples", type=int, default=6_000, help="samples of each run (%(default)s)")
    parser.add_argument("--rate", type=float, default=20.0, help="samples/s of a fake engine (%(default)s)")
    parser.add_argument("--generator", choices=GENERATORS, default="fake", help="who writes (%(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of training (%(default)s)")
    parser.add_argument(
        "--results", type=Path, help="a file that keeps what was measured; runs in it are not made again"
    )
    parser.add_argument("--loopback", action="store_true", help="no networks; a node that is cut off stands still")
    names = [fault.name for fault in Fault if fault is not Fault.none]
    parser.add_argument("--faults", nargs="*", default=names, choices=names, help="which faults (%(default)s)")
    options = parser.parse_args(arguments)
    options.faults = [Fault[name] for name in options.faults]
    return options


def is_possible(fault: Fault, nodes: int) -> bool:
    """Tells whether a cluster has the nodes that a fault hurts, beside the driver's."""
    return nodes >= _FEWEST_NODES[fault]


def measured(options: argparse.Namespace, nodes: int, fault: Fault) -> Outcome:
    """Returns the outcome of a run, which is made unless the file of results has it."""
    key = [nodes, fault.name, options.samples, options.rate, options.epochs, options.interval, options.loopback]
    key.append(options.generator)
    if options.results and options.results.exists():
        for line in options.results.read_text(encoding="utf-8").splitlines():
            if (stored := json.loads(line))["key"] == key:
                return Outcome(**stored["outcome"])
    outcome = measure(options, nodes, fault)
    if options.results:
        with options.results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": key, "outcome": asdict(outcome)}) + "\n")
    return outcome


def measure(options: argparse.Namespace, nodes: int, fault: Fault) -> Outcome:
    """Starts a cluster, and one run on it with its faults."""
    cpus = 1 if nodes > 1 else 2  # a single node has to hold both workers of training
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        job = Job(Path(name), options.samples, nodes, options.rate, options.epochs, options.generator)
        job.prepare()
        with cluster_of(nodes, cpus, Loopback() if options.loopback else None) as cluster:
            return FaultyRun(job, cluster, fault, options.interval).run(_LIMIT_SECONDS)


def wrongs(outcome: Outcome, expected: str) -> list[int]:
    """Returns what is not as it should be, in numbers: rows lost, rows twice, another kept set, no resuming.

    Args:
        outcome: of the run.
        expected: the digest of the examples that it should have kept.
    """
    began_anew = outcome.times(Phase.training) > 0 and not outcome.resumed_at_step
    return [outcome.lost, outcome.twice, int(outcome.kept != expected), int(began_anew)]


def cells_of(outcome: Outcome, lost_seconds: float, expected: str) -> tuple[str, ...]:
    """Returns the cells of a run behind its name; `times` says how often something was hurt, by phase."""
    times = "+".join(str(outcome.times(phase)) for phase in (Phase.generation, Phase.curation, Phase.training))
    figures = (times, f"{outcome.rate:.1f}", f"{lost_seconds:.0f}", str(outcome.lost), str(outcome.twice))
    kept = f"{'yes' if outcome.kept == expected else 'no'} ({outcome.num_kept})"
    resumed = f"at step {outcome.resumed_at_step}" if outcome.times(Phase.training) else "-"
    return (*figures, kept, resumed)


if __name__ == "__main__":
    sys.exit(main())
