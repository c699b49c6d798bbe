"""Curation beside generation: the time from the last part that counts to the first training step, with it and without.

    .venv/bin/python benchmarks/following.py [--pairs N] [--samples N] [--rate PER_SECOND] [override ...]
    .venv/bin/python benchmarks/following.py --side with --file FILE, and later --side without --file FILE

Each pair is two runs of the command line with stores of their own, `examples.follow=true` and `false`, on the Python
documentation with the fake generator at a set rate; the base encoder, the training (in small batches, so that the first
step does not hide what came before it) and all else are real. A run is ended once its status shows a training step.
What the two kept must be equal, row by row. Prints the medians `following.with` and `following.without` (s), `following
ratio` of the two, and `following_generation ratio`: the samples per second with it over those without, which following
must not lower.

The fake generator leaves the CPU idle, as engines on GPUs do. Where engines compute on the same CPU, there is no idle
time to be had, and following only moves work from after generation to beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks._measure import print_ratio, print_value

_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0
_QUERIES_OF_FAKE = ["examples.round_trip.top_k=1000000", "examples.round_trip.hybrid=true"]
"""The fake generator's queries say nothing: all of them pass the round trip, which is computed all the same."""


@dataclass(frozen=True)
class Side:
    """What one run was like."""

    follow: bool
    gap_seconds: float
    """From the last part that was committed to the first training step, to about a second."""
    samples_per_second: float
    kept: int
    digest: str
    """A hash of id, query and rank of every example that is kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the sides that are asked for, and prints the table of the pairs that there are."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="following-") as folder:
        file = options.file or Path(folder, "sides.jsonl")
        for number in range(options.pairs):
            for follow in (True, False) if number % 2 else (False, True):
                if options.side in ("both", "with" if follow else "without"):
                    side = measure(options, Path(folder, f"{number}-{follow}"), follow=follow)
                    with file.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(asdict(side)) + "\n")
        return report([Side(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1, help="pairs of runs (%(default)s)")
    parser.add_argument("--samples", type=int, default=4000, help="samples of a run (%(default)s)")
    parser.add_argument("--rate", type=float, default=40.0, help="samples that are generated in a second (%(default)g)")
    parser.add_argument("--side", choices=["both", "with", "without"], default="both", help="what to run (%(default)s)")
    parser.add_argument("--file", type=Path, help="keeps what was measured, so that sides can be run one at a time")
    parser.add_argument("overrides", nargs="*", help="further overrides of all runs")
    return parser.parse_args(arguments)


def report(sides: Sequence[Side]) -> int:
    """Prints the table of the pairs; fails where what is kept differs."""
    followed, plain = ([side for side in sides if side.follow is follow] for follow in (True, False))
    for name, some in (("with", followed), ("without", plain)):
        if some:
            print_value(f"following.{name}", [side.gap_seconds for side in some], "s")
    pairs = list(zip(followed, plain, strict=False))  # of sides run one at a time one may be missing yet
    if not pairs:
        return 0
    print_ratio("following", [one.gap_seconds / other.gap_seconds for one, other in pairs])
    print_ratio("following_generation", [one.samples_per_second / other.samples_per_second for one, other in pairs])
    are_equal = len({side.digest for side in sides}) == 1
    print(f"following_kept: {sides[0].kept:,} examples, {'the same' if are_equal else 'NOT THE SAME'} in all runs")
    return int(not are_equal)


def measure(options: argparse.Namespace, folder: Path, *, follow: bool) -> Side:
    """Runs one side until it trains."""
    folder.mkdir()
    command = [sys.executable, "-m", "engine", "experiment=demo", "samples=fake", "until=model", "tracking=off"]
    command += [f"runs_dir={folder}", f"run_dir={folder / 'run'}", "watch.every_seconds=1", "prompts.per_passage=2"]
    command += [
        f"prompts.max_samples={options.samples}",
        f"examples.follow={str(follow).lower()}",
        "model.batch_size=16",
    ]
    command += _QUERIES_OF_FAKE
    environment = os.environ | {"SYNTHMILL_FAKE_SAMPLES_PER_SECOND": str(options.rate)}
    with (folder / "command.log").open("wb") as log:
        process = subprocess.Popen([*command, *options.overrides], stdout=log, stderr=log, env=environment)
    try:
        first_step = wait_for_training(process, folder)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return read_side(folder / "run", first_step, follow=follow)


def wait_for_training(process: subprocess.Popen[bytes], folder: Path) -> float:
    """Returns when the status of a run first showed a training step, in seconds of the epoch.

    Raises:
        RuntimeError: the run ended before.
    """
    status = folder / "run" / "status.json"
    while process.poll() is None:
        counts = json.loads(status.read_text(encoding="utf-8"))["moment"]["counts"] if status.exists() else []
        if any(count["noun"] == "model" and count["done"] for count in counts):
            return time.time()
        time.sleep(_LOOK_SECONDS)
    raise RuntimeError(f"the run ended before it trained: {(folder / 'command.log').read_text(encoding='utf-8')}")


def read_side(run: Path, first_step: float, *, follow: bool) -> Side:
    """Reads what a run recorded; it generated in one start."""
    [attempt] = [json.loads(file.read_text(encoding="utf-8")) for file in run.glob("samples/attempt-*/attempt.json")]
    last = max(engine["last_committed"] for engine in attempt["engines"])
    record = json.loads((run / "samples" / "record.json").read_text(encoding="utf-8"))["record"]
    kept = pq.read_table(run / "examples" / "kept.parquet", columns=["sample_id", "query", "round_trip_rank"])
    rows = json.dumps(kept.to_pydict()).encode()
    digest = hashlib.sha256(rows).hexdigest()
    return Side(follow, first_step - last, record["generation"]["samples_per_second"], len(kept), digest)


if __name__ == "__main__":
    raise SystemExit(main())
