"""Samples are followed in whatever order they are committed, once each, and what is kept is the same as without it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.judged import Criterion
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import samples_schema
from engine.errors import UserError
from engine.examples.config import ExamplesConfig
from engine.examples.following.process import FollowedRows, RowsJob, SearchJob, read_job, write_job
from engine.examples.following.results import begin_results, results_of
from engine.examples.round_trip import RoundTripConfig
from engine.examples.step import curate_examples
from engine.filters.chain import FiltersConfig
from engine.runtime.cluster import ClusterConfig
from engine.runtime.place import Place
from engine.search.encoder import EncoderConfig
from engine.search.pooling import Pooling
from engine.storage.merging import compact
from engine.storage.parts import write_part
from engine.storage.parts_log import PartsLog
from engine.task.config import TaskConfig
from engine.task.render import Demonstration
from tests.support.places import printed, quiet_place

ENCODER = EncoderConfig(model="unused", query_prefix=None, passage_prefix=None, max_tokens=64)
CONFIG = ExamplesConfig(seed=0, round_trip=RoundTripConfig(enabled=False), max_per_passage=9, encoder=ENCODER)
SUBJECTS = ("bread", "bees", "pumps", "loans", "clocks")
ENDINGS = ("", " now", "?", " in the summer of that year", " x" * 60)
COUNT = 120


def sample(number: int) -> dict[str, object]:
    subject = SUBJECTS[number % 5]
    text = f"why do people {SUBJECTS[number // 7 % 5]} {subject}{ENDINGS[number // 5 % 5]}"
    row = {"sample_id": number, "passage_id": subject, "status": "generated", "error": "", "logprob": -1.0}
    row |= {"text": text, "finish_reason": "stop", "condition_form": "question"}
    return row | {"status": "failed", "text": ""} if number % 11 == 3 else row


def table(numbers: list[int]) -> pa.Table:
    return pa.Table.from_pylist([sample(number) for number in numbers], schema=samples_schema(["form"]))


def write_inputs(documents: Path, prompts: Path) -> None:
    """Five passages, and a plan of `COUNT` samples of them."""
    shown = {"title": "", "position": 0, "num_tokens": 20}
    rows = [{"passage_id": name, "document_id": name, "text": f"All about {name}.", **shown} for name in SUBJECTS]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), documents / "passages.parquet")
    demonstrations = [Demonstration("A document.", "why do people loans bees now")]
    PromptsFolder(prompts).write_basis(TaskConfig(prompt="Query:"), demonstrations, [demonstrations])
    pq.write_table(pa.table({"sample_id": range(COUNT)}), prompts / "plan-00000.parquet")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return quiet_place(tmp_path, cluster=ClusterConfig(num_cpus=1))


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    folders = {noun: tmp_path / "store" / noun / "made" for noun in ("documents", "prompts", "samples")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    write_inputs(folders["documents"], folders["prompts"])
    return folders


def follower(inputs: dict[str, Path], place: Place) -> FollowedRows:
    """The work of a process that has just been started."""
    results = begin_results(place.store_dir, inputs["samples"], CONFIG)
    results.mkdir(exist_ok=True)
    return FollowedRows(RowsJob(inputs["samples"], inputs["documents"], inputs["prompts"], results, CONFIG, 0))


def curate(inputs: dict[str, Path], place: Place, name: str) -> list[pa.Table]:
    output = place.run_dir / name
    output.mkdir(parents=True)
    curate_examples(CONFIG, inputs, output, place)
    return [pq.read_table(output / f"{file}.parquet") for file in ("kept", "rejected")]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_does_not_depend_on_who_followed_which_part_when(
    seed: int, inputs: dict[str, Path], place: Place
) -> None:
    """Parts come in any order; the process is killed and started again; parts are merged; the last are not followed."""
    draw = np.random.default_rng(seed)
    parts = PartsLog.take_over(inputs["samples"], COUNT)
    pieces = np.split(draw.permutation(COUNT), np.sort(draw.choice(COUNT, 9, replace=False)))
    following, followed = follower(inputs, place), 0
    for number, piece in enumerate(pieces):
        if len(piece):
            write_part(parts.new_part("e0"), table(piece.tolist()))
        parts.list_new()
        if number < len(pieces) - 1 and draw.random() < 0.7:
            followed += following.look()
        if draw.random() < 0.3:  # whatever it had worked out and not kept is lost with it
            following = follower(inputs, place)
        if draw.random() < 0.3:
            compact(parts)
    results = results_of(place.store_dir, inputs["samples"], CONFIG)
    assert len(results.covered(COUNT)) == followed > 0, "no sample was followed twice"
    compact(parts)
    judged = len(results.ids())
    with_it = curate(inputs, place, "followed")
    assert f"examples   {judged} of 109 samples were judged while others were generated" in printed(place)
    results = results_of(place.store_dir, inputs["samples"], CONFIG)
    assert not results.ids().size, "they are removed with the step that used them"
    without = curate(inputs, place, "plain")
    assert with_it[0].equals(without[0])
    assert with_it[1].equals(without[1])
    assert len(with_it[0]) > 5
    assert {"exact_duplicate", "near_duplicate", "length", "prompt_leak"} <= set(with_it[1]["reason"].to_pylist())


def test_a_part_is_looked_at_when_it_counts_and_not_before(inputs: dict[str, Path], place: Place) -> None:
    following = follower(inputs, place)
    assert following.look() == 0, "generation has not begun"
    parts = PartsLog.take_over(inputs["samples"], COUNT)
    write_part(parts.new_part("e0"), table([5, 3, 8]))
    assert following.look() == 0
    parts.list_new()
    assert [following.look(), following.look()] == [3, 0]
    parts.close_engine(0)
    write_part(parts.new_part("e0"), table([9]))  # an engine that was given up: it never counts
    parts.list_new()
    assert following.look() == 0
    write_part(parts.new_part("e1"), table([9, 10]))
    parts.list_new()
    compact(parts)
    assert following.look() == 2, "of a merged part only what is new"


def test_a_disk_with_little_room_is_left_to_those_who_generate(inputs: dict[str, Path], place: Place) -> None:
    results = begin_results(place.store_dir, inputs["samples"], CONFIG)
    results.mkdir()
    job = RowsJob(inputs["samples"], inputs["documents"], inputs["prompts"], results, CONFIG, 10**18)
    with pytest.raises(UserError, match=r"GB wanted by cluster\.min_free_disk_bytes"):
        FollowedRows(job)
    assert not list(results.iterdir()), "the passages are not copied"
    following = FollowedRows(replace(job, free_bytes=0))
    following._free_bytes = 10**18
    parts = PartsLog.take_over(inputs["samples"], COUNT)
    write_part(parts.new_part("e0"), table([5, 3, 8]))
    parts.list_new()
    with pytest.raises(UserError, match="the disk is full"):
        following.look()
    assert not list(results.glob("rows-*")), "nor is anything kept"


def test_jobs_are_read_as_they_were_written(inputs: dict[str, Path], place: Place) -> None:
    judged = Criterion("relevance", "judge", "judge", ("score",), "", -1.5, float("inf"))
    filters = FiltersConfig(use=["copy"], judge="relevance", min_logprob=-2.0)
    encoder = EncoderConfig("bundled:all-minilm-l6-v2", None, "passage: ", 64, pooling=Pooling.mean, origins={"a": "b"})
    config = ExamplesConfig(filters=filters, encoder=encoder, seed=3, judged=(judged,), follow=True)
    for job in (
        RowsJob(inputs["samples"], inputs["documents"], inputs["prompts"], place.store_dir, config, 7),
        SearchJob(inputs["documents"], config, place.run_dir, place.store_dir, ClusterConfig(num_cpus=3)),
    ):
        line = write_job(job)
        assert line.count("\n") == 1
        assert read_job(line) == job
