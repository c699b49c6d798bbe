"""Parts that tests share: one Ray for the session, a place, a small corpus, the command line as a user has it."""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console as RichConsole

from engine.runtime.cluster import ClusterConfig, quiet
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from tests.support.azurite import azurite
from tests.support.command_line import CommandLine, CommandLineHere, FinishedRun
from tests.support.corpus import write_corpus
from tests.support.google_server import google_server
from tests.support.object_store import ENVIRONMENT, OTHERS, Bucket
from tests.support.planted import SECRETS

if TYPE_CHECKING:
    from engine.generation.fake_generator import FakeGenerator
    from engine.generation.pools import EnginePools
    from tests.support.loops import Running, Start

quiet()
# Two processes of tests have two cores: threads of torch that spin while they wait for each other take them from those
# that compute. With a busy machine, a training took five times the CPU time. Ray's workers inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# No test speaks to a store that is not its own, and engines have what their Ray had when it was started.
for name in [name for name in os.environ if name.startswith(OTHERS)]:
    del os.environ[name]
os.environ.update(ENVIRONMENT)
# Ray Train looks every two seconds whether its workers have ended, and tests train often.
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")

# With all that libraries leave in memory, looking for garbage as often as Python does takes a tenth of the time.
gc.set_threshold(100_000, 50, 100)

# A job that a shell started in the background ignores Ctrl-C, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Under `nohup` commands would ignore a terminal that closes; they get no handler of Python's, and this process stays.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)


TOGETHER = {
    **dict.fromkeys(
        (
            "test_audit.py",
            "test_benchmarks.py",
            "command_line/test_commands.py",
            "pipeline/test_adaptation.py",
            "pipeline/test_teaching.py",
            "publishing/test_publish.py",
        ),
        "the finished run",
    ),
    **dict.fromkeys(("command_line/test_search.py", "eval/page/test_side_by_side.py", "eval/test_step.py"), "a report"),
    **dict.fromkeys(("test_crash_vllm.py", "generation/test_load.py", "test_vllm.py"), "vLLM"),
}
"""Test files that one process of `make test` runs: they share a run, or their engines would hinder each other."""

LONGEST = (
    "vLLM",
    "the finished run",
    "training/test_killed.py",
    "test_cluster_resources.py",
    "test_crash.py",
    "training/test_step.py",
    "generation/test_pool_deaths.py",
    "test_crash_points.py",
)
"""Names of TOGETHER and test files by the time that they take, as measured; behind them come the others."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests out among the processes of `make test` by file, but for those of TOGETHER."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return Scheduler(config, log)


def scope_of(nodeid: str) -> str:
    """The file of a test, or the name under which TOGETHER has it."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    return TOGETHER.get(file, file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, then files with slow tests, so that no process is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get(scope_of(item.nodeid), len(ranks)), item.path not in slow))


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Ray for all tests of this process that need one."""
    import ray

    from engine.runtime.cluster import start_ray

    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")  # a busy machine may need more than 60 s
    start_ray(ClusterConfig(num_cpus=2), tmp_path_factory.mktemp("logs"))
    yield
    ray.shutdown()


@pytest.fixture
def local_training(ray_session: None) -> Iterator[None]:
    """Trainings of one worker run in this process, and only what feeds them on the Ray of the session."""
    from tests.support.local_training import training_here

    with training_here():
        yield


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """The port of one S3 server on loopback, for all tests of this process that need one."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="session")
def gs_port() -> Iterator[int]:
    """The port of one stand-in for Google's store, likewise."""
    with google_server() as server:
        yield server.port


@pytest.fixture(scope="session")
def az_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one emulator of Azure's store, likewise; without it tests are skipped."""
    with azurite(tmp_path_factory.mktemp("azurite")) as port:
        yield port


@pytest.fixture
def bucket(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket, of S3 unless the test says otherwise; libraries find it and nothing else.

    The user's cache is `tmp_path/cache`.
    """
    scheme = getattr(request, "param", "s3")
    return Bucket.make(scheme, request.getfixturevalue(f"{scheme}_port"), tmp_path / "cache", monkeypatch)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A BEIR folder of 40 short documents with ten judged queries."""
    return write_corpus(tmp_path / "corpus", 40)


@pytest.fixture
def synthmill(tmp_path: Path) -> CommandLine:
    """The command line, in a fresh folder."""
    return CommandLine(tmp_path)


@pytest.fixture
def synthmill_here(
    tmp_path: Path, ray_session: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLineHere:
    """The same in this process, on the Ray of the session: for what a run does, not for how it starts and ends."""
    monkeypatch.setenv("COLUMNS", "100")
    return CommandLineHere(tmp_path, capfd)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Made once per session: 40 documents, 200 samples in parts that are merged, an epoch of training, a report.

    Its environment holds secrets, which tests/test_audit.py looks for in all that it leaves.
    """
    home = tmp_path_factory.mktemp("finished")
    write_corpus(home / "corpus", 40)
    arguments = (
        "experiment=adapt",
        "samples=fake",
        "collection=corpus",
        "prompts.per_passage=5",
        "run_dir=run",
        "samples.part_rows=60",
        "model.epochs=1",
        "report.resamples=500",  # what costs time and says no more of ten queries
        "report.latency_repetitions=5",
    )
    with pytest.MonkeyPatch.context() as environment:
        for name, secret in SECRETS.items():
            environment.setenv(name, secret)
        done = CommandLine(home).run(*arguments)
    assert done.returncode == 0, done.stderr
    return FinishedRun(CommandLine(home), arguments, home / "run", done.stdout)


@pytest.fixture
def place(tmp_path: Path, ray_session: None) -> Place:
    """A machine with two cores whose terminal is text in memory."""
    from engine.generation.pools import EnginePools

    cluster = ClusterConfig(num_cpus=2)
    console = Console(RichConsole(file=io.StringIO(), width=200))
    return Place(tmp_path / "run", tmp_path / "store", cluster, console, NoTracker(), MemorySampler(), EnginePools())


@pytest.fixture
def pools(place: Place) -> Iterator[EnginePools]:
    """The engines of that machine, ended with the test."""
    from engine.generation.pools import EnginePools

    assert isinstance(place.engines, EnginePools)
    yield place.engines
    place.engines.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts engine loops, which end with the test."""
    from engine.generation.fake_generator import FakeGenerator
    from tests.support.loops import CONFIG, PROMPTS, Running

    running: list[Running] = []

    def begin(config: Any = CONFIG, generator: FakeGenerator | None = None, prompts: Any = PROMPTS) -> Running:
        running.append(Running(tmp_path, config, generator or FakeGenerator(config), prompts))
        return running[-1]

    yield begin
    for started in running:
        started.loop.stop()


@pytest.fixture
def planned_inputs(tmp_path: Path) -> Mapping[str, Path]:
    """A documents and a prompts folder with 90 planned samples of three prefixes."""
    from engine.artifacts.prompts import PromptsFolder
    from tests.support.jobs import TASK, rows

    documents, prompts = tmp_path / "documents", tmp_path / "prompts"
    documents.mkdir()
    prompts.mkdir()
    plan = pa.concat_tables([rows(30, prefix, prefix * 30) for prefix in range(3)])
    pq.write_table(plan.select(["passage_id", "title", "text"]), documents / "passages.parquet")
    pq.write_table(plan.drop_columns(["title", "text"]).slice(0, 50), prompts / "plan-00000.parquet")
    pq.write_table(plan.drop_columns(["title", "text"]).slice(50), prompts / "plan-00001.parquet")
    PromptsFolder(prompts).write_basis(TASK, [], [])
    return {"documents": documents, "prompts": prompts}
