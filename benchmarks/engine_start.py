"""What was tried to start vLLM faster on a CPU: one engine after another, each in its own process, and where time goes.

    .venv/bin/python benchmarks/engine_start.py [--repeats N] [--model NAME] [--only WORD] [override ...]

The first row is how the samples step starts its engine; every other row changes one thing of it, and the last is vLLM
as it comes (see generation_overhead.py). `dummy weights` and `no tokenizer` could not be used: they show how much of
the start reading weights and making the tokenizer are. `empty cache` starts with nothing of what vLLM keeps between
starts (VLLM_CACHE_ROOT): what the first start on a machine costs. All others find what an earlier start left.

Columns, medians of the repeats in seconds: `import` (import vllm), `load` (the constructor of vllm.LLM), `first`
(generating one short prompt for 8 tokens: what a start leaves for later, such as compilation), and their sum. Repeats
go round robin, so that a slow minute of the machine does not fall on one row.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import _plain
from benchmarks._measure import call_in_own_process, print_value

PHASES = ("import", "load", "first")
EMPTY_CACHE = "empty cache"


@dataclass(frozen=True)
class Setting:
    """One way to start an engine; what it changes of the samples step's."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments of vllm.LLM; None takes one away."""
    environment: dict[str, str] = field(default_factory=dict)
    as_it_comes: bool = False


SETTINGS = (
    Setting("samples step"),
    Setting("with compilation", {"enforce_eager": False}),
    Setting("compilation by CI mode", {"enforce_eager": False}, {"VLLM_CPU_CI_ENV": "1"}),
    Setting("cache size found out", {"kv_cache_memory_bytes": None, "gpu_memory_utilization": _plain.MEMORY_SHARE}),
    Setting("a process of its own", {}, {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}),
    Setting("no plugins", {}, {"VLLM_PLUGINS": ""}),
    Setting("float32", {"dtype": "float32"}),
    Setting("dummy weights", {"load_format": "dummy"}),
    Setting("no tokenizer", {"skip_tokenizer_init": True}),
    Setting(EMPTY_CACHE),
    Setting("vLLM as it comes", as_it_comes=True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every setting and prints the table."""
    options = parse(arguments)
    overrides = [f"samples.model={options.model}", *options.overrides]
    wanted = [setting for setting in SETTINGS if options.only in setting.name]
    found: dict[str, list[dict[str, float]]] = {setting.name: [] for setting in wanted}
    for _ in range(options.repeats):
        for setting in wanted:
            if seconds := measure(setting, overrides):
                found[setting.name].append(seconds)
    report(found)
    return int(not found[SETTINGS[0].name]) if SETTINGS[0] in wanted else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="starts of each setting (%(default)s)")
    parser.add_argument("--model", default="bundled:smollm2-135m-instruct", help="the generator (%(default)s)")
    parser.add_argument("--only", default="", help="only settings whose name holds this")
    parser.add_argument("overrides", nargs="*", help="further overrides of the run")
    return parser.parse_args(arguments)


def measure(setting: Setting, overrides: list[str]) -> dict[str, float]:
    """One start; seconds of each phase, or nothing, with the reason printed, where the engine does not start so."""
    from engine.command_line.compose import load_config

    config, _ = load_config(overrides)
    environment = _plain.default_environment() if setting.as_it_comes else _plain.environment(config)
    with tempfile.TemporaryDirectory(prefix="engine_start-") as folder:
        environment |= setting.environment
        if setting.name == EMPTY_CACHE:
            environment["VLLM_CACHE_ROOT"] = str(Path(folder, "cache"))
        asked = {"overrides": overrides, "changed": setting.arguments, "as_it_comes": setting.as_it_comes}
        try:
            seconds: dict[str, float] = call_in_own_process(start, asked, Path(folder, "start.log"), environment)
        except RuntimeError as error:
            print(f"{setting.name}: does not start: {str(error).splitlines()[-1].strip()}", flush=True)
            return {}
    phases = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    print(f"{setting.name}: {phases} s", flush=True)
    return seconds


def start(overrides: list[str], changed: dict[str, Any], as_it_comes: bool) -> dict[str, float]:
    """Starts an engine and generates once; runs in its own process."""
    from engine.command_line.compose import load_config
    from engine.models.resolve import resolve_model

    config, _ = load_config(overrides)
    model = str(resolve_model(config.samples.model, key="samples.model"))
    arguments = _plain.llm_arguments(config, as_it_comes=as_it_comes) | changed
    arguments = {name: value for name, value in arguments.items() if value is not None}
    times = [time.monotonic()]
    from vllm import LLM, SamplingParams

    times.append(time.monotonic())
    llm = LLM(model=model, **arguments)
    times.append(time.monotonic())
    detokenize = not arguments.get("skip_tokenizer_init", False)
    params = SamplingParams(max_tokens=8, temperature=0.0, detokenize=detokenize)
    llm.generate([{"prompt_token_ids": list(range(100, 132))}], params, use_tqdm=False)
    times.append(time.monotonic())
    return {phase: end - begin for phase, (begin, end) in zip(PHASES, itertools.pairwise(times), strict=True)}


def report(found: dict[str, list[dict[str, float]]]) -> None:
    """Prints one row per setting that started, then the lines of the common table."""
    started = {name: runs for name, runs in found.items() if runs}
    width = max(map(len, found))
    print(f"\n{'setting':{width}} {''.join(f'{name:>9}' for name in (*PHASES, 'total'))}")
    for name, runs in started.items():
        columns = [statistics.median(run[phase] for run in runs) for phase in PHASES]
        columns.append(statistics.median(sum(run.values()) for run in runs))
        print(f"{name:{width}} {''.join(f'{column:9.1f}' for column in columns)}")
    print()
    for name, runs in started.items():
        print_value(f"engine_start.{name.replace(' ', '_')}", [sum(run.values()) for run in runs], "s")


if __name__ == "__main__":
    sys.exit(main())
