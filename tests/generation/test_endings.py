"""However an actor ends, the driver meets one exception that says in a line what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import exceptions
from ray.core.generated.common_pb2 import ActorDiedErrorContext

from engine.generation.endings import BROKE, EngineEndedError, answer_of, end_actors, wait_for, why_ended, why_no_start
from engine.generation.limits import KILLED
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS


def died(message: str) -> exceptions.ActorDiedError:
    """What Ray raises for an actor that is gone, with its word on why."""
    return exceptions.ActorDiedError(ActorDiedErrorContext(actor_id=b"a" * 16, error_message=message))


class Patient:
    """An actor that can be ended in every way."""

    def report(self) -> int:
        """Answers."""
        return os.getpid()

    def sleep(self) -> None:
        """Does not answer."""
        time.sleep(600)

    def fail(self) -> None:
        """Raises what cannot be pickled as it is."""
        raise ValueError("two\nlines")


@pytest.fixture
def actor(ray_session: None) -> Iterator[Any]:
    """An actor of its own for each test."""
    patient: Any = ray.remote(Patient)
    started = patient.options(num_cpus=0.1, max_concurrency=4).remote()
    yield started
    ray.kill(started)


def ending_of(reference: Any, timeout_seconds: float = PATIENCE_SECONDS) -> EngineEndedError:
    """How the actor ended that was to answer."""
    with pytest.raises(EngineEndedError) as caught:
        answer_of(reference, timeout_seconds)
    return caught.value


def test_a_killed_actor_is_gone(actor: Any) -> None:
    pid, call = answer_of(actor.report.remote(), PATIENCE_SECONDS), actor.sleep.remote()
    os.kill(pid, signal.SIGKILL)
    ended = ending_of(call)
    assert (str(ended), ended.is_gone, ended.was_killed, ended.was_lost) == (
        "its process was killed",
        True,
        True,
        False,
    )


def test_an_exception_in_an_actor_is_its_end_and_has_to_be_enforced(actor: Any) -> None:
    ended = ending_of(actor.fail.remote())
    assert (str(ended), ended.is_gone, ended.was_killed, ended.was_lost) == ("lines", False, False, False)
    end_actors([actor])
    assert ending_of(actor.report.remote()).is_gone


def test_an_actor_that_does_not_answer_in_time_is_out_of_reach(actor: Any) -> None:
    ended = ending_of(actor.sleep.remote(), 0.1)
    assert (ended.is_gone, ended.was_lost) == (False, True)
    assert str(ended).startswith("GetTimeoutError: ")


def test_waiting_gives_every_answer_that_is_there(actor: Any) -> None:
    first, never = actor.report.remote(), actor.sleep.remote()
    answer_of(first, PATIENCE_SECONDS)
    assert wait_for([first, never], PATIENCE_SECONDS) == {first}
    assert wait_for([first, never], 0.1, every=True) == {first}
    assert wait_for([], 0.0) == wait_for([], 3600.0, every=True) == set()
    second = actor.report.remote()
    assert wait_for([first, second], 5.0, gather_seconds=60.0) == {first, second}, "one was there at once"
    ray.kill(actor)
    assert wait_for([first, never], PATIENCE_SECONDS, every=True) == {first, never}, "that no answer comes is an answer"


KINDS = [
    (exceptions.OutOfMemoryError("1 worker(s) were killed due to the node running low on memory."), True, False),
    (exceptions.WorkerCrashedError(), True, False),
    (died("The actor is dead because its worker process has died."), True, False),
    (died("The actor died because its node has died. Node Id: 5f"), True, True),
    (exceptions.NodeDiedError("the node 5f died"), False, True),
    (exceptions.ActorUnavailableError("RpcError", b"a" * 16), False, True),
    (exceptions.RaySystemError(OSError("broken pipe")), False, True),
    (exceptions.OwnerDiedError("5f", None, ""), False, True),
    (exceptions.ObjectLostError("5f", None, ""), False, True),
    (exceptions.RuntimeEnvSetupError("no such package"), False, False),
    (exceptions.ActorUnschedulableError("no such resource"), False, False),
]


@pytest.mark.parametrize(("error", "is_gone", "was_lost"), KINDS, ids=[type(kind[0]).__name__ for kind in KINDS])
def test_each_kind_of_error_is_told_apart(error: Exception, is_gone: bool, was_lost: bool) -> None:
    assert isinstance(error, exceptions.RayError), "which is what `answer_of` takes for an end"
    ended = EngineEndedError("", error)
    assert (ended.is_gone, ended.was_lost) == (is_gone, was_lost)


def test_the_last_words_of_an_engine_say_why_it_ended(tmp_path: Path) -> None:
    log, ended = tmp_path / "engine.log", EngineEndedError("its process was killed", died("x"))
    assert why_ended(ended, log, 0) == "its process was killed"
    log.write_text(f"{BROKE}OSError: of an earlier start\n")
    assert why_ended(ended, log, log.stat().st_size) == "its process was killed"
    log.write_text(f"step 1\nTraceback ...\n{BROKE}KeyError: 'x'\n")
    assert why_ended(ended, log, 0) == "KeyError: 'x'"


def test_a_start_that_was_killed_may_have_lacked_memory(tmp_path: Path) -> None:
    said = why_no_start(EngineEndedError("its process was killed", died("died")), tmp_path / "none.log", 0)
    assert said.splitlines()[-1] == KILLED


OUT_OF_MEMORY = """
from pathlib import Path
from tests.support.jobs import FAKE
from tests.support.places import printed, quiet_place
from engine.errors import UserError
from engine.generation.pool import EnginePool
from engine.runtime.cluster import ClusterConfig

