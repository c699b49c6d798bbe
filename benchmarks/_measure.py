"""What the benchmarks share: sides in processes of their own, runs of the command line, and the lines they print.

In: a function or overrides, and a folder for what they write. Out: figures, handed from process to process as JSON, and
lines for the table: `NAME ratio VALUE (min..max of N pairs)` and `NAME value VALUE UNIT (budget B)`.

Every side runs in an interpreter of its own: vLLM and torch keep threads, caches and memory for as long as a process
lives, so a second measurement in the same one would not be of the same thing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_LOG_LINES = 15
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Generated:
    """What one run of the samples step was like, by its own records."""

    samples: int
    seconds: float
    """From the first admitted request to the last committed row."""
    hit_rate: float
    """Share of prompt tokens that the prefix cache answered, by the engine's counters."""
    output_tokens: int
    start_seconds: float
    """Loading the engine, in its own process."""
    first_prompt_seconds: float
    """From the command to the first admitted request, less `start_seconds`."""
    first_admitted: float
    """When the first request was admitted, in seconds of the epoch."""
    first_line_seconds: float = 0.0
    """From the command to the first byte that it printed."""

    @property
    def per_second(self) -> float:
        """Samples per second."""
        return self.samples / self.seconds


def call_in_own_process(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    log: Path,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[int], None] | None = None,
    *,
    python: str = sys.executable,
) -> Any:
    """Calls a function of a module's top level in a fresh interpreter.

    Args:
        function: what is called; its file is imported there under another name than `__main__`.
        arguments: by name; anything that JSON holds.
        log: gets everything that the process prints; arguments and result lie beside it.
        environment: variables set on top of this process's own.
        watch: called with the id of the process; returns when that has ended.
        python: the interpreter; another one has other packages beside those of this project.

    Returns:
        What the function returned, as JSON gives it back.

    Raises:
        RuntimeError: the process failed; the message ends with the last lines of its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    handed, result = log.with_suffix(".in.json"), log.with_suffix(".out.json")
    handed.write_text(json.dumps(dict(arguments)), encoding="utf-8")
    module = [python, "-m", "benchmarks._measure"]
    _run([*module, inspect.getfile(function), function.__name__, str(handed), str(result)], log, environment, watch)
    return json.loads(result.read_text(encoding="utf-8"))


def run_samples(overrides: Sequence[str], folder: Path, watch: Callable[[int], None] | None = None) -> Generated:
    """Runs `synthmill ... until=samples` with a fresh store.

    Args:
        overrides: the run, as on the command line.
        folder: an empty folder; the run's is `folder/run`.
        watch: called with the id of the driver's process; returns when that has ended.
    """
    places = ["until=samples", "tracking=off", f"runs_dir={folder}", f"run_dir={folder / 'run'}"]
    started, log = time.time(), folder / "command.log"
    lines: list[float] = []
    looking = threading.Thread(target=_note_first_line, args=(log, lines), daemon=True)
    looking.start()
    _run([sys.executable, "-m", "engine", *overrides, *places], log, watch=watch)
    looking.join()
    return replace(read_generated(folder / "run", started), first_line_seconds=lines[0] - started)


def _note_first_line(log: Path, lines: list[float]) -> None:
    """Adds the time at which a log ceased to be empty, in seconds of the epoch."""
    while not log.exists() or not log.stat().st_size:
        time.sleep(_LOOK_SECONDS)
    lines.append(time.time())


def read_generated(run: Path, started: float) -> Generated:
    """Reads the figures of a run's only start.

    Args:
        run: the run folder.
        started: when the command was given, in seconds of the epoch.
    """
    from engine.generation.totals import EngineTotals, hit_rate

    records = [json.loads(file.read_text(encoding="utf-8")) for file in run.glob("samples/attempt-*/attempt.json")]
    assert len(records) == 1, f"{run} was generated in {len(records)} starts; one is measured"
    [record] = records
    engines = record["engines"]
    assert not any(engine["failed"] for engine in engines), f"samples failed in {run}: {engines}"
    names = {name for engine in engines for name in engine["counters"]}  # none of an engine that came too late to work
    counters = {name: sum(engine["counters"].get(name, 0) for engine in engines) for name in names}
    first = min(engine["first_admitted"] for engine in engines if engine["first_admitted"])
    return Generated(
        samples=sum(engine["generated"] for engine in engines),
        seconds=max(engine["last_committed"] for engine in engines) - first,
        hit_rate=hit_rate(EngineTotals(counters=counters)),
        output_tokens=sum(engine["output_tokens"] for engine in engines),
        start_seconds=record["engine_start_seconds"],
        first_prompt_seconds=first - started - record["engine_start_seconds"],
        first_admitted=first,
    )


def print_ratio(name: str, ratios: Sequence[float]) -> float:
    """Prints one line of the table; returns the median."""
    median = statistics.median(ratios)
    print(f"{name} ratio {median:.3f} ({min(ratios):.3f}..{max(ratios):.3f} of {len(ratios)} pairs)", flush=True)
    return median


def print_value(name: str, values: Sequence[float], unit: str, budget: float = 0.0) -> float:
    """Prints one line of the table, the median of the values; returns it. A budget of 0 is none."""
    median = statistics.median(values)
    limit = f" (budget {budget:g})" if budget else ""
    print(f"{name} value {median:.3f} {unit}{limit}".rstrip(), flush=True)
    return median


def _run(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[int], None] | None = None,
) -> None:
    """Runs a command to its end. It and what it started end with this process, also where this one is terminated."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | dict(environment or {}),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if watch:
                watch(process.pid)
            process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left of the group: the usual end
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        first = [line for line in lines if "Error" in line][:1]  # a cause stands above what it brought down
        told = [f"exit code {process.returncode} of {' '.join(command)}", *first, *lines[-_LOG_LINES:]]
        raise RuntimeError("\n".join(told))


def _answer(file: str, function: str, handed: str, result: str) -> None:
    """The other end of `call_in_own_process`."""
    name = Path(file).stem
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, f"{file} is a Python source"
    assert spec.loader is not None, f"{file} is a Python source"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    arguments = json.loads(Path(handed).read_text(encoding="utf-8"))
    answer = getattr(module, function)(**arguments)
    Path(result).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    _answer(*sys.argv[1:])
