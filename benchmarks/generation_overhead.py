"""What Ray, the engine loop and committing cost: the samples step against plain `vllm.LLM.generate`.

    .venv/bin/python benchmarks/generation_overhead.py [--pairs N] [--samples N] [--model M]
        [--ray-data] [--account] [override ...]

The prompts are the demo's: passages of the Python documentation, three demonstrations each. Every pair is one run of
`synthmill ... until=samples` with a fresh store, then one process that asks `vllm.LLM.generate` the same prompts in the
same order (held against each other by the hashes of the prompts), with the same engine arguments, sampling and threads.
Sampling is greedy, so that both sides write the same texts but for rounding; drawn texts differ in length.

- `generation_overhead`: samples/s of the step over those of plain vLLM.
- `generation_over_default`: the same over `vllm.LLM` as it comes: the model and its longest context, vLLM's own
  processes, thread binding and compilation. It is only given half of the machine's memory, which it needs to start.

Clock: from the first admitted request to the last committed row for the step (attempt.json), around `generate` for
plain vLLM; loading the engine is outside on both sides, and printed. A run shorter than a minute measures mostly the
first and the last batch: choose --samples so that it is longer. `time_to_first_prompt` is what a user waits for beyond
the engine's own start: from the command to the first admitted request, less the time that the engine took to load.
`time_to_first_line` is how long the terminal stays silent.

`--account` prints where the CPU seconds of each run go, by kind of process (benchmarks/_cpu_account.py), before, while
and after samples are written; looking costs some itself, so that the ratios of such runs do not count.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import _plain
from benchmarks._cpu_account import Account, print_table
from benchmarks._measure import Generated, call_in_own_process, print_ratio, print_value, run_samples
from benchmarks._ray_data import generate_with_ray_data

LEAST_RATIO, LEAST_OVER_DEFAULT = 0.97, 1.5
MOST_SECONDS_TO_FIRST, MOST_SECONDS_TO_LINE = 5.0, 1.0
SHORT_SECONDS = 60.0


@dataclass
class Results:
    """Samples/s and figures of every run, in the order of the pairs."""

    synthmill: list[Generated] = field(default_factory=list)
    plain: list[dict[str, Any]] = field(default_factory=list)
    default: list[dict[str, Any]] = field(default_factory=list)
    ray_data: list[dict[str, Any]] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all pairs and prints the table; fails when a budget is missed."""
    options = parse(arguments)
    overrides = [
        "experiment=demo",
        f"prompts.max_samples={options.samples}",
        f"samples.model={options.model}",
        "samples.temperature=0",
        *options.overrides,
    ]
    results = Results()
    for pair in range(max(options.pairs, options.default_pairs)):
        with tempfile.TemporaryDirectory(prefix="generation_overhead-") as folder:
            measure_pair(overrides, Path(folder), results, options, pair)
    return report(results)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="pairs with plain vLLM (%(default)s)")
    parser.add_argument("--default-pairs", type=int, default=2, help="pairs with vLLM as it comes (%(default)s)")
    parser.add_argument("--samples", type=int, default=320, help="samples of each run (%(default)s)")
    parser.add_argument("--model", default="bundled:smollm2-135m-instruct", help="the generator (%(default)s)")
    parser.add_argument("--ray-data", action="store_true", help="put ray.data.llm beside both, if it runs here")
    parser.add_argument("--account", action="store_true", help="print the CPU seconds of each kind of process")
    parser.add_argument("overrides", nargs="*", help="further overrides of the run, for all sides")
    return parser.parse_args(arguments)


def measure_pair(overrides: list[str], folder: Path, results: Results, options: argparse.Namespace, pair: int) -> None:
    """One run of every side that this pair has."""
    from engine.command_line.compose import load_config

    config, _ = load_config(overrides)
    account = Account() if options.account else None
    ours = run_samples(overrides, folder / "synthmill", account.watch if account else None)
    results.synthmill.append(ours)
    show(f"pair {pair + 1} synthmill", vars(ours))
    if account:
        show_account(account, ours.first_admitted, ours.seconds)
    asked = {"overrides": overrides, "run": str(folder / "synthmill" / "run")}
    if pair < options.pairs:
        account = Account() if options.account else None
        watch = account.watch if account else None
        found = call_in_own_process(plain_side, asked, folder / "plain.log", _plain.environment(config), watch)
        results.plain.append(checked(found, folder))
        show(f"pair {pair + 1} plain    ", found)
        if account:
            show_account(account, found["began"], found["seconds"])
    if pair < options.default_pairs:
        found = call_in_own_process(default_side, asked, folder / "default.log", _plain.default_environment())
        results.default.append(checked(found, folder))
        show(f"pair {pair + 1} default  ", found)
    if options.ray_data and (found := try_ray_data(asked, folder)):
        results.ray_data.append(checked(found, folder))
        show(f"pair {pair + 1} ray.data ", found)
    if ours.seconds < SHORT_SECONDS and not pair:
        print(f"a run took {ours.seconds:.0f} s, less than {SHORT_SECONDS:.0f}: raise --samples for figures that count")


