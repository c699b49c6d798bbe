"""The pool with real actors: every row is committed once, also when engines die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from engine.cluster import ClusterConfig
from engine.console import Console
from engine.errors import UserError
from engine.loop import Job
from engine.memory import MemorySampler
from engine.parts import open_attempt, read_samples
from engine.place import Place
from engine.pool import EnginePool, EnginePools, Queues, Unit, check_failures
from engine.prompts import Prompts
from engine.records import PROMPTS
from engine.samples import GeneratorKind, SamplesConfig
from engine.task import TaskConfig
from engine.tracking import NoTracker

TASK = TaskConfig(prompt="Passage: {{ passage.text }}\nQuery:", stop=["\n"])
FAKE = SamplesConfig(generator=GeneratorKind.fake, seed=0, part_rows=20, max_num_seqs=8, cpus_per_engine=1)


def rows(count: int, prefix: int = 0, first: int = 0) -> pa.Table:
    table = pa.table(
        {
            "sample_id": range(first, first + count),
            "passage_id": [f"p{i}" for i in range(first, first + count)],
            "cell": [""] * count,
            "replicate": [0] * count,
            "round": [0] * count,
            "demonstration_set": [0] * count,
            "prefix": [prefix] * count,
            "prompt_tokens": [20] * count,
            "demonstrations": [""] * count,
        },
        schema=PROMPTS,
    )
    texts = [f"passage number {i} about apples and oranges" for i in range(first, first + count)]
    return table.append_column("title", pa.array([""] * count)).append_column("text", pa.array(texts))


def units(total: int, size: int) -> list[Unit]:
    return [Unit(start // size % 3, rows(size, start // size % 3, start)) for start in range(0, total, size)]


@pytest.fixture
def place(tmp_path: Path, ray_session: None) -> Place:
    cluster = ClusterConfig(num_cpus=2)
    return Place(tmp_path / "run", tmp_path / "store", cluster, Console(), NoTracker(), MemorySampler(), EnginePools())


@pytest.fixture
def pools(place: Place) -> Iterator[EnginePools]:
    yield place.engines
    place.engines.stop()


def job(folder: Path) -> Job:
    return Job(Prompts(TASK, []), 1, open_attempt(folder, 1), [])


def test_two_engines_write_every_row_once(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, num_engines=2), place)
    seen: list[int] = []
    totals = pool.generate(job(tmp_path), units(300, 15), seen.append)
    table = read_samples(tmp_path)
    assert table["sample_id"].to_pylist() == list(range(300))
    assert set(table["status"].to_pylist()) == {"generated"}
    assert sum(own["committed"] for own in totals) == 300
    assert seen[-1] == 300


def test_a_killed_engine_costs_only_its_open_part(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, num_engines=2, fake_samples_per_second=60.0), place)
    pool.wait_ready()
    victim = actor_pid(pool)
    killer = threading.Thread(target=lambda: (time.sleep(1.2), os.kill(victim, signal.SIGKILL)))
    killer.start()
    pool.generate(job(tmp_path), units(240, 12), lambda _: None)
    killer.join()
    table = read_samples(tmp_path)
    assert table["sample_id"].to_pylist() == list(range(240))
    assert len(set(table["engine"].to_pylist())) == 3, "another engine took the dead one's place"


def actor_pid(pool: EnginePool) -> int:
    """The process of one engine: the one whose standard output is the engine's log."""
    log = pool._engines[0].log.resolve()
    for process in psutil.Process().children(recursive=True):
        if any(Path(file.path) == log for file in process.open_files()):
            return process.pid
    raise AssertionError(f"no process writes {log}")


def test_a_failing_prompt_is_a_failed_row(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = pools.start(replace(FAKE, context_tokens=60, max_tokens=8), place)
    work = rows(40)
    texts = ["word " * 200 if i == 7 else text for i, text in enumerate(work["text"].to_pylist())]
    work = work.set_column(work.column_names.index("text"), "text", pa.array(texts))
    pool.generate(job(tmp_path), [Unit(0, work)], lambda _: None)
    failed = [row for row in read_samples(tmp_path).to_pylist() if row["status"] == "failed"]
    assert [row["sample_id"] for row in failed] == [7]
    assert "the context 60" in failed[0]["error"]


def test_a_run_that_is_wrong_as_a_whole_is_stopped() -> None:
    totals = [{"failed": 60, "last_error": "no room"}, {"failed": 0, "last_error": ""}]
    with pytest.raises(UserError, match=r"60 of 100 samples failed, the last with: no room"):
        check_failures(0.5, 100, totals)
    check_failures(0.6, 100, totals)
    check_failures(0.1, 49, [{"failed": 49, "last_error": "early"}])


def test_an_engine_that_cannot_start_says_why(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match=r"samples\.model=.*broken"):
        pools.start(SamplesConfig(model=str(broken), seed=0), place)


def test_queues_prefer_warm_prefixes_then_the_longest() -> None:
    queues = Queues([Unit(0, rows(1)), Unit(1, rows(1)), Unit(1, rows(1)), Unit(2, rows(1))])
    taken = [queues.take({2}), queues.take({2}), queues.take(set()), queues.take(set())]
    assert [unit.prefix for unit in taken if unit] == [2, 1, 0, 1]
    assert queues.take(set()) is None
    assert not len(queues)
