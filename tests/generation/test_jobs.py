"""Units of work: runs of one prefix with their passages, and what is known of their prompts; tickets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.artifacts.documents import Passages
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.subjects import open_subjects
from engine.generation.jobs import Ticket, make_units, token_counts
from tests.support.jobs import rows, units


def test_units_are_runs_of_one_prefix_with_their_passages(planned_inputs: Mapping[str, Path]) -> None:
    prompts = PromptsFolder(planned_inputs["prompts"])
    made = list(make_units(prompts.plan(), open_subjects(planned_inputs, prompts), 20))
    assert [(unit.prefix, unit.size) for unit in made] == [(0, 20), (0, 10), (1, 20), (1, 10), (2, 20), (2, 10)]
    row = made[2].rows.to_pylist()[3]
    assert row["text"] == f"passage number {row['sample_id']} about apples and oranges"


def test_units_follow_the_sample_ids_within_a_prefix() -> None:
    table = rows(10)
    backwards = table.take(list(reversed(range(10)))).drop_columns(["title", "text"])
    made = list(make_units(backwards, Passages(Path(), table.select(["passage_id", "title", "text"])), 4))
    assert [unit.rows["sample_id"].to_pylist() for unit in made] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_tokens_of_the_shortest_and_the_mean_prompt() -> None:
    assert token_counts(units(30, 15)) == (20.0, 20.0)
    assert token_counts([]) == (1.0, 1.0)


def test_a_ticket_is_done_with_its_last_row() -> None:
    ticket = Ticket(2)
    ticket.count_row()
    assert not ticket.done.is_set()
    ticket.count_row()
    assert ticket.done.is_set()