def plain_side(overrides: list[str], run: str) -> dict[str, Any]:
    """Plain vLLM with the step's engine arguments; runs in its own process."""
    from engine.command_line.compose import load_config

    return _plain.generate_plain(load_config(overrides)[0], _plain.planned_prompts(Path(run)))


def default_side(overrides: list[str], run: str) -> dict[str, Any]:
    """Plain vLLM as it comes; runs in its own process."""
    from engine.command_line.compose import load_config

    return _plain.generate_plain(load_config(overrides)[0], _plain.planned_prompts(Path(run)), as_it_comes=True)


def ray_data_side(overrides: list[str], run: str) -> dict[str, Any]:
    """ray.data.llm with the step's engine arguments; runs in its own process."""
    from engine.command_line.compose import load_config

    return generate_with_ray_data(load_config(overrides)[0], _plain.planned_prompts(Path(run)))


def try_ray_data(asked: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """The figures of ray.data.llm, or None and one line with the reason: it is made for GPUs."""
    log = folder / "ray_data.log"
    try:
        figures: dict[str, Any] = call_in_own_process(ray_data_side, asked, log, _plain.default_environment())
    except RuntimeError as error:
        print(f"ray.data.llm does not run here: {str(error).splitlines()[-1].strip()}")
        return None
    return figures


def checked(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The figures of another side, if it was asked exactly the prompts that the samples step was asked."""
    from engine.artifacts.samples import SamplesFolder

    ours = SamplesFolder(folder / "synthmill" / "run" / "samples").rows()["prompt_hash"].to_pylist()
    assert sorted(ours) == sorted(found["hashes"]), "the two sides were not asked the same prompts"
    return found


def show(side: str, figures: dict[str, Any]) -> None:
    """One run, for whoever watches."""
    rate = figures["samples"] / figures["seconds"]
    print(
        f"{side}: {figures['samples']} samples in {figures['seconds']:.1f} s, {rate:.3f}/s, "
        f"{figures['output_tokens'] / figures['samples']:.1f} output tokens each, hit rate {figures['hit_rate']:.3f}, "
        f"engine start {figures['start_seconds']:.1f} s",
        flush=True,
    )


def show_account(account: Account, began: float, seconds: float) -> None:
    """Where the CPU seconds of a run went.

    Args:
        account: of its processes.
        began: when the first sample was asked for, in seconds of the epoch.
        seconds: from then to the last one.
    """
    ended = began + seconds
    print_table(account.table({"start": (0, began), "samples": (began, ended), "end": (ended, math.inf)}))


def report(results: Results) -> int:
    """Prints the table; 1 when a budget is missed."""
    print_value("generation_rate.synthmill", [one.per_second for one in results.synthmill], "samples/s")
    print_value("generation_hit_rate.synthmill", [one.hit_rate for one in results.synthmill], "share")
    print_value("engine_start.synthmill", [one.start_seconds for one in results.synthmill], "s")
    sides = {"plain": results.plain, "default": results.default, "ray_data": results.ray_data}
    for side, runs in sides.items():
        if runs:
            print_value(f"generation_rate.{side}", [one["samples"] / one["seconds"] for one in runs], "samples/s")
            if side != "ray_data":  # its rows do not say
                print_value(f"generation_hit_rate.{side}", [one["hit_rate"] for one in runs], "share")
            print_value(f"engine_start.{side}", [one["start_seconds"] for one in runs], "s")
    waited = [one.first_prompt_seconds for one in results.synthmill]
    missed = print_value("time_to_first_prompt", waited, "s", MOST_SECONDS_TO_FIRST) > MOST_SECONDS_TO_FIRST
    silent = [one.first_line_seconds for one in results.synthmill]
    missed |= print_value("time_to_first_line", silent, "s", MOST_SECONDS_TO_LINE) > MOST_SECONDS_TO_LINE
    if results.plain:
        missed |= print_ratio("generation_overhead", ratios(results.synthmill, results.plain)) < LEAST_RATIO
    if results.default:
        over_default = print_ratio("generation_over_default", ratios(results.synthmill, results.default))
        missed |= over_default < LEAST_OVER_DEFAULT
    if results.ray_data:
        print_ratio("generation_over_ray_data", ratios(results.synthmill, results.ray_data))
    return int(missed)


def ratios(synthmill: Sequence[Generated], others: Sequence[dict[str, Any]]) -> list[float]:
    """Samples/s of the step over those of another side, pair by pair."""
    return [one.per_second * other["seconds"] / other["samples"] for one, other in zip(synthmill, others, strict=False)]


if __name__ == "__main__":
    sys.exit(main())
