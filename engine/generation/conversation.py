"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.generation.generator import Written
from engine.generation.jobs import Ticket
from engine.task.answers import Answer

Row = dict[str, Any]


_NOTHING = Written("", 0, float("nan"), "")


@dataclass(eq=False)
class _Sample:
    """A row of the plan on its way through the turns."""

    row: Row
    ticket: Ticket
    answers: dict[str, Answer] = field(default_factory=dict)
    outstanding: int = 0
    """Turns that wait or are in flight."""
    asked: set[str] = field(default_factory=set)
    error: str = ""
    last: Written = _NOTHING
    cut_off: bool = False
    input_hash: str = ""
    prompt_hash: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def views(self) -> dict[str, dict[str, Any]]:
        """Earlier answers as templates see them."""
        return {name: answer.view() for name, answer in self.answers.items()}


@dataclass(frozen=True)
class _Asked:
    """One turn of samples that one request answers; more than one only where nothing tells their prompts apart."""

    samples: list[_Sample]
    turn: str


def _note_asked(samples: list[_Sample], turns: list[str]) -> None:
    for sample in samples:
        sample.asked.update(turns)
        sample.outstanding += len(turns)
