"""Nodes of a cluster die under a run: nothing is lost, nothing is there twice, and training goes on.

What is run is `benchmarks/cluster.py`, in small. What it calls wrong is tested by itself, since nothing is wrong here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks import cluster
from benchmarks._faults import Fault, Outcome, digest_of, lost_and_twice, table_of
from benchmarks._faulty_job import GENERATORS, Job, Phase, write_paragraphs, write_passages
from benchmarks._networks import Loopback
from benchmarks._nodes import Cluster, Node

GOOD = Outcome(
    seconds=90.0,
    generation_seconds=30.0,
    struck=[(10.0, "generation"), (50.0, "curation"), (70.0, "training")],
    codes=[0],
    planned=3,
    num_kept=2,
    kept="a digest",
    resumed_at_step=20,
)


@pytest.mark.soak  # two runs on clusters of two nodes, of which one is killed three times
@pytest.mark.timeout(900)
def test_a_node_that_dies_in_each_phase_costs_time_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--nodes", "2", "--faults", "node", "--interval", "8", "--samples", "600", "--epochs", "8"]
    code = cluster.main(arguments)
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "cluster.2.node.wrong value 0 " in printed
    times = next(line for line in printed.splitlines() if Fault.node.value in line).split("|")[3].strip()
    generation, *later = map(int, times.split("+"))
    assert generation >= 1
    assert later == [1, 1], "once in curation, and once in training"


def test_nothing_replaces_the_first_node() -> None:
    nodes = Cluster(1, Loopback())
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    nodes.nodes = [Node(0, ended)]
    nodes._log(0).write_text("no port\n")
    try:
        with pytest.raises(RuntimeError, match=r"^node 0 has ended:\nno port"):
            nodes.replace_failed()
    finally:
        nodes.close()


def test_everything_that_is_not_as_it_was_counts_as_wrong() -> None:
    assert cluster.wrongs(GOOD, GOOD.kept) == [0, 0, 0, 0]
    assert cluster.wrongs(replace(GOOD, lost=1, twice=2), GOOD.kept) == [1, 2, 0, 0]
    assert cluster.wrongs(replace(GOOD, kept="another"), GOOD.kept) == [0, 0, 1, 0]
    assert cluster.wrongs(replace(GOOD, resumed_at_step=0), GOOD.kept) == [0, 0, 0, 1]
    calm = replace(GOOD, struck=[], resumed_at_step=0)
    assert cluster.wrongs(calm, GOOD.kept) == [0, 0, 0, 0], "a training that nothing happened to begins once"
    cells = cluster.cells_of(GOOD, 12.3, "another")
    assert cells == ("1+1+1", "0.1", "12", "0", "0", "no (2)", "at step 20")


def test_rows_are_counted_by_their_ids() -> None:
    def part(*ids: int) -> pa.Table:
        return pa.table({"sample_id": ids, "query": [f"query {number}" for number in ids]})

    assert lost_and_twice([part(0, 1), part(2)], 3) == (0, 0)
    assert lost_and_twice([part(0, 1), part(1, 1)], 3) == (1, 2)
    assert digest_of(part(0, 1)) == digest_of(part(1, 0)) != digest_of(part(0, 2))


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []

    def measure(_: object, nodes: int, fault: Fault) -> Outcome:
        made.append((nodes, fault))
        return replace(GOOD, lost=int(fault is Fault.cut and nodes == 3))

    monkeypatch.setattr(cluster, "measure", measure)
    arguments = ["--results", str(tmp_path / "results.jsonl"), "--faults", "node", "cut"]
    assert cluster.main([*arguments, "--nodes", "2"]) == 0
    assert cluster.main([*arguments, "--nodes", "2", "3"]) == 1, "a row is lost"
    assert made == [(nodes, fault) for nodes in (2, 3) for fault in (Fault.none, Fault.node, Fault.cut)]
    assert "cluster.3.cut.wrong value 1 (budget 0)" in capsys.readouterr().out


@pytest.mark.parametrize(("again", "wrong"), [("a digest", 0), ("another", 1)])
def test_what_a_model_wrote_is_held_against_itself(
    again: str, wrong: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs have other texts, so that what is kept of one says nothing of the other."""

    def measure(_: object, nodes: int, fault: Fault) -> Outcome:
        assert nodes == 2
        if fault is Fault.none:
            return replace(GOOD, struck=[], kept="of other texts", kept_again="of other texts")
        return replace(GOOD, kept_again=again)

    monkeypatch.setattr(cluster, "measure", measure)
    assert cluster.main(["--generator", "bundled", "--nodes", "2", "--faults", "node"]) == wrong
    assert f"cluster.2.node.wrong value {wrong} (budget 0)" in capsys.readouterr().out


def test_faults_need_nodes_beside_the_drivers() -> None:
    possible = {nodes: [fault for fault in Fault if cluster.is_possible(fault, nodes)] for nodes in (1, 2, 3)}
    assert possible[1] == [Fault.none, Fault.driver]
    assert possible[2] == [Fault.none, Fault.node, Fault.cut, Fault.driver]
    assert possible[3] == list(Fault)


def test_a_run_tells_its_phase_by_what_lies_in_its_folder(tmp_path: Path) -> None:
    job = Job(tmp_path, samples=10, engines=1, rate=1.0, epochs=1)
    phases = []
    for file in (
        "samples/attempt-0001/part-e1-00001.parquet",
        "samples/_DONE",
        "examples/_DONE",
        ".model.work/checkpoint_manager_snapshot.json",
        "model/_DONE",
    ):
        phases.append(job.phase())
        (job.run / file).parent.mkdir(parents=True, exist_ok=True)
        (job.run / file).write_text("checkpoint_1")
    phases.append(job.phase())
    expected = [Phase.start, Phase.generation, Phase.curation, Phase.other, Phase.training, Phase.other]
    assert phases == expected


@pytest.mark.parametrize("write", [write_passages, write_paragraphs])
def test_passages_are_the_same_each_time(write: Callable[[Path, int], None], tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, 30)
    lines = (tmp_path / "a").read_text().splitlines()
    assert lines == (tmp_path / "b").read_text().splitlines()
    assert len({json.loads(line)["text"] for line in lines}) == 30


def test_no_more_paragraphs_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^1000000 samples need 100000 paragraphs, and Python has \d+ of them$"):
        write_paragraphs(tmp_path / "passages.jsonl", 100_000)


def test_who_writes_is_in_the_command(tmp_path: Path) -> None:
    jobs = [Job(tmp_path, samples=10, engines=1, rate=1.0, epochs=1, generator=name) for name in GENERATORS]
    assert [job.draws for job in jobs] == [False, True]
    assert [name for job in jobs for name in job.command("here", "model") if name.startswith("samples=")] == [
        "samples=fake",
        "samples=smollm2",
    ]


def test_rows_are_a_table() -> None:
    assert table_of([("a", "b"), ("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"
