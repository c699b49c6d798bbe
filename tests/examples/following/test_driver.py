"""Processes follow generation for as long as it lasts; one that breaks is named, and nothing waits for it."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine.artifacts.examples import ExamplesRecord
from engine.examples.config import ExamplesConfig
from engine.examples.following.driver import Following
from engine.examples.following.process import FollowedRows, RowsJob
from engine.examples.following.results import begin_results, results_of
from engine.examples.step import curate_examples
from engine.runtime.cluster import ClusterConfig
from engine.runtime.place import Place
from engine.runtime.step import ROUND_ZERO, Step
from engine.storage.parts import write_part
from engine.storage.parts_log import PartsLog
from engine.storage.store import Store
from tests.examples.following.test_process import CONFIG, COUNT, table, write_inputs
from tests.support.jobs import FAKE
from tests.support.places import printed, quiet_place
from tests.support.waiting import wait_until

_PATIENCE_SECONDS = 120.0


def make_nothing(*_: object) -> ExamplesRecord:
    """The steps here are not run."""
    raise AssertionError("the test itself makes what a step would")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield quiet_place(tmp_path, cluster=ClusterConfig(num_cpus=1))
    wait_until(lambda: not followers(), "the end of what was killed")  # which takes a moment, and the next test counts


def steps_of(follow: bool, part_of: str = "") -> tuple[Step, Step]:
    """A samples step, and the one that curates what it makes."""
    documents, prompts = (Step(noun, make_nothing, CONFIG) for noun in ("documents", "prompts"))
    samples = Step("samples", make_nothing, FAKE, (documents, prompts), part_of=part_of)
    config = replace(CONFIG, follow=follow)
    return samples, Step("examples", curate_examples, config, (documents, prompts, samples), part_of=part_of)


def followers() -> list[psutil.Process]:
    children = psutil.Process().children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "engine.examples.following.process" in child.cmdline()]


def folder_of(step: Step, place: Place) -> Path:
    return Store(place.store_dir).reserve(step.noun, step.fingerprint)


def wait_until_followed(samples: Path, count: int, place: Place) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(results_of(place.store_dir, samples, CONFIG).covered(COUNT)) < count:
        assert time.monotonic() < deadline, (place.logs() / "following-rows.log").read_text()
        time.sleep(0.1)


def test_a_process_follows_while_samples_are_made_and_ends_with_its_input(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its input ends with the driver, however that ends: no kill is needed."""
    monkeypatch.setattr("engine.examples.following.child._PATIENCE_SECONDS", _PATIENCE_SECONDS)
    samples, examples = steps_of(follow=True)
    documents, prompts = (folder_of(step, place) for step in samples.inputs)
    write_inputs(documents, prompts)
    folder = folder_of(samples, place)
    with Following([samples, examples], place).until_the_end() as following:
        with following.beside(samples):
            parts = PartsLog.take_over(folder, COUNT)
            for piece in ([5, 3, 8], [0, 1]):
                write_part(parts.new_part("e0"), table(piece))
                parts.list_new()
            wait_until_followed(folder, 5, place)
            [process] = followers()
            assert process.nice() == 19, "whoever else wants the CPU comes first"
            share = Path(f"/proc/{process.pid}/autogroup")
            assert not share.exists() or share.read_text().endswith("nice 19\n"), "also of another session"
        assert not followers()
        with following.beside(examples):
            assert not followers()
    assert "error" not in printed(place)


def test_a_process_that_breaks_is_named(place: Place) -> None:
    samples, examples = steps_of(follow=True)  # its documents are not there
    with Following([samples, examples], place).until_the_end() as following, following.beside(samples):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        log = place.logs() / "following-rows.log"
        while "Error" not in log.read_text() or followers():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert "what follows generation has ended with an error; curation does it afterwards" in printed(place)


@pytest.mark.parametrize(("follow", "part_of"), [(False, ""), (True, f"{ROUND_ZERO}/demonstrations")])
def test_nothing_is_followed_unasked_nor_in_round_zero(follow: bool, part_of: str, place: Place) -> None:
    samples, examples = steps_of(follow, part_of)
    with Following([samples, examples], place).until_the_end() as following, following.beside(samples):
        assert not followers()


def test_a_run_that_shares_samples_finds_what_was_worked_out_when_another_has_used_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both follow the same samples by the same filters, and keep different numbers of examples of a passage."""
    monkeypatch.setattr("engine.examples.following.child._PATIENCE_SECONDS", 0.1)
    samples, examples = steps_of(follow=True)
    other = replace(examples, config=replace(CONFIG, follow=True, max_per_passage=1))
    folders = {step.noun: folder_of(step, place) for step in examples.inputs}
    write_inputs(folders["documents"], folders["prompts"])
    parts = PartsLog.take_over(folders["samples"], COUNT)
    write_part(parts.new_part("e0"), table([*range(COUNT)]))
    parts.list_new()
    results = begin_results(place.store_dir, folders["samples"], CONFIG)
    results.mkdir()
    FollowedRows(RowsJob(*(folders[noun] for noun in ("samples", "documents", "prompts")), results, CONFIG, 0)).look()
    with contextlib.ExitStack() as stack:
        runs = [Following([samples, step], place) for step in (examples, other)]
        for run in runs:
            stack.enter_context(run.until_the_end())
        with runs[0].beside(samples), runs[1].beside(samples):
            pass
        for number, (run, step) in enumerate(zip(runs, (examples, other), strict=True), 1):
            with run.beside(step):
                assert isinstance(step.config, ExamplesConfig)
                curate_examples(step.config, folders, folder_of(step, place), place)
            assert printed(place).count("109 of 109 samples were judged while others were generated") == number
            assert results.exists() is (number == 1), "the last one removes them"


def test_a_full_disk_is_said_and_nothing_is_followed(place: Place) -> None:
    samples, examples = steps_of(follow=True)
    full = replace(place, cluster=ClusterConfig(num_cpus=1, min_free_disk_bytes=10**18))
    with Following([samples, examples], full).until_the_end() as following, following.beside(samples):
        assert not followers()
    assert "curation does not begin beside generation, but after it:" in printed(place)
    assert "GB wanted by cluster.min_free_disk_bytes" in printed(place)