place = quiet_place(Path({folder!r}), cluster=ClusterConfig(num_cpus=2))
try:
    EnginePool(FAKE, place, "").wait_ready()
except UserError as error:
    print(printed(place), error.what)
"""


@pytest.mark.slow
def test_an_engine_that_ray_s_memory_monitor_ends_is_no_traceback(tmp_path: Path) -> None:
    """A Ray that takes the machine's memory for used up ends every engine while it loads."""
    monitor = {"RAY_memory_monitor_refresh_ms": "100", "RAY_memory_usage_threshold": "0.001"}
    environment = {**os.environ, **monitor, "SYNTHMILL_FAKE_LOAD_SECONDS": "3600", "PYTHONPATH": str(ROOT)}
    code = OUT_OF_MEMORY.format(folder=str(tmp_path))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=True)
    assert "too little memory for the engine; it is started once more with" in done.stdout, done.stderr
    assert "also with smaller limits: Ray ended it, because its node was running low on memory" in done.stdout


LOST_NODE = """
import ray
import threading
from pathlib import Path
from dataclasses import replace
from ray.cluster_utils import Cluster
import engine.generation.pool as pool_module
from engine.artifacts.samples import SamplesFolder
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.runtime.cluster import ClusterConfig
from tests.support.jobs import FAKE, job_at, rows
from tests.support.places import printed, quiet_place
from tests.support.waiting import wait_until

def units_until_the_third_engine_has_written():
    while not list(folder.glob("attempt-*/part-e2-*.parquet")):
        assert len(given) < 2000, "it never joined"
        given.append(len(given))
        yield Unit(given[-1] % 3, rows(10, given[-1] % 3, 10 * given[-1]))

given, pool_module._UNITS_WAITING = [], 4
folder, node = Path({folder!r}), dict(num_cpus=3, object_store_memory=80 * 2**20)
cluster = Cluster(initialize_head=True, head_node_args=node | dict(num_cpus=0, include_dashboard=False))
nodes = [cluster.add_node(**node) for _ in range(2)]
place = quiet_place(folder, cluster=ClusterConfig(address=cluster.address))
pool = EnginePool(replace(FAKE, num_engines=2, cpus_per_engine=3), place, "")
pool.wait_ready(2)

# Nodes are made in the main thread: Ray sets signal handlers for them.
arguments = (*job_at(folder), units_until_the_third_engine_has_written(), lambda _: None)
work = threading.Thread(target=pool.generate, args=arguments)
work.start()
for engine in (0, 1):
    wait_until(lambda: list(folder.glob(f"attempt-*/part-e{{engine}}-*.parquet")), "a part")
cluster.remove_node(nodes[0], allow_graceful=False)
wait_until(lambda: "its uncommitted samples are done again" in printed(place), "the death")
cluster.add_node(**node)
work.join()
table = SamplesFolder(folder).rows()
is_whole = table["sample_id"].to_pylist() == list(range(10 * len(given)))
print(printed(place), is_whole, sorted(set(table["engine"].to_pylist())))
pool.stop()
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.soak  # a cluster of three nodes
def test_a_node_that_is_lost_and_one_that_comes_end_no_run(tmp_path: Path) -> None:
    environment = {**os.environ, "SYNTHMILL_FAKE_SAMPLES_PER_SECOND": "60", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LOST_NODE.format(folder=str(tmp_path))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    assert "True [0, 1, 2]" in done.stdout, "every row is there once, and the third engine joined on the new node"
    assert done.stdout.count("its uncommitted samples are done again") == 1
