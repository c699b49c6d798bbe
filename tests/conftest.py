"""Parts that tests share: one Ray for the session, a place, a small corpus, the command line as a user has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.cluster import ClusterConfig, quiet

quiet()

ROOT = Path(__file__).resolve().parent.parent
SUBJECTS = ("bread", "bees", "pumps", "towers", "loans", "leaves", "brakes", "tables", "storms", "clocks")

# A job that a shell started in the background ignores Ctrl-C, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


TOGETHER = {
    **dict.fromkeys(("test_benchmarks", "test_commands", "test_pipeline"), "the finished run"),
    **dict.fromkeys(("test_crash_vllm", "test_ensemble", "test_vllm"), "vLLM"),
}
"""Test files that one process of `make test` runs: they share a run, or their engines would hinder each other."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests out among the processes of `make test` by file, but for those of TOGETHER."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = Path(nodeid.partition("::")[0]).stem
            return TOGETHER.get(name, name)

    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Ray for all tests of this process that need one."""
    import ray

    from engine.cluster import start_ray

    start_ray(ClusterConfig(num_cpus=2), tmp_path_factory.mktemp("logs"))
    yield
    ray.shutdown()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A BEIR folder of 40 short documents with ten judged queries."""
    return write_corpus(tmp_path / "corpus", 40)


def write_corpus(folder: Path, count: int) -> Path:
    """Writes a BEIR folder; document d3 is about the subject 3 in a way of its own."""
    (folder / "qrels").mkdir(parents=True)
    rows = []
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        text = (
            f"Notes on {subject}, volume {number}. People who work with {subject} in town number {number} say that "
            f"every {subject} needs care in week {number * 3 % 52}, and that colour {number * 7 % 31} is the best sign."
        )
        rows.append({"_id": f"d{number}", "title": f"{subject} {number}", "text": text})
    _write_lines(folder / "corpus.jsonl", rows)
    _write_lines(
        folder / "queries.jsonl", [{"_id": f"q{i}", "text": f"care of {s} in town {i}"} for i, s in enumerate(SUBJECTS)]
    )
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t{1 + i % 2}" for i in range(len(SUBJECTS)))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def _write_lines(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@dataclass(frozen=True)
class CommandLine:
    """Runs `synthmill` as a user does, in a folder of its own."""

    folder: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts it in a process group of its own."""
        # With the second folder in it, SYNTHMILL_STOP_AT stops processes at a named moment (tests/test_crash.py).
        paths = f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'crash_points'}"
        environment = os.environ | {"PYTHONPATH": paths, "COLUMNS": "100"}
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def synthmill(tmp_path: Path) -> CommandLine:
    """The command line, in a fresh folder."""
    return CommandLine(tmp_path)


@dataclass(frozen=True)
class FinishedRun:
    """A whole run of the pipeline with the fake generator and the bundled encoder, and how it was started."""

    synthmill: CommandLine
    arguments: tuple[str, ...]
    folder: Path
    output: str


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Made once per session: 40 documents, 200 samples in parts that are merged, three epochs of training, a report."""
    home = tmp_path_factory.mktemp("finished")
    write_corpus(home / "corpus", 40)
    arguments = (
        "experiment=adapt",
        "samples=fake",
        "collection=corpus",
        "prompts.per_passage=5",
        "run_dir=run",
        "samples.part_rows=60",
    )
    done = CommandLine(home).run(*arguments)
    assert done.returncode == 0, done.stderr
    return FinishedRun(CommandLine(home), arguments, home / "run", done.stdout)
