"""What an engine writes for a job: when a part is due, what its totals are, and who wrote each row."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.generation import sending
from engine.generation.conversation import Conversation
from engine.generation.generator import Written
from engine.generation.jobs import GenerationJob, Ticket
from engine.generation.output import JobOutput
from engine.generation.sending import MOST_SENT
from engine.generation.totals import EngineTotals
from engine.storage.manifest import FencedError
from tests.support.committed import begin
from tests.support.loops import CONFIG, PROMPTS, row
from tests.support.waiting import PATIENCE_SECONDS

TASK = PROMPTS.compile()
SMALL = replace(CONFIG, part_rows=3, part_seconds=100.0)


@pytest.fixture
def output(tmp_path: Path) -> JobOutput:
    job = GenerationJob(PROMPTS, 1, begin(tmp_path).attempt_folder, ["form"])
    return JobOutput(job, TASK, SMALL, 5)


def over(number: int) -> Conversation:
    """A conversation whose only turn is answered."""
    conversation = Conversation(row(number), TASK, Ticket(1))
    [turn] = conversation.begin()
    conversation.answered(turn, Written("words", 4, -1.0, "stop"))
    return conversation


def test_a_part_is_due_when_it_is_large_or_nothing_else_is_to_do(output: JobOutput) -> None:
    assert not output.is_due(idle=True), "nothing is open"
    output.add(over(0))
    assert not output.is_due(idle=False)
    assert output.is_due(idle=True)
    output.add(over(1))
    output.add(over(2))
    assert output.is_due(idle=False)


def test_a_part_is_due_when_it_is_old(tmp_path: Path) -> None:
    job = GenerationJob(PROMPTS, 1, begin(tmp_path).attempt_folder, ["form"])
    output = JobOutput(job, TASK, replace(SMALL, part_seconds=1e-9), 5)
    output.add(over(0))
    assert output.is_due(idle=False)


def test_totals_follow_what_is_written_and_committed(output: JobOutput) -> None:
    output.count_request(100.0)
    output.count_request(101.0)
    output.add(over(0))
    assert output.totals == EngineTotals(generated=1, requests=2, output_tokens=4, first_admitted=100.0)
    output.commit({"prefix_cache_hits": 3})
    assert (output.totals.committed, output.totals.counters) == (1, {"prefix_cache_hits": 3})
    assert output.totals.last_committed > 0
    before = output.totals.last_committed
    output.commit({"prefix_cache_hits": 4})
    assert output.totals.last_committed == before, "nothing was open"
    assert output.totals.counters == {"prefix_cache_hits": 4}


def test_a_row_says_who_wrote_it(output: JobOutput, tmp_path: Path) -> None:
    output.add(over(3))
    output.commit({})
    [part] = tmp_path.glob("attempt-0001/*")
    [written] = pq.read_table(part).to_pylist()
    assert (written["sample_id"], written["engine"], written["attempt"], written["model"]) == (3, 5, 1, "fake")


def test_a_job_that_another_start_took_over_takes_no_part(output: JobOutput, tmp_path: Path) -> None:
    begin(tmp_path)
    output.add(over(0))
    with pytest.raises(FencedError):
        output.commit({})


def test_a_part_that_is_sent_slowly_holds_nothing_up_and_counts_when_it_is_there(tmp_path: Path) -> None:
    is_back, sent = threading.Event(), list[Path]()

    def send(part: Path) -> None:
        assert is_back.wait(PATIENCE_SECONDS)
        sent.append(part)

    output = JobOutput(GenerationJob(PROMPTS, 1, begin(tmp_path).attempt_folder, ["form"], upload=send), TASK, SMALL, 5)
    for number in range(2):
        output.add(over(number))
        output.commit({})
    output.settle()
    assert (output.totals.finished, output.totals.committed, sent) == (2, 0, [])
    is_back.set()
    output.settle(wait=True)
    assert (output.totals.committed, [part.name for part in sent]) == (
        2,
        ["part-e5-00000.parquet", "part-e5-00001.parquet"],
    )


def test_an_engine_that_writes_faster_than_parts_are_sent_waits(tmp_path: Path) -> None:
    is_back = threading.Event()

    def send(_: Path) -> None:
        assert is_back.wait(PATIENCE_SECONDS)

    output = JobOutput(GenerationJob(PROMPTS, 1, begin(tmp_path).attempt_folder, ["form"], upload=send), TASK, SMALL, 5)
    for number in range(MOST_SENT):
        output.add(over(number))
        assert output.is_due(idle=True)
        output.commit({})
    assert output.num_sent == MOST_SENT
    output.add(over(7))
    assert (output.is_due(idle=True), output.is_held_up) == (False, False), "the open part may grow meanwhile"
    output.add(over(8))
    output.add(over(9))
    assert (output.is_due(idle=False), output.is_held_up) == (False, True)
    is_back.set()
    output.settle(wait=True)
    assert (output.is_due(idle=False), output.is_held_up, output.num_sent) == (True, False, 0)


def test_a_part_that_cannot_be_sent_ends_the_job_and_loses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_PAUSES_SECONDS", ())

    def refuse(part: Path) -> None:
        if part.name.endswith("0.parquet"):
            raise UserError("is away", where=str(part), remedy="wait")

    job = GenerationJob(PROMPTS, 1, begin(tmp_path).attempt_folder, ["form"], upload=refuse)
    output = JobOutput(job, TASK, SMALL, 5)
    for number in range(2):
        output.add(over(number))
        output.commit({})
    with pytest.raises(UserError, match="is away"):
        output.settle(wait=True)
    assert output.totals.committed == 1
